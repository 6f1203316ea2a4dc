"""The defaults of an architecture: plain tensors, claimed by patterns."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.plugin import (
    AdapterArchitecture,
    Bundle,
    FileHalf,
    FolderHeader,
    Parameter,
    TensorHeader,
    claim_by_patterns,
)

PATTERN = r"encoder\.layer\.(?P<layer>\d+)\.(?P<site>\w+)\.\{name\}\.weight"


def header(*keys: str) -> FolderHeader:
    tensors = {key: TensorHeader(name=key, dtype="float32", shape=(2, 3)) for key in keys}
    return FolderHeader(path="p", format="adapters", name="x", config={}, tensors=tensors)


def test_claim_by_patterns() -> None:
    keys = [
        "encoder.layer.11.output.{name}.weight",
        "encoder.layer.11.output.{name}.weight.more",
        "norm",
        "other",
    ]
    claim = claim_by_patterns(
        header(*keys), [PATTERN, "norm"], part="tensor", meaning={"a": 1}, config_keys=["a"]
    )
    assert claim is not None
    assert [bundle.keys for bundle in claim.bundles] == [{"value": keys[0]}, {"value": "norm"}]
    [layered], [plain] = (bundle.parameters for bundle in claim.bundles)
    assert (layered.name, layered.layer, layered.site) == (
        "encoder.layer.11.output.weight",
        11,
        "output",
    )
    assert (plain.layer, plain.site, plain.part, plain.shape) == (None, "", "tensor", (2, 3))
    assert (claim.meaning, claim.config_keys) == ({"a": 1}, frozenset({"a"}))


def test_a_single_text_is_no_list_of_patterns() -> None:
    with pytest.raises(TypeError, match="is a list of texts; found the single text 'norm'"):
        claim_by_patterns(header("norm"), "norm", part="tensor")


def test_nothing_to_claim() -> None:
    assert claim_by_patterns(header("other"), [PATTERN], part="tensor") is None


def test_plain_tensors_need_no_more_than_a_claim() -> None:
    half = FileHalf(format="adapters", claim=lambda _: None)
    parameter = Parameter(name="a", part="tensor", shape=(2,))
    bundle = Bundle(keys={"value": "key"}, parameters=(parameter,))
    points: Any = half.decode(bundle, {"value": "array"})
    assert points == {"a": "array"}
    assert half.encode(bundle, points, {}) == {"value": "array"}
    assert half.attributes(parameter, "array") == {}
    config = {"b": 2}
    assert half.configure(config, {}) is config
    assert half.space([parameter], print).name


def test_options_are_read_off_the_space() -> None:
    def space(peers: Any, observe: Any, *, rank: int | None = None) -> Any: ...

    half = FileHalf(format="peft", claim=lambda _: None, space=space)
    assert [option.describe() for option in half.options] == ["whole number, default none"]


def test_arguments_that_are_no_options_may_be_annotated_for_type_checkers_alone() -> None:
    # As the space of plain tensors is.
    assert FileHalf(format="peft", claim=lambda _: None).options == ()


@pytest.mark.parametrize(("format_", "found"), [("peft", True), ("adapters", False)])
def test_half(format_: str, found: bool) -> None:
    half = FileHalf(format="peft", claim=lambda _: None)
    architecture = AdapterArchitecture(name="a", summary="A.", source="made up", files=(half,))
    assert architecture.half(format_) is (half if found else None)
