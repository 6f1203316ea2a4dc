"""Every tensor is claimed by exactly one architecture, every setting understood by at least one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders import KINDS, MODELS, edit_config, edit_tensors, make
from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder
from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import (
    AdapterArchitecture,
    Bundle,
    Claim,
    FileHalf,
    Parameter,
    Registry,
    claim_by_patterns,
    discover,
    hookimpl,
    load_registry,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def registry() -> Registry:
    return discover(strict=True)


def with_architecture(claim: Callable[..., Any], *, alone: bool = False) -> Registry:
    """The standard plugin and one whose architecture claims so."""
    import xlmerge_standard.plugin

    mine = AdapterArchitecture(
        name="mine", summary="x", source="x", files=(FileHalf(format="adapters", claim=claim),)
    )

    class Plugin:
        xlmerge_api_version = 0

        @staticmethod
        @hookimpl
        def xlmerge_adapter_architectures() -> list[AdapterArchitecture]:
            return [mine]

    plugins: list[tuple[str, object]] = [("acme", Plugin)]
    if not alone:
        plugins.append(("standard", xlmerge_standard.plugin))
    return load_registry(plugins, strict=True)


def refused(folder: Path, registry: Registry, *words: str) -> None:
    with open_adapter_folder(folder) as opened, pytest.raises(UnsupportedAdapterError) as caught:
        cover(opened, registry)
    for word in (str(folder), *words):
        assert word in str(caught.value)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_covered(tmp_path: Path, registry: Registry, kind: str, model: str) -> None:
    with open_adapter_folder(make(tmp_path / "a", kind, model=model, labels=2)) as folder:
        layout = cover(folder, registry)
        keys = [
            key
            for covered in layout.covered
            for bundle in covered.claim.bundles
            for key in (*bundle.keys.values(), *bundle.copies)
        ]
        assert sorted(keys) == sorted([*folder.header.tensors, *folder.header.head_tensors])
        assert layout.has_head
        layers = {p.layer for p in layout.parameters().values()}
        assert {0, 1} <= layers <= {0, 1, None}
        assert not set(layout.parameters()) & set(layout.parameters(head=True))


def test_nobody_claims(tmp_path: Path, registry: Registry) -> None:
    folder = make(tmp_path / "a", "seq_bn", prefix="")
    edit_tensors(folder, lambda arrays: {**arrays, "stray": arrays[next(iter(arrays))]})
    refused(folder, registry, "1 of 9 tensors", "'stray'", "xlmerge plugins")


def test_nobody_claims_anything(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "seq_bn")
    refused(folder, with_architecture(lambda header: None, alone=True), "8 of 8 tensors")


def test_two_claim(tmp_path: Path) -> None:
    def claim(header: Any) -> Any:
        return claim_by_patterns(header, [r".*adapter_up\.bias"], part="mine")

    folder = make(tmp_path / "a", "seq_bn")
    refused(
        folder,
        with_architecture(claim),
        "is claimed twice",
        "mine of plugin 'acme'",
        "bottleneck of plugin 'standard'",
        "XLMERGE_DISABLE_PLUGINS",
    )


@pytest.mark.parametrize("error", [KeyError("leave_out"), TypeError("no"), ZeroDivisionError()])
def test_one_fails(tmp_path: Path, error: Exception) -> None:
    def claim(header: Any) -> Any:
        raise error

    folder = make(tmp_path / "a", "seq_bn")
    # What others cover is covered.
    with open_adapter_folder(folder) as opened:
        assert cover(opened, with_architecture(claim)).covered
    refused(
        folder,
        with_architecture(claim, alone=True),
        "the architecture mine (plugin 'acme'",
        "cannot make sense of the folder",
        type(error).__name__,
    )


def bundle(**changes: Any) -> Any:
    given: dict[str, Any] = {
        "keys": {"value": "encoder.layer.0.output.adapters.{name}.adapter_up.bias"},
        "parameters": (Parameter(name="x", part="mine", shape=(8,)),),
    }
    return lambda header: Claim(bundles=(Bundle(**(given | changes)),))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keys": {"value": "nowhere"}}, "claims the tensor 'nowhere', which is not there"),
        ({"copies": {"nowhere": "value"}}, "claims the tensor 'nowhere', which is not there"),
    ],
)
def test_claims_of_what_is_not_there(tmp_path: Path, changes: Any, words: str) -> None:
    registry = with_architecture(bundle(**changes), alone=True)
    refused(make(tmp_path / "a", "seq_bn"), registry, words)


def test_two_parameters_of_one_name(tmp_path: Path) -> None:
    def claim(header: Any) -> Any:
        return Claim(
            bundles=tuple(
                Bundle(keys={"v": key}, parameters=(Parameter(name="x", part="p", shape=(8,)),))
                for key in header.tensors
            ),
            config_keys=frozenset(header.config),
        )

    registry = with_architecture(claim, alone=True)
    refused(make(tmp_path / "a", "seq_bn"), registry, "two parameters are called 'x'")


def test_a_bundle_of_nothing(tmp_path: Path) -> None:
    def claim(header: Any) -> Any:
        return Claim(
            bundles=tuple(Bundle(keys={"v": key}, parameters=()) for key in header.tensors),
            config_keys=frozenset(header.config),
        )

    registry = with_architecture(claim, alone=True)
    refused(make(tmp_path / "a", "seq_bn"), registry, "a bundle without tensors or parameters")


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_empty_settings_change_nothing(tmp_path: Path, registry: Registry, value: Any) -> None:
    for kind in ("seq_bn", "peft_lora"):
        folder = make(tmp_path / kind, kind)
        edit_config(folder, brand_new=value)
        with open_adapter_folder(folder) as opened:
            assert cover(opened, registry).covered


def test_settings_of_nobody(tmp_path: Path, registry: Registry) -> None:
    for kind in ("seq_bn", "peft_lora"):
        folder = make(tmp_path / kind, kind)
        edit_config(folder, brand_new=0.5, newer=["x"])
        refused(folder, registry, "the setting brand_new: 0.5, newer: ['x']", "on a hope")
