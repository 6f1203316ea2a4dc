"""Full fine-tuning as an adapter: the same as writing to the weights, without writing to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import ModelError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

import transformers  # noqa: E402
from adapters import XLMRobertaAdapterModel  # noqa: E402
from adapters.composition import Stack  # noqa: E402

from builders import tiny_training as tiny  # noqa: E402
from builders.fine_tuned import (  # noqa: E402
    CONFIGS,
    FULL,
    HEAD,
    close,
    differences,
    made,
    moved,
    states,
    tokens,
    written,
)
from xlmerge.runtime import LiveModel  # noqa: E402
from xlmerge.runtime.tiny import tiny_model  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_base(tmp_path_factory.mktemp("base"), dropout=0.0)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("causal", [False, True])
def test_the_model_is_the_one_with_the_sum_of_weights(causal: bool, attention: str) -> None:
    live = made("x", causal=causal, attention=attention)
    bare = states(live, None)
    found = states(live, "x")
    close(found, states(written(live, "x"), None))
    assert (found - bare).abs().max() > 0.1


def test_every_parameter_but_the_pooler_has_a_difference() -> None:
    live = tiny_model(tiny.registry())
    live.add_adapter("bottleneck", CONFIGS["madx_language"], seed=0)
    live.add_adapter("low", CONFIGS["lora"], seed=0)
    expected = {
        name: tuple(parameter.shape)
        for name, parameter in tiny_model(tiny.registry()).model.base_model.named_parameters()
        if not name.startswith("pooler.")
    }
    live.add_adapter("x", FULL, seed=0)
    live.add_adapter("y", FULL, seed=1)
    for name in ("x", "y"):
        found = differences(live, name)
        assert {key: tuple(p.shape) for key, p in found.items()} == expected
        assert not any(p.any() for p in found.values())


def test_tables_and_layers_may_stay_as_they_are() -> None:
    live = tiny_model(tiny.registry())
    live.add_adapter("x", {**FULL, "embeddings": False, "leave_out": [1]}, seed=0)
    found = differences(live, "x")
    assert not [name for name in found if "_embeddings." in name or ".layer.1." in name]
    assert {"embeddings.LayerNorm.weight", "encoder.layer.0.output.dense.bias"} < set(found)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"leave_out": [3]}, "layers are 0 to 2; found 3"),
        ({"embeddings": "no"}, "`embeddings` is true or false"),
        ({"embedings": False}, "no field `embedings`"),
    ],
)
def test_wrong_fields_are_refused(fields: dict[str, Any], message: str) -> None:
    live = tiny_model(tiny.registry())
    with pytest.raises(ModelError, match=message):
        live.add_adapter("x", {**FULL, **fields}, seed=0)
    assert live.adapters() == ()


@pytest.mark.parametrize("steps", [1, 5])
def test_training_is_plain_fine_tuning(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """The same batches, AdamW on the weights of a model of its own."""
    work = tiny.make_training(base, tmp_path, "task", adapter=FULL, validation=False)
    work.live.model.double()
    before = {name: p.detach().clone() for name, p in work.live.model.named_parameters()}
    batches: list[Any] = []
    inner = type(work.task).loss

    def loss(self: Any, outputs: Any, batch: Any) -> Any:
        batches.append(batch)
        return inner(self, outputs, batch)

    monkeypatch.setattr(type(work.task), "loss", loss)
    options = {"batch_size": 8, "learning_rate": 1e-2, "schedule": "constant", "max_grad_norm": 0.0}
    tiny.run(work, "task", steps=steps, **options)
    assert len(batches) == steps
    for name, parameter in work.live.model.named_parameters():
        assert torch.equal(parameter, before[name]), name

    plain = LiveModel.load(str(base), registry=tiny.registry())
    plain.model.double()
    plain.add_head("fresh", work.task.head_config(work.labels), seed=work.seed)
    plain.set_head("fresh")
    plain.model.requires_grad_(True)
    trained = {n: p for n, p in plain.model.named_parameters() if ".pooler." not in n}
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-2, weight_decay=0.0)
    plain.model.train()
    for batch in batches:
        logits = plain.model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits, batch["labels"]).backward()
        optimizer.step()

    for name, tensor in tiny.weights(tmp_path).items():
        place = name.replace("shared_parameters.fresh.", "")
        expected = trained[place].detach()
        close(before[place] + tensor if place in before else tensor, expected, 1e-8)
        assert place not in before or not torch.equal(expected, before[place])


def test_layers_that_are_computed_again_have_the_differences(base: Path, tmp_path: Path) -> None:
    found = []
    for again in (False, True):
        folder = tmp_path / str(again)
        work = tiny.make_training(base, folder, "task", adapter=FULL)
        options = {"steps": 4, "batch_size": 8, "learning_rate": 1e-2}
        tiny.run(work, "task", **options, gradient_checkpointing=again)
        found.append(tiny.weights(folder))
    one, other = found
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        if not name.endswith("key.bias"):  # has no gradient but rounding, which AdamW makes large
            close(tensor, other[name], 1e-4)


def test_it_trains_in_bfloat16(base: Path, tmp_path: Path) -> None:
    work = tiny.make_training(base, tmp_path, "task", adapter=FULL)
    report = tiny.run(work, "task", steps=4, batch_size=8, learning_rate=1e-2, bf16=True)
    assert report["steps"] == 4
    assert all(tensor.any() for tensor in tiny.weights(tmp_path).values())


def test_a_saved_one_is_the_same(tmp_path: Path) -> None:
    live = made("x")
    live.save_adapter("x", tmp_path)
    keys = torch.load(tmp_path / "pytorch_adapter.bin", weights_only=True)
    assert "roberta.shared_parameters.x.encoder.layer.0.attention.self.query.weight" in keys
    live.load_adapter("y", tmp_path)
    assert torch.equal(states(live, "y"), states(live, "x"))
    other = made()
    other.load_adapter("z", tmp_path)
    assert torch.equal(states(other, "z"), states(live, "x"))


def test_a_layer_may_be_left_out_when_it_is_loaded(tmp_path: Path) -> None:
    live = made("x")
    live.save_adapter("x", tmp_path)
    live.load_adapter("y", tmp_path, leave_out=[2])
    assert not [name for name in differences(live, "y") if ".layer.2." in name]
    close(states(live, "y"), states(written(live, "y"), None))


def test_a_plain_model_refuses_the_folder(tmp_path: Path) -> None:
    made("x").save_adapter("x", tmp_path)
    model = XLMRobertaAdapterModel(tiny_model(tiny.registry()).model.config)
    with pytest.raises(KeyError, match="full"):
        model.load_adapter(str(tmp_path))


def test_tied_output_embeddings_change_with_the_table(base: Path, tmp_path: Path) -> None:
    """Against a plain masked language model whose weights were written to."""
    live = LiveModel.load(str(base), registry=tiny.registry())
    live.add_adapter("x", FULL, seed=0)
    moved(live, "x", scale=0.2)
    plain = transformers.AutoModelForMaskedLM.from_pretrained(base).eval()
    own = dict(plain.roberta.named_parameters())
    with torch.no_grad():
        for name, difference in differences(live, "x").items():
            own[name].add_(difference)
        inputs = live.tokenizer(tiny.sentences(3, 1), return_tensors="pt", padding=True)
        with live.activated("x", head="default"):
            close(live.forward(**inputs).logits, plain(**inputs).logits, 1e-4)
        with live.activated(None, head="default"):
            bare = transformers.AutoModelForMaskedLM.from_pretrained(base).eval()
            close(live.forward(**inputs).logits, bare(**inputs).logits, 1e-4)


def test_a_head_that_comes_later_is_tied_too() -> None:
    live = made("x")
    live.add_head("late", HEAD, seed=0)
    live.model.heads["late"].double()
    other = written(live, "x")
    other.add_head("late", HEAD, seed=0)
    other.model.heads["late"].double()
    with torch.no_grad(), live.activated("x", head="late"), other.activated(None, head="late"):
        close(live.forward(**tokens()).logits, other.forward(**tokens()).logits)


def test_masked_language_modelling_trains_the_tied_table(base: Path, tmp_path: Path) -> None:
    """Rows of tokens that no input has move too, by the softmax over the vocabulary."""
    work = tiny.make_training(base, tmp_path, "language", adapter=FULL)
    tiny.run(work, "task", steps=4, batch_size=8, learning_rate=1e-3)
    [table] = [t for n, t in tiny.weights(tmp_path).items() if n.endswith("word_embeddings.weight")]
    assert table[3].any()


def scalar(live: LiveModel, values: dict[str, Any], block: Any) -> Any:
    """A function of parameters of the model, which are not written to."""
    with live.activated(block):
        out = torch.func.functional_call(
            live.model, values, (), {**tokens(), "return_dict": True}, tie_weights=False
        )
    # Tables give the sign for padding no gradient; what it is turned into is read by nobody.
    return (out.last_hidden_state[tokens()["attention_mask"] == 1] ** 3).mean()


def test_gradients_are_those_of_central_differences() -> None:
    live = made("x", attention="eager")
    values = {name: p.detach() for name, p in live.adapter_parameters("x").items()}
    generator = torch.Generator().manual_seed(7)
    along = {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype)
        for name, value in values.items()
    }

    def function(moving: dict[str, Any]) -> Any:
        return scalar(live, moving, "x")

    gradient = torch.func.grad(function)(values)
    by_gradient = sum((gradient[name] * along[name]).sum() for name in values)
    _, forward = torch.func.jvp(function, (values,), (along,))
    at = [
        function({name: v + sign * 1e-5 * along[name] for name, v in values.items()})
        for sign in (1, -1)
    ]
    expected = (at[0] - at[1]) / 2e-5
    close(by_gradient, expected, 1e-7)
    close(forward, expected, 1e-7)
    assert all(g.any() for g in gradient.values())


def test_second_derivatives_are_exact() -> None:
    """``grad_phi < grad_theta L, w >`` for a bottleneck phi under the differences theta."""
    live = made("x", attention="eager")
    live.add_adapter("phi", CONFIGS["seq_bn"], seed=0)
    live.model.adapter_to("phi", dtype=torch.float64)
    moved(live, "phi")
    block = Stack("phi", "x")
    theta, phi = live.adapter_parameters("x"), live.adapter_parameters("phi")
    generator = torch.Generator().manual_seed(7)
    w = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in theta.values()]
    d = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in phi.values()]

    def contracted(moving: dict[str, Any], *, graph: bool) -> Any:
        leaves = {name: p.detach().requires_grad_() for name, p in theta.items()}
        loss = scalar(live, {**leaves, **moving}, block)
        gradients = torch.autograd.grad(loss, list(leaves.values()), create_graph=graph)
        return torch.stack([(g * a).sum() for g, a in zip(gradients, w, strict=True)]).sum()

    leaves = {name: p.detach().requires_grad_() for name, p in phi.items()}
    found = torch.autograd.grad(contracted(leaves, graph=True), list(leaves.values()))
    derivative = torch.stack([(g * a).sum() for g, a in zip(found, d, strict=True)]).sum()
    at = [
        contracted(
            {
                name: p.detach() + sign * 1e-5 * a
                for (name, p), a in zip(phi.items(), d, strict=True)
            },
            graph=False,
        )
        for sign in (1, -1)
    ]
    assert derivative.abs() > 1e-6
    close(derivative, (at[0] - at[1]) / 2e-5, 1e-6)


@pytest.mark.parametrize("name", ["madx_language", "double_seq_bn", "lora", "ia3", "prefix_tuning"])
def test_it_stacks_with_every_kind(name: str) -> None:
    live = made("x")
    live.add_adapter("other", CONFIGS[name], seed=0)
    live.model.adapter_to("other", dtype=torch.float64)
    moved(live, "other")
    there = written(live, "x")
    there.add_adapter("other", CONFIGS[name], seed=0)
    there.model.adapter_to("other", dtype=torch.float64)
    moved(there, "other")
    expected = states(there, "other")
    close(states(live, Stack("other", "x")), expected)
    assert (expected - states(live, "other")).abs().max() > 1e-3
    if name != "madx_language":  # whose coupling acts where it is the first alone
        close(states(live, Stack("x", "other")), expected)
