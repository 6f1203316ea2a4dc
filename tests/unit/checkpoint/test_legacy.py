"""Files of adapter-transformers and of early releases of `adapters`: what they mean today."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from builders import config, document, edit_config, edit_tensors, make, merge, merge_error, tensors
from xlmerge.checkpoint.legacy import current_config
from xlmerge.errors import UnsupportedAdapterError

if TYPE_CHECKING:
    from pathlib import Path

NICE = {"block_type": "nice", "non_linearity": "relu", "reduction_factor": 2}


@pytest.mark.parametrize(
    ("version", "given", "meant"),
    [
        (..., "gelu", "gelu_new"),
        (..., "gelu_orig", "gelu"),
        (..., "gelu_new", "gelu_new"),
        (..., "relu", "relu"),
        ("3.2.1", "gelu", "gelu"),
        ("adapters.1.3.0", "gelu", "gelu"),
        (None, "gelu", "gelu"),  # the key is there, and that is what the library looks at
    ],
)
def test_activations(version: Any, given: str, meant: str) -> None:
    top = {"config": {"non_linearity": given}, "version": version}
    top = {key: value for key, value in top.items() if value is not ...}
    assert current_config(top, [], "here")["non_linearity"] == meant


@pytest.mark.parametrize(
    ("version", "alpha"),
    [
        ("adapters.1.0.0", 2),
        ("adapters.1.0.99", 2),
        ("adapters.0.2.2", 2),
        ("adapters.1.1.0.dev0", 2),
        ("adapters.1.1.0rc1", 2),
        ("adapters.1.1", 16),
        ("adapters.1.1.0", 16),
        ("adapters.1.1.0.post1", 16),
        ("adapters.1.1.1", 16),
        ("adapters.1.10.0", 16),
        ("adapters.2.0.0", 16),
        ("adapters.next", 16),
        ("3.2.1", 16),
        (None, 16),
    ],
)
def test_scales_of_low_rank_adapters(version: str | None, alpha: int) -> None:
    top = {"config": {"architecture": "lora", "r": 2, "alpha": 16}, "version": version}
    assert current_config(top, [], "here")["alpha"] == alpha


def test_versions_as_the_library_orders_them() -> None:
    version = pytest.importorskip("packaging.version")
    for text in (
        "1.0",
        "1.1.0.dev1",
        "1.1.0a1",
        "1.1.0rc2",
        "1.1.0",
        "1.1.0.post2",
        "1.1.0.1",
        "1.9",
    ):
        top = {
            "config": {"architecture": "lora", "r": 2, "alpha": 16},
            "version": f"adapters.{text}",
        }
        old = version.Version(text) < version.Version("1.1.0")
        assert (current_config(top, [], "here")["alpha"] == 2) == old, text


def test_a_nested_invertible_adapter() -> None:
    found = current_config({"config": {"invertible_adapter": NICE}}, [], "here")
    assert found == {"inv_adapter": "nice", "inv_adapter_reduction_factor": 2}
    assert current_config({"config": {"invertible_adapter": None}}, [], "here") == {}


@pytest.mark.parametrize("nested", [True, "nice", {"reduction_factor": 2}])
def test_a_nested_invertible_adapter_of_no_known_form(nested: Any) -> None:
    with pytest.raises(UnsupportedAdapterError, match="expected a mapping with `block_type`"):
        current_config({"config": {"invertible_adapter": nested}}, [], "here")


def test_a_task_adapter_that_declares_an_invertible_one() -> None:
    top = {"config": {"invertible_adapter": NICE}, "type": "text_task"}
    assert current_config(top, ["encoder.x"], "here")["inv_adapter"] is None
    with_it = ["invertible_adapters.{name}.F.0.weight"]
    assert current_config(top, with_it, "here")["inv_adapter"] == "nice"
    language = {**top, "type": "text_lang"}
    assert current_config(language, ["encoder.x"], "here")["inv_adapter"] == "nice"


# --- whole folders ----------------------------------------------------------------------------

OLD_SETTINGS = {
    "mh_adapter",
    "output_adapter",
    "reduction_factor",
    "non_linearity",
    "original_ln_before",
    "original_ln_after",
    "ln_before",
    "ln_after",
    "residual_before_ln",
    "adapter_residual_before_ln",
}


def make_old(
    folder: Path,
    seed: int = 0,
    *,
    type_: str = "text_lang",
    activation: str = "relu",
    inv: bool = True,
) -> Path:
    """A folder as adapter-transformers 1.x left it: old keys, nested settings, no version."""
    kind = "seq_bn_inv" if inv else "seq_bn"
    make(folder, kind, seed=seed, document={"type": type_, "version": ...})
    settings = {key: value for key, value in config(folder).items() if key in OLD_SETTINGS}
    settings |= {"non_linearity": activation, "attention_type": "sent-lvl-dynamic"}
    settings |= {"invertible_adapter": NICE, "new_attention_norm": False}
    edit_config(folder, top=True, config=settings)
    what = "lang" if type_ == "text_lang" else "task"

    def rename(arrays: dict[str, Any]) -> dict[str, Any]:
        return {
            key.replace("output.adapters.", f"output.layer_text_{what}_adapters.").replace(
                "invertible_adapters.", "invertible_lang_adapters."
            ): array
            for key, array in arrays.items()
        }

    edit_tensors(folder, rename)
    return folder


def test_an_old_folder_is_merged_with_a_new_one(tmp_path: Path) -> None:
    old, new = make_old(tmp_path / "old"), make(tmp_path / "new", "seq_bn_inv", seed=1)
    out = merge("linear", {old: 0.5, new: 0.5}, output=tmp_path / "out")
    written = tensors(out)
    renamed = {key.replace(".new.", ".out."): array for key, array in tensors(new).items()}
    assert sorted(written) == sorted(renamed)
    same = {
        key.replace("layer_text_lang_adapters.old.", "adapters.out.").replace(
            "invertible_lang_adapters.old.", "invertible_adapters.out."
        ): array
        for key, array in tensors(old).items()
    }
    for key, array in written.items():
        np.testing.assert_allclose(array, (renamed[key] + same[key]) / 2, rtol=1e-6)


def test_what_is_written_of_an_old_folder_is_new(tmp_path: Path) -> None:
    """Else the library would correct it a second time."""
    out = merge(
        "linear", {make_old(tmp_path / "old", activation="gelu"): 1.0}, output=tmp_path / "o"
    )
    assert document(out)["version"] == "adapters.1.3.0"
    assert config(out)["non_linearity"] == "gelu_new"
    assert config(out)["inv_adapter"] == "nice"
    assert "invertible_adapter" not in config(out)
    assert not any("text_lang" in key for key in tensors(out))


def test_activations_are_compared_by_meaning(tmp_path: Path) -> None:
    old = make_old(tmp_path / "a-old", activation="gelu")
    new = make(tmp_path / "b-new", "seq_bn_inv", seed=1, non_linearity="gelu")
    said = merge_error("linear", {old: 0.5, new: 0.5}, output=tmp_path / "out")
    assert "non_linearity: a-old has 'gelu_new', b-new has 'gelu'" in said
    edit_config(new, non_linearity="gelu_new")
    merge("linear", {old: 0.5, new: 0.5}, output=tmp_path / "out")


def test_early_low_rank_folders(tmp_path: Path) -> None:
    folder = make(tmp_path / "a", "lora", document={"version": "adapters.1.0.1"})
    out = merge("linear", {folder: 1.0}, output=tmp_path / "out")
    assert (config(folder)["alpha"], config(out)["alpha"]) == (4, 2)
    assert document(out)["version"] == "adapters.1.3.0"


@pytest.mark.libraries
class TestAgainstTheLibrary:
    """What the installed `adapters` makes of the same folders."""

    @pytest.fixture
    def model(self) -> Any:
        adapters = pytest.importorskip("adapters")
        transformers = pytest.importorskip("transformers")
        settings = transformers.XLMRobertaConfig(
            vocab_size=50,
            hidden_size=8,
            num_hidden_layers=2,
            intermediate_size=12,
            num_attention_heads=2,
            max_position_embeddings=40,
            pad_token_id=1,
        )
        return adapters.XLMRobertaAdapterModel(settings)

    def load(self, model: Any, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        info: dict[str, Any] = {}
        name = model.load_adapter(str(folder), loading_info=info, with_head=False)
        assert not info.get("missing_keys")
        state = {
            key.replace(f".{name}.", "."): value.numpy()
            for key, value in model.state_dict().items()
            if f".{name}." in key
        }
        settings = model.adapters_config.get(name).to_dict()
        model.delete_adapter(name)
        return state, json.loads(json.dumps(settings))

    @pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_orig"])
    def test_language_adapters(self, model: Any, tmp_path: Path, activation: str) -> None:
        self.compare(model, make_old(tmp_path / "old", activation=activation), tmp_path)

    def test_task_adapters(self, model: Any, tmp_path: Path) -> None:
        old = make_old(tmp_path / "old", type_="text_task", inv=False)
        self.compare(model, old, tmp_path)

    @pytest.mark.parametrize("version", ["adapters.1.0.1", "adapters.1.1.0", "adapters.1.3.0"])
    def test_low_rank_adapters(self, model: Any, tmp_path: Path, version: str) -> None:
        old = make(tmp_path / "old", "lora", document={"version": version})
        self.compare(model, old, tmp_path)

    def compare(self, model: Any, old: Path, tmp_path: Path) -> None:
        out = merge("linear", {old: 1.0}, output=tmp_path / "new")
        (old_state, old_settings), (new_state, new_settings) = (
            self.load(model, folder) for folder in (old, out)
        )
        assert sorted(old_state) == sorted(new_state)
        for key, array in old_state.items():
            np.testing.assert_array_equal(new_state[key], array)
        inert = {"attention_type", "new_attention_norm"}
        assert {k: v for k, v in old_settings.items() if k not in inert} == {
            k: v for k, v in new_settings.items() if k not in inert
        }
