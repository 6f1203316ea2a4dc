"""The affine coupling in a model of the library: trained, saved, loaded, merged."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
adapters = pytest.importorskip("adapters")

import transformers  # noqa: E402

import xlmerge  # noqa: E402
from libraries import tiny  # noqa: E402
from xlmerge.errors import RecipeError  # noqa: E402
from xlmerge_madx._modules.affine import AffineCoupling  # noqa: E402
from xlmerge_madx._modules.install import install  # noqa: E402
from xlmerge_madx.architectures.configs import live_affine, live_nice  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

AFFINE = live_affine.configs["seq_bn_affine"]
NICE = live_nice.configs["madx_language"]
FIELDS = ("S1", "T1", "S2", "T2")


def config(fields: Any) -> Any:
    return adapters.AdapterConfig.load(dict(fields))


def model_with(*names: str, bare: bool = False, fields: Any = AFFINE) -> Any:
    model = (tiny.bare_model if bare else tiny.head_model)("xlmr")
    install(model)
    for seed, name in enumerate(names):
        tiny.add_adapter(model, name, config(fields), seed=seed)
    if not bare:
        model.add_masked_lm_head("mlm")
    return model.eval()


def coupling_of(model: Any, name: str) -> Any:
    return model.base_model.invertible_adapters[name]


def calls_of(module: Any) -> list[bool]:
    """Whether each call of a coupling is of the inverse, to be filled by the calls."""
    calls: list[bool] = []
    module.register_forward_hook(
        lambda _module, _given, given, _out: calls.append(given.get("rev", False)),
        with_kwargs=True,
    )
    return calls


def inverts(module: Any) -> None:
    x = torch.randn(2, 5, tiny.HIDDEN, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert float((module(module(x), rev=True) - x).abs().max() / x.abs().max()) < 1e-6


def test_the_live_half_names_the_installer() -> None:
    assert live_affine.install == f"{install.__module__}:{install.__name__}"


@pytest.mark.parametrize("bare", [False, True])
def test_it_is_made_where_the_library_makes_its_own(*, bare: bool) -> None:
    coupling = coupling_of(model_with("ours", bare=bare), "ours")
    assert isinstance(coupling, AffineCoupling)
    assert sorted(name for name, _ in coupling.named_children()) == sorted(FIELDS)
    assert len(coupling.state_dict()) == 16


def test_the_other_kinds_are_as_before() -> None:
    def made(*, installed: bool) -> Any:
        model = tiny.head_model("xlmr")
        if installed:
            install(model)
        torch.manual_seed(0)
        model.add_adapter("language", config=config(NICE))
        model.add_adapter("task", config="seq_bn")
        return model.state_dict()

    with_, without = made(installed=True), made(installed=False)
    assert list(with_) == list(without)
    assert all(torch.equal(with_[key], without[key]) for key in with_)


def test_only_this_model_changes() -> None:
    install(tiny.head_model("xlmr"))
    untouched = tiny.head_model("xlmr")
    with pytest.raises(ValueError, match="Invalid invertible adapter type 'affine'"):
        untouched.add_adapter("ours", config=config(AFFINE))


def test_twice_is_once() -> None:
    model = tiny.head_model("xlmr")
    install(model)
    first = model.base_model.add_invertible_adapter
    install(model)
    assert model.base_model.add_invertible_adapter == first


def test_a_copy_of_the_model_adds_to_itself() -> None:
    model = model_with()
    other = copy.deepcopy(model)
    other.add_adapter("ours", config=config(AFFINE))
    assert "ours" in other.base_model.invertible_adapters
    assert "ours" not in model.base_model.invertible_adapters


def test_the_name_may_be_used_again_after_deletion_but_not_before() -> None:
    model = model_with("ours")
    with pytest.raises(ValueError, match="already"):
        model.base_model.add_invertible_adapter("ours")
    model.delete_adapter("ours")
    assert "ours" not in model.base_model.invertible_adapters
    model.add_adapter("ours", config=config(AFFINE))
    assert isinstance(coupling_of(model, "ours"), AffineCoupling)


def test_a_model_that_has_no_invertible_adapters_stays_as_it_is() -> None:
    plain = transformers.XLMRobertaModel(tiny.config_of("xlmr"))
    before = set(vars(plain))
    install(plain)
    assert set(vars(plain)) == before


@torch.no_grad()
def test_forward_at_the_embeddings_and_inverse_before_the_output_once_each() -> None:
    model = model_with("ours")
    calls = calls_of(coupling_of(model, "ours"))
    found = tiny.outputs(model, "ours", head="mlm")
    assert calls == [False, True]
    hidden = model.roberta(**tiny.INPUTS).last_hidden_state
    *trunk, decoder = model.heads["mlm"]
    for module in trunk:
        hidden = module(hidden)
    assert torch.equal(found, decoder(coupling_of(model, "ours")(hidden, rev=True)))


def test_training_changes_it_and_nothing_below() -> None:
    model = model_with("ours")
    model.train_adapter("ours")
    model.active_head = "mlm"
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        loss = torch.nn.functional.cross_entropy(
            model.train()(**tiny.INPUTS).logits.flatten(0, 1), tiny.INPUTS["input_ids"].flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    changed = {
        key for key, value in model.state_dict().items() if not torch.equal(value, before[key])
    }
    ours = {key for key in before if ".ours." in key}
    assert ours <= changed
    assert all(key.startswith("heads.mlm.") for key in changed - ours)
    inverts(coupling_of(model.eval(), "ours"))


@pytest.mark.parametrize("safetensors", [False, True])
@pytest.mark.parametrize("bare", [False, True])
def test_what_is_saved_is_loaded(tmp_path: Path, *, bare: bool, safetensors: bool) -> None:
    model = model_with("ours", bare=bare)
    model.save_adapter(
        str(tmp_path), "ours", **({} if bare else {"with_head": False}), use_safetensors=safetensors
    )
    other = model_with()
    tiny.load(other, tmp_path)
    expected, found = (coupling_of(each, "ours").state_dict() for each in (model, other))
    assert list(expected) == list(found)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_the_plain_library_refuses_the_folder(tmp_path: Path) -> None:
    model_with("ours").save_adapter(str(tmp_path), "ours", with_head=False)
    with pytest.raises(ValueError, match="Invalid invertible adapter type 'affine'"):
        tiny.head_model("xlmr").load_adapter(str(tmp_path))


def test_a_folder_that_claims_to_be_nice_is_refused(tmp_path: Path) -> None:
    model_with("ours").save_adapter(str(tmp_path), "ours", with_head=False)
    file = tmp_path / "adapter_config.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["config"]["inv_adapter"] = "nice"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(
        xlmerge.errors.UnsupportedAdapterError,
        match=r"networks of an affine adapter.*inv_adapter: nice",
    ):
        xlmerge.load(tmp_path)


METHODS = {
    "linear": {"weights": [0.4, 0.6]},
    "language_arithmetic": {"weights": [0.4, 0.6]},
    "task_arithmetic": {"weights": [1.0, -0.5]},
    "ties": {"parameters": {"density": 0.5}},
    "dare": {"weights": [0.4, 0.6], "parameters": {"drop_rate": 0.3}},
    "slerp": {"parameters": {"t": 0.25}},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("format_", ["bin", "safetensors"])
def test_a_merge_stays_invertible(tmp_path: Path, method: str, format_: str) -> None:
    model = model_with("ours", "theirs")
    folders = [tmp_path / name for name in ("ours", "theirs")]
    for folder in folders:
        model.save_adapter(str(folder), folder.name, with_head=False)
    out = xlmerge.merge(
        method,
        [str(folder) for folder in folders],
        output=tmp_path / "merged",
        format=format_,
        **METHODS[method],
    ).folder
    tiny.load(model, out)
    inverts(coupling_of(model, "merged"))
    if method in {"linear", "language_arithmetic"}:
        ours, theirs, merged = (
            coupling_of(model, name).state_dict() for name in ("ours", "theirs", "merged")
        )
        for key, value in merged.items():
            expected = 0.4 * ours[key] + 0.6 * theirs[key]
            torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)


def test_nice_and_affine_do_not_merge(tmp_path: Path) -> None:
    model = model_with("ours")
    tiny.add_adapter(model, "theirs", config(NICE), seed=5)
    folders = [tmp_path / name for name in ("ours", "theirs")]
    for folder in folders:
        model.save_adapter(str(folder), folder.name, with_head=False)
    with pytest.raises(RecipeError, match=r"ours is affine .*theirs is .*nice"):
        tiny.merge("linear", folders, [0.5, 0.5], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@torch.no_grad()
def test_it_follows_the_model_s_precision() -> None:
    """In bfloat16 it runs, and inverts as far as that precision goes."""
    from xlmerge.plugin import discover
    from xlmerge.runtime import LiveModel

    model = tiny.head_model("xlmr").to(torch.bfloat16)
    live = LiveModel(model, None, reference="tiny", registry=discover(strict=True))
    live.add_adapter("ours", AFFINE, seed=1)
    coupling = coupling_of(model, "ours")
    assert {parameter.dtype for parameter in coupling.parameters()} == {torch.bfloat16}
    x = torch.randn(2, 5, tiny.HIDDEN, generator=torch.Generator().manual_seed(1)).bfloat16()
    assert float((coupling(coupling(x), rev=True) - x).abs().max() / x.abs().max()) < 0.02
