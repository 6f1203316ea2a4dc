"""What the file half of a coupling refuses, without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from xlmerge.errors import UnsupportedAdapterError
from xlmerge.testing import write_adapters_folder

if TYPE_CHECKING:
    from pathlib import Path

np = pytest.importorskip("numpy")

NETWORKS = {"nice": {"F": 1, "G": 2}, "affine": {"S1": 1, "T1": 1, "S2": 2, "T2": 2}}
KINDS = tuple(NETWORKS)
BOTTLENECK = {"adapter_down.0.weight", "adapter_down.0.bias", "adapter_up.weight"}


def tensors_of(kind: str, hidden: int, factor: int = 2) -> dict[str, Any]:
    """All tensors of a coupling and of one bottleneck as wide as the model."""
    first, second = hidden // 2, hidden - hidden // 2
    found = {}
    for network, half in NETWORKS[kind].items():
        into, out_of = (second, first) if half == 1 else (first, second)
        shapes = {
            "0.weight": (into // factor, into),
            "0.bias": (into // factor,),
            "2.weight": (out_of, into // factor),
            "2.bias": (out_of,),
        }
        for tail, shape in shapes.items():
            found[f"roberta.invertible_adapters.{{name}}.{network}.{tail}"] = np.ones(shape)
    root = "roberta.encoder.layer.0.output.adapters.{name}."
    for name in (*BOTTLENECK, "adapter_up.bias"):
        shape = (hidden, hidden) if name.endswith("weight") else (hidden,)
        found[root + name] = np.ones(shape)
    return {key: value.astype(np.float32) for key, value in found.items()}


def write(folder: Path, kind: str, tensors: dict[str, Any], hidden: int, **config: Any) -> Path:
    settings = {
        "mh_adapter": False,
        "output_adapter": True,
        "reduction_factor": 1,
        "non_linearity": "relu",
        "inv_adapter": kind,
        "inv_adapter_reduction_factor": 2,
        **config,
    }
    return write_adapters_folder(folder, settings, tensors, hidden_size=hidden)


@pytest.mark.parametrize("hidden", [8, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_even_and_odd_widths(kind: str, hidden: int, tmp_path: Path) -> None:
    folder = write(tmp_path, kind, tensors_of(kind, hidden), hidden)
    with xlmerge.load(folder) as state:
        invertible = [name for name in state if name.startswith("invertible_adapters.")]
    assert len(invertible) == 4 * len(NETWORKS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_halves_the_wrong_way_round(kind: str, tmp_path: Path) -> None:
    tensors = tensors_of(kind, 9)
    first, *_, second = NETWORKS[kind]
    root = "roberta.invertible_adapters.{name}."
    for tail in ("0.weight", "2.weight", "2.bias"):
        one, other = f"{root}{first}.{tail}", f"{root}{second}.{tail}"
        tensors[one], tensors[other] = tensors[other], tensors[one]
    with pytest.raises(UnsupportedAdapterError, match=rf"{first}\.0\.weight: expected shape"):
        xlmerge.load(write(tmp_path, kind, tensors, 9))


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_tensor(kind: str, tmp_path: Path) -> None:
    tensors = tensors_of(kind, 8)
    gone = f"{list(NETWORKS[kind])[-1]}.2.bias"
    del tensors[f"roberta.invertible_adapters.{{name}}.{gone}"]
    with pytest.raises(UnsupportedAdapterError, match=f"lacks invertible_adapters.{gone}"):
        xlmerge.load(write(tmp_path, kind, tensors, 8))


@pytest.mark.parametrize("kind", KINDS)
def test_declared_and_not_there(kind: str, tmp_path: Path) -> None:
    tensors = {k: v for k, v in tensors_of(kind, 8).items() if "invertible" not in k}
    count = 4 * len(NETWORKS[kind])
    with pytest.raises(UnsupportedAdapterError, match=rf"\({kind}\).*none of its {count} tensors"):
        xlmerge.load(write(tmp_path, kind, tensors, 8))


@pytest.mark.parametrize("said", ["nice", "affine", "rotation", None])
@pytest.mark.parametrize("kind", KINDS)
def test_the_configuration_says_something_else(kind: str, said: str | None, tmp_path: Path) -> None:
    folder = write(tmp_path, kind, tensors_of(kind, 8), 8, inv_adapter=said)
    if said == kind:
        xlmerge.load(folder).close()
        return
    with pytest.raises(
        UnsupportedAdapterError, match=f"(?i)networks of an? {kind}.*inv_adapter: {said}`"
    ):
        xlmerge.load(folder)


@pytest.mark.parametrize("setting", ["inv_adapter_reduction_factor", "non_linearity"])
def test_settings_that_must_be_equal(setting: str, tmp_path: Path) -> None:
    tensors = tensors_of("affine", 8)
    mine = write(tmp_path / "mine", "affine", tensors, 8)
    other = {"inv_adapter_reduction_factor": None, "non_linearity": "gelu"}[setting]
    yours = write(tmp_path / "yours", "affine", tensors, 8, **{setting: other})
    with pytest.raises(xlmerge.errors.RecipeError, match=setting):
        xlmerge.merge("linear", {mine: 0.5, yours: 0.5}, output=tmp_path / "ours")
