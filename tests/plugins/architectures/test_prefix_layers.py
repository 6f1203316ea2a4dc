"""Which layer a matrix of a flat prefix belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.errors import UnsupportedAdapterError
from xlmerge_standard.architectures.prefix.in_adapters import in_adapters

ROOT = "prefix_tuning.prefix_tunings.{name}.self_prefix.control_trans"
POOL = ".prefix_tuning.pool.prefix_tunings.{name}.self_prefix.control_trans"
XLMR = "encoder.layer.%d.attention.self" + POOL
LLAMA = "layers.%d.self_attn" + POOL
LENGTH, HIDDEN = 3, 8


def _config(left_out: list[int]) -> dict[str, Any]:
    return {
        "architecture": "prefix_tuning",
        "flat": True,
        "prefix_length": LENGTH,
        "leave_out": left_out,
    }


def _claimed(claim: Any) -> tuple[list[int], tuple[int, ...]]:
    [bundle] = claim.bundles
    kinds = [parameter.site for parameter in bundle.parameters]
    assert kinds == ["prefix.key", "prefix.value"] * (len(kinds) // 2)
    return [p.layer for p in bundle.parameters[::2]], bundle.parameters[0].shape


@pytest.mark.parametrize("left_out", [[], [0], [1, 3]])
@pytest.mark.parametrize(("place", "width"), [(XLMR, HIDDEN), (LLAMA, HIDDEN // 2)])
def test_copies_tell_the_layers_of_the_model(
    left_out: list[int], place: str, width: int, header: Any
) -> None:
    layers = [layer for layer in range(4) if layer not in left_out]
    size = (LENGTH * 2 * len(layers) * width,)
    shapes = {ROOT: size} | {place % n: size for n in range(4)}
    claim = in_adapters.claim(
        header("adapters", _config(left_out), shapes, hidden_size=HIDDEN, model_type="any")
    )
    assert _claimed(claim) == (layers, (LENGTH, width))
    assert sorted(claim.bundles[0].copies) == sorted(set(shapes) - {ROOT})


def test_without_copies_keys_as_wide_as_the_model_tell_them_too(header: Any) -> None:
    shapes = {ROOT: (LENGTH * 2 * 3 * HIDDEN,)}
    folder = header("adapters", _config([1]), shapes, hidden_size=HIDDEN, model_type="xlm-roberta")
    assert _claimed(in_adapters.claim(folder)) == ([0, 2, 3], (LENGTH, HIDDEN))


def test_without_copies_grouped_keys_are_refused(header: Any) -> None:
    """4 layers of narrow keys, or 2 of wide ones?"""
    shapes = {ROOT: (LENGTH * 2 * 4 * HIDDEN // 2,)}
    folder = header("adapters", _config([]), shapes, hidden_size=HIDDEN, model_type="llama")
    with pytest.raises(UnsupportedAdapterError, match="does not tell how many layers"):
        in_adapters.claim(folder)
