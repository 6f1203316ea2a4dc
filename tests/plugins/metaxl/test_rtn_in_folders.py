"""Networks in folders: written, read, merged and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder
from xlmerge.errors import ModelError, UnsupportedAdapterError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

import xlmerge  # noqa: E402
from builders import bilevel, reading, tiny_training  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xlmerge.runtime import LiveModel

LAYERS = [0, 2]


@pytest.fixture
def live(base: Path) -> LiveModel:
    from xlmerge.runtime import LiveModel

    return LiveModel.load(str(base), registry=tiny_training.registry(), device="cpu")


@pytest.fixture
def save(live: LiveModel, tmp_path: Path) -> Callable[..., Path]:
    """Saves a network of random numbers."""

    def made(name: str, seed: int = 1, *, format_: str = "bin", **fields: Any) -> Path:
        config = tiny_training.named_config("rtn_paper", layers=LAYERS, **fields)
        live.add_adapter(name, config, seed=seed)
        with torch.no_grad():
            for at, p in enumerate(live.adapter_parameters(name).values()):
                draw = torch.Generator().manual_seed(100 * seed + at)
                p.copy_(torch.randn(p.shape, generator=draw))
        live.save_adapter(name, tmp_path / name, format_=format_)
        return tmp_path / name

    return made


def _numbers(live: LiveModel, name: str) -> list[torch.Tensor]:
    return [p.detach().clone() for p in live.adapter_parameters(name).values()]


@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("format_", ["bin", "safetensors"])
def test_saved_and_loaded_it_is_the_same_to_the_bit(
    live: LiveModel, save: Callable[..., Path], gate: bool, format_: str
) -> None:
    fields: dict[str, Any] = {"gate": gate, "stop_gradient": False, "reduction_factor": 2}
    folder = save("one", format_=format_, **fields)
    expected, config = _numbers(live, "one"), live.adapter_config("one")
    live.delete_adapter("one")
    assert live.adapters() == ()
    live.load_adapter("again", folder)
    found = _numbers(live, "again")
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert live.adapter_config("again").items() >= {"layers": LAYERS, **fields}.items()
    assert live.adapter_config("again") == config
    module = live.model.base_model.shared_parameters["again"]
    assert [*module] == [str(layer) for layer in LAYERS]
    assert [module[str(layer)].lowest for layer in LAYERS] == [True, False]
    assert not any(network.stop_gradient for network in module.values())


def test_a_plain_model_refuses_it(base: Path, save: Callable[..., Path]) -> None:
    from adapters import AutoAdapterModel

    folder = save("one")
    plain = AutoAdapterModel.from_pretrained(str(base))
    with pytest.raises(KeyError, match="rtn"):
        plain.load_adapter(str(folder))
    assert "one" not in plain.adapters_config.adapters


def test_the_file_half_claims_it_whole(save: Callable[..., Path]) -> None:
    with open_adapter_folder(save("one")) as folder:
        [covered] = cover(folder, tiny_training.registry()).covered
    assert covered.architecture.name == "rtn"
    names = {p.name for bundle in covered.claim.bundles for p in bundle.parameters}
    assert names == {
        f"shared_parameters.{layer}.{site}.{kind}"
        for layer in LAYERS
        for site in ("down", "up")
        for kind in ("weight", "bias")
    }


@pytest.mark.parametrize("gate", [True, False])
def test_a_gate_that_is_not_that_of_the_tensors_is_refused(
    save: Callable[..., Path], gate: bool
) -> None:
    folder = save("one", gate=gate)
    reading.edit_config(folder, gate=not gate)
    with pytest.raises(UnsupportedAdapterError, match=r"up\.weight: expected shape") as error:
        xlmerge.load(folder)
    assert "is `gate` of the configuration that of the tensors?" in str(error.value)


@pytest.mark.parametrize("lost", ["up.weight", "down.bias", "up.bias"])
def test_a_network_with_a_tensor_missing_is_refused(save: Callable[..., Path], lost: str) -> None:
    folder = save("one")
    reading.edit_tensors(
        folder, lambda found: {k: v for k, v in found.items() if not k.endswith(f"2.{lost}")}
    )
    with pytest.raises(UnsupportedAdapterError, match=f"2.{lost}"):
        xlmerge.load(folder)


def test_a_folder_of_another_width_does_not_load(
    base: Path, save: Callable[..., Path], tmp_path: Path
) -> None:
    from xlmerge.runtime import LiveModel

    folder = save("one")
    other = tiny_training.save_base(tmp_path / "other", hidden_size=16)
    wide = LiveModel.load(str(other), registry=tiny_training.registry(), device="cpu")
    with pytest.raises(ModelError):
        wide.load_adapter("one", folder)
    assert wide.adapters() == ()


def test_two_are_merged_by_their_weights(
    live: LiveModel, save: Callable[..., Path], tmp_path: Path
) -> None:
    folders = [save(name, seed) for seed, name in enumerate(("one", "two"), start=1)]
    xlmerge.merge("linear", folders, weights=[0.25, 0.75], output=tmp_path / "merged")
    live.load_adapter("merged", tmp_path / "merged")
    pairs = zip(_numbers(live, "one"), _numbers(live, "two"), strict=True)
    expected = [0.25 * a + 0.75 * b for a, b in pairs]
    assert bilevel.error(_numbers(live, "merged"), expected) < 1e-6


def test_networks_with_and_without_a_gate_are_not_merged(
    save: Callable[..., Path], tmp_path: Path
) -> None:
    folders = [save("one"), save("two", gate=False)]
    with pytest.raises(xlmerge.XLMergeError, match="gate"):
        xlmerge.merge("linear", folders, weights=[0.5, 0.5], output=tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_it_adds_nothing_where_it_was_active(live: LiveModel, save: Callable[..., Path]) -> None:
    """An active adapter of this kind changes no forward pass: it is there in training alone."""
    save("one")
    inputs = live.tokenizer(tiny_training.sentences(2, 1), return_tensors="pt", padding=True)
    with torch.no_grad():
        bare = live.encode(**inputs)
        with live.activated("one"):
            assert torch.equal(live.encode(**inputs), bare)
