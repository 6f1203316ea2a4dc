"""MAD-X's invertible adapter in a model of the library: where it acts, what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
adapters = pytest.importorskip("adapters")

import transformers  # noqa: E402
from adapters.composition import Stack  # noqa: E402

from libraries import tiny  # noqa: E402
from xlmerge.plugin import discover  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

CONFIGS = {
    name: config
    for each in discover(strict=True).architectures.values()
    if each.descriptor.live
    for name, config in each.descriptor.live.configs.items()
}


def config(name: str) -> Any:
    return adapters.AdapterConfig.load(dict(CONFIGS[name]))


def model_with(*names: str) -> Any:
    """A tiny XLM-R with language adapters of these names, and a masked-language head."""
    model = tiny.head_model("xlmr")
    for seed, name in enumerate(names):
        tiny.add_adapter(model, name, config("madx_language"), seed=seed)
    model.add_masked_lm_head("mlm")
    return model.eval()


def tensors_of(module: Any, name: str) -> dict[str, Any]:
    return {
        key: value.clone() for key, value in module.state_dict().items() if f".{name}." in f".{key}"
    }


def count(parameters: Any) -> int:
    return sum(parameter.numel() for parameter in parameters)


def test_the_counts_of_the_paper_s_model() -> None:
    with torch.device("meta"):
        model = adapters.XLMRobertaAdapterModel(
            transformers.XLMRobertaConfig(
                vocab_size=250_002,
                max_position_embeddings=514,
                type_vocab_size=1,
                pad_token_id=1,
            )
        )
        model.add_adapter("language", config=config("madx_language"))
        model.add_adapter("task", config=config("seq_bn"))
    named = dict(model.named_parameters())
    inside = [p for key, p in named.items() if ".adapters.language." in key]
    invertible = [p for key, p in named.items() if "invertible_adapters.language." in key]
    assert count(inside) == 7_091_712
    assert (count(invertible), len(invertible)) == (296_064, 8)
    assert count(p for key, p in named.items() if ".adapters.task." in key) == 894_528
    assert len(inside) == 4 * 12


@torch.no_grad()
def test_the_encoder_gets_embeddings_through_the_coupling() -> None:
    model = model_with("ours")
    base = model.roberta
    got: list[Any] = []
    base.encoder.register_forward_pre_hook(lambda _module, given: got.append(given[0]))
    plain = base.embeddings(input_ids=tiny.INPUTS["input_ids"])  # no adapter is active yet
    tiny.outputs(model, "ours", head="mlm")
    assert torch.equal(got[0], base.invertible_adapters["ours"](plain))
    assert not torch.allclose(got[0], plain)


@torch.no_grad()
def test_the_head_inverts_before_the_output_embeddings() -> None:
    model = model_with("ours")
    model.set_active_adapters("ours")
    head = model.heads["mlm"]
    hidden = model.roberta(**tiny.INPUTS).last_hidden_state
    *trunk, decoder = head
    for module in trunk:
        hidden = module(hidden)
    coupling = model.roberta.invertible_adapters["ours"]
    found = tiny.outputs(model, "ours", head="mlm")
    assert torch.equal(found, decoder(coupling(hidden, rev=True)))
    assert not torch.allclose(found, decoder(hidden))


def test_a_static_head_does_not() -> None:
    """Why tasks run on flexible heads only (the library's documentation says otherwise)."""
    kind = transformers.XLMRobertaForMaskedLM
    model = tiny.seeded(lambda: kind(tiny.config_of("xlmr")))
    adapters.init(model)
    tiny.add_adapter(model, "ours", config("madx_language"), seed=1)
    model.set_active_adapters("ours")
    calls: list[bool] = []
    model.roberta.invertible_adapters["ours"].register_forward_hook(
        lambda _module, _given, given, _out: calls.append(given.get("rev", False)),
        with_kwargs=True,
    )
    with torch.no_grad():
        model.eval()(**tiny.INPUTS)
    assert calls == [False]


@torch.no_grad()
def test_swapping_languages_changes_no_tensor() -> None:
    model = model_with("ours", "theirs")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first = tiny.outputs(model, "ours", head="mlm")
    second = tiny.outputs(model, "theirs", head="mlm")
    assert torch.equal(tiny.outputs(model, "ours", head="mlm"), first)
    assert not torch.allclose(first, second)
    after = model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def gradients(model: Any) -> set[str]:
    logits = model(**tiny.INPUTS).logits
    logits.square().mean().backward()
    return {key for key, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}


def test_language_training_reaches_all_of_the_language_adapter() -> None:
    model = model_with("ours")
    model.train_adapter("ours")
    model.active_head = "mlm"
    reached = gradients(model)
    language = {key for key in dict(model.named_parameters()) if ".ours." in key}
    assert language <= reached
    assert len(language) == 4 * tiny.LAYERS + 8
    assert all(".ours." in key or key.startswith("heads.mlm.") for key in reached)


def test_task_training_reaches_the_task_adapter_and_its_head_only() -> None:
    model = model_with("ours")
    model.delete_head("mlm")
    tiny.add_adapter(model, "task", config("seq_bn"), seed=9, labels=3)
    model.train_adapter("task")
    model.set_active_adapters(Stack("ours", "task"))
    model.active_head = "task"
    reached = gradients(model)
    assert reached
    assert all(".adapters.task." in key or key.startswith("heads.task.") for key in reached)


@pytest.mark.parametrize("safetensors", [False, True])
def test_what_is_saved_is_loaded(tmp_path: Path, *, safetensors: bool) -> None:
    model = model_with("ours")
    model.save_adapter(str(tmp_path), "ours", with_head=False, use_safetensors=safetensors)
    other = tiny.head_model("xlmr")
    tiny.load(other, tmp_path)
    saved, loaded = tensors_of(model, "ours"), tensors_of(other, "ours")
    assert list(saved) == list(loaded)
    assert len(saved) == 4 * tiny.LAYERS + 8
    assert all(torch.equal(saved[key], loaded[key]) for key in saved)


@torch.no_grad()
def test_a_merge_keeps_the_invertible_part(tmp_path: Path) -> None:
    """The library's own average drops it on a model with a head."""
    model = model_with("ours", "theirs")
    folders = [tmp_path / name for name in ("ours", "theirs")]
    for folder in folders:
        model.save_adapter(str(folder), folder.name, with_head=False)
    out = tiny.merge("linear", folders, [0.3, 0.7], tmp_path / "between")
    tiny.load(model, out)
    pair = [tensors_of(model, name) for name in ("ours", "theirs")]
    for key, value in tensors_of(model, "between").items():
        ours, theirs = (
            each[key.replace("between", name)]
            for each, name in zip(pair, ("ours", "theirs"), strict=True)
        )
        torch.testing.assert_close(value, 0.3 * ours + 0.7 * theirs, rtol=1e-6, atol=1e-7)
    coupling = model.roberta.invertible_adapters["between"]
    x = torch.randn(2, 5, tiny.HIDDEN, generator=torch.Generator().manual_seed(1))
    assert float((coupling(coupling(x), rev=True) - x).abs().max() / x.abs().max()) < 1e-6
