"""The suite for architectures notices what is wrong with an architecture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import UnsupportedAdapterError, XLMergeError
from xlmerge.plugin import AdapterArchitecture, Claim, FileHalf, claim_by_patterns
from xlmerge.spaces import ArrayDeltas
from xlmerge.testing import ArchitectureSuite, write_peft_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from xlmerge.plugin import FolderHeader

np = pytest.importorskip("numpy")

KEY = "base_model.model.roberta.encoder.layer.{}.output.shift.weight"
RIGHT = r"encoder\.layer\.(?P<layer>\d+)\.output\.shift\.weight"


def claim(header: FolderHeader, pattern: str = RIGHT) -> Claim | None:
    if header.config.get("peft_type") != "SHIFT":
        return None
    return claim_by_patterns(header, [pattern], part="shift", meaning={"kind": "shift"})


def architecture(**half: Any) -> AdapterArchitecture:
    return AdapterArchitecture(
        name="shift",
        summary="Adds a trained vector.",
        source="made up",
        files=(FileHalf(**{"format": "peft", "claim": claim, **half}),),
    )


def suite(**half: Any) -> ArchitectureSuite:
    class Suite(ArchitectureSuite):
        architecture = globals()["architecture"](**half)

        def write(self, folder: Path) -> None:
            rng = np.random.default_rng(0)
            tensors = {KEY.format(layer): rng.standard_normal(4, np.float32) for layer in (0, 1)}
            write_peft_folder(folder, {"peft_type": "SHIFT"}, tensors)

    return Suite()


def run(suite: ArchitectureSuite, test: str, tmp_path: Path) -> None:
    folder, scratch = tmp_path / "adapter", tmp_path / "scratch"
    for path in (folder, scratch):
        path.mkdir(parents=True)
    suite.write(folder)
    if "other_kinds" in test:
        getattr(suite, test)()
    elif "adapter" in test:
        getattr(suite, test)(folder, scratch)
    else:
        getattr(suite, test)(folder)


TESTS = [name for name in vars(ArchitectureSuite) if name.startswith("test_")]


@pytest.mark.parametrize("test", TESTS)
def test_a_right_one_passes(test: str, tmp_path: Path) -> None:
    run(suite(), test, tmp_path)


def claims_half(header: FolderHeader) -> Claim | None:
    return claim(header, RIGHT.replace(r"\d+", "0"))


def claims_twice(header: FolderHeader) -> Claim | None:
    found = claim(header)
    return found and replace(found, bundles=(*found.bundles, found.bundles[0]))


def names_all_alike(header: FolderHeader) -> Claim | None:
    found = claim(header)
    if found is None:
        return None
    return replace(
        found,
        bundles=tuple(
            replace(bundle, parameters=(replace(bundle.parameters[0], name="shift"),))
            for bundle in found.bundles
        ),
    )


def opens_files(header: FolderHeader) -> Claim | None:
    if header.config.get("peft_type") == "SHIFT":
        (Path(header.path) / "adapter_config.json").read_text(encoding="utf-8")
    return claim(header)


def hangs_on_order(header: FolderHeader) -> Claim | None:
    found = claim(header)
    return found and replace(found, meaning={"first": next(iter(header.tensors))})


def raises_on_strangers(header: FolderHeader) -> Claim | None:
    if header.config.get("peft_type") not in {"SHIFT", "LORA"}:
        raise UnsupportedAdapterError("not a shift")
    return claim(header)


def claims_everything(header: FolderHeader) -> Claim | None:
    return claim_by_patterns(header, [".*"], part="shift")


def wrong_shape(header: FolderHeader) -> Claim | None:
    found = claim(header)
    if found is None:
        return None
    return replace(
        found,
        bundles=tuple(
            replace(bundle, parameters=(replace(bundle.parameters[0], shape=(2, 2)),))
            for bundle in found.bundles
        ),
    )


class Lopsided(ArrayDeltas):
    """A chart that is none."""

    name = "lopsided"
    reaches_target = True

    def delta(self, x: Any) -> Any:
        return 2 * x

    def restore(self, d: Any) -> Any:
        return d

    def transport(self, x: Any, source: Any, target: Any, t: float) -> Any:
        return x


WRONG: dict[str, tuple[dict[str, Callable[..., Any]], str]] = {
    "claims half": ({"claim": claims_half}, "test_every_tensor_is_claimed_once"),
    "claims twice": ({"claim": claims_twice}, "test_every_tensor_is_claimed_once"),
    "one name for all": ({"claim": names_all_alike}, "test_every_tensor_is_claimed_once"),
    "opens files": ({"claim": opens_files}, "test_the_header_is_enough_for_a_claim"),
    "order matters": ({"claim": hangs_on_order}, "test_the_header_is_enough_for_a_claim"),
    "raises": ({"claim": raises_on_strangers}, "test_folders_of_other_kinds_are_left_alone"),
    "greedy": ({"claim": claims_everything}, "test_folders_of_other_kinds_are_left_alone"),
    "encode": (
        {"encode": lambda bundle, points, want: {"value": -next(iter(points.values()))}},
        "test_encode_inverts_decode",
    ),
    "decode": (
        {"decode": lambda bundle, tensors: {"value": tensors["value"]}},
        "test_encode_inverts_decode",
    ),
    "shape": ({"claim": wrong_shape}, "test_points_obey_the_laws_of_their_space"),
    "space": (
        {"space": lambda peers, observe: Lopsided()},
        "test_points_obey_the_laws_of_their_space",
    ),
    "configure": (
        {"configure": lambda config, written: {**config, "rank": 8}},
        "test_one_adapter_at_weight_1_comes_back",
    ),
    "identity": (
        {"space": lambda peers, observe: Lopsided()},
        "test_one_adapter_at_weight_1_comes_back",
    ),
    "mean": (
        {"space": lambda peers, observe: Lopsided()},
        "test_the_mean_of_equal_adapters_is_the_adapter",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_one_does_not(name: str, tmp_path: Path) -> None:
    half, test = WRONG[name]
    with pytest.raises((AssertionError, XLMergeError, OSError)):
        run(suite(**half), test, tmp_path)
