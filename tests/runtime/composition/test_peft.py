"""PEFT's adapters composed: against plain torch, against PEFT itself, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
peft = pytest.importorskip("peft")

from safetensors.torch import load_file, save_file  # noqa: E402

from libraries import tiny, tiny_peft  # noqa: E402
from runtime import reference as plain  # noqa: E402
from xlmerge.errors import CompositionError, ModelError, ParameterError  # noqa: E402
from xlmerge.plugin.trees import parse_tree  # noqa: E402
from xlmerge.runtime.composing import compose  # noqa: E402

from .conftest import Logits  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

CLASS = "AutoModelForSequenceClassification"
KINDS = {
    "task": lambda: tiny_peft.KINDS["lora"]("xlmr"),
    "task_b": lambda: tiny_peft.KINDS["rslora"]("xlmr"),
    "lang": lambda: tiny_peft.KINDS["lora_no_task"]("xlmr"),
    "lang_b": lambda: tiny_peft.KINDS["lora_no_task"]("xlmr"),
    "ia3_task": lambda: tiny_peft.KINDS["ia3"]("xlmr"),
    "ia3": lambda: tiny_peft.without_task(tiny_peft.KINDS["ia3"]("xlmr")),
    "dora": lambda: tiny_peft.without_task(
        peft.LoraConfig(r=2, target_modules=["query"], use_dora=True)
    ),
    "prefix": lambda: tiny_peft.KINDS["prefix"]("xlmr"),
}
SCALES = {"task": 3.0, "task_b": 6 / 3**0.5, "lang": 3.0, "lang_b": 3.0}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("peft")
    for seed, (name, config) in enumerate(KINDS.items(), start=1):
        tiny_peft.adapted("xlmr", config(), seed=seed).save_pretrained(str(root / name))
    return {name: root / name for name in KINDS}


@pytest.fixture
def run_peft(live: Any, stored: dict[str, Path], kept: Any, registry: Any) -> Any:
    def running(tree: Any, **how: Any) -> Any:
        how = {"auto_class": CLASS, "task": Logits(), **how}
        folders = {**{f"bn_{name}": folder for name, folder in kept.items()}, **stored}
        with (
            torch.no_grad(),
            compose(live, parse_tree(tree), folders, registry, **how) as forward,
        ):
            return forward(dict(tiny.INPUTS))["logits"].clone()

    return running


def _tensors(folder: Path) -> dict[str, Any]:
    stored = load_file(folder / "adapter_model.safetensors")
    return {
        key.removeprefix("base_model.model.").removeprefix("roberta."): t.double()
        for key, t in stored.items()
    }


def _expected(stored: dict[str, Path], shares: dict[str, float], head: str) -> Any:
    """Logits with ``sum_i w_i s_i B_i A_i``, and the classifier of one file."""
    files = {name: _tensors(stored[name]) for name in shares}

    def delta(module: str) -> Any:
        key = f"{module}.lora_{{}}.weight"
        return sum(
            w * SCALES[n] * files[n][key.format("B")] @ files[n][key.format("A")]
            for n, w in shares.items()
            if key.format("A") in files[n]
        )

    return _logits(stored[head], delta=delta)


def _logits(head: Path, **how: Any) -> Any:
    model = tiny_peft.base_model("xlmr")
    xlmr = plain.Reference(model.roberta.state_dict(), model.config)
    classifier = {k: t for k, t in _tensors(head).items() if k.startswith("classifier.")}
    return xlmr.logits(classifier, **tiny.INPUTS, **how)


@pytest.mark.parametrize("name", ["task", "task_b", "ia3_task"])
def test_a_single_one_is_what_peft_computes(name: str, run_peft: Any, stored: Any) -> None:
    expected = tiny.outputs(tiny_peft.load("xlmr", stored[name]))
    tiny.close(run_peft(name), expected)


def test_deltas_add_up(run_peft: Any, stored: Any) -> None:
    expected = _expected(stored, {"lang": 1, "lang_b": 1, "task": 1}, "task")
    tiny.close(run_peft({"add": ["lang", "lang_b", "task"]}).double(), expected, 1e-5)


def test_vectors_multiply(run_peft: Any, stored: Any) -> None:
    files = [_tensors(stored[name]) for name in ("ia3", "ia3_task")]

    def factor(module: str) -> Any:
        found = [f[f"{module}.ia3_l"].flatten() for f in files if f"{module}.ia3_l" in f]
        return found[0] * found[1] if found else 1

    expected = _logits(stored["ia3_task"], factor=factor)
    tiny.close(run_peft({"add": ["ia3", "ia3_task"]}).double(), expected, 1e-5)


def test_an_interpolation_is_the_merge(run_peft: Any, stored: Any) -> None:
    expected = _expected(stored, {"lang": 0.4, "task": 0.6}, "task")
    tiny.close(run_peft({"interpolate": {"lang": 0.4, "task": 0.6}}).double(), expected, 1e-5)


def test_an_ensemble_of_both_libraries(run_peft: Any, run: Any) -> None:
    one, two = run_peft("task").softmax(-1), run({"stack": ["lang_a", "task"]}).softmax(-1)
    tree = {"ensemble": ["task", {"stack": ["bn_lang_a", "bn_task"]}], "weights": [0.25, 0.75]}
    tiny.close(run_peft(tree).exp(), 0.25 * one + 0.75 * two)


def test_a_head_that_lies_apart(run_peft: Any, live: Any, kept: Any, stored: Any) -> None:
    """On the encoder alone, with a head of the adapters library."""
    live.load_head("apart", kept["task"])
    head = plain.File.read(kept["task"], "task").head
    model = tiny_peft.base_model("xlmr")
    xlmr = plain.Reference(model.roberta.state_dict(), model.config)
    lora = _tensors(stored["lang"])

    def delta(module: str) -> Any:
        key = f"{module}.lora_{{}}.weight"
        return 3.0 * lora[key.format("B")] @ lora[key.format("A")] if key.format("A") in lora else 0

    expected = xlmr.logits(head, **tiny.INPUTS, delta=delta)
    tiny.close(run_peft("lang", head="apart").double(), expected, 1e-5)
    # A file with a classifier of its own gives its adapter, and the head is the one that was named.
    assert not torch.allclose(run_peft("task", head="apart"), run_peft("task"))


def test_two_heads(run_peft: Any, stored: Any) -> None:
    with pytest.raises(CompositionError, match="task, task_b each bring a head"):
        run_peft({"add": ["task", "task_b"]})
    for head in ("task", "task_b"):
        expected = _expected(stored, {"task": 1, "task_b": 1}, head)
        found = run_peft({"add": ["task", "task_b"]}, head=head)
        tiny.close(found.double(), expected, 1e-5)
    with pytest.raises(ModelError, match="no head 'other'"):
        run_peft({"add": ["task", "task_b"]}, head="other")


def test_another_number_of_classes(run_peft: Any) -> None:
    run_peft("task", labels=("a", "b", "c"))
    with pytest.raises(ModelError, match="has 3 classes; the data has 2: a, b"):
        run_peft("task", labels=("a", "b"))


class Tags(Logits):
    def head_config(self, labels: Any) -> dict[str, Any]:
        return {"head_type": "tagging"}


class Pooled(Logits):
    def head_config(self, labels: Any) -> dict[str, Any]:
        return {"head_type": "xlmerge_mean_classification"}


def test_options_that_a_head_of_transformers_has_not(run_peft: Any) -> None:
    with pytest.raises(ModelError, match="the task's options ask for one of the type xlmerge_mean"):
        run_peft("task", task=Pooled())


def test_no_head(run_peft: Any) -> None:
    with pytest.raises(ModelError, match="none of its adapters brings a prediction head"):
        run_peft({"add": ["lang", "lang_b"]})


@pytest.mark.parametrize("rule", ["stack", "average", "parallel", "fuse"])
def test_what_only_the_other_library_does(rule: str, run_peft: Any) -> None:
    with pytest.raises(CompositionError, match=f"`{rule}` is not possible with adapters of PEFT"):
        run_peft({rule: ["lang", "task"]})


def test_both_libraries_in_one_model(run_peft: Any) -> None:
    with pytest.raises(CompositionError, match="do not run in one model") as error:
        run_peft({"stack": ["bn_lang_a", "task"]})
    assert "ensemble" in str(error.value)


def test_weights_belong_to_interpolate(run_peft: Any) -> None:
    with pytest.raises(ParameterError, match="no weights for adapters of PEFT"):
        run_peft({"add": {"lang": 0.5, "task": 0.5}})


@pytest.mark.parametrize("tree", ["prefix", {"add": ["dora", "task"]}, {"add": ["ia3", "task"]}])
def test_kinds_that_cannot(tree: Any, run_peft: Any) -> None:
    with pytest.raises((CompositionError, ModelError)):
        run_peft(tree)


def test_an_adapter_that_does_not_fit(
    run_peft: Any, live: Any, stored: Any, registry: Any, tmp_path: Path
) -> None:
    """Missing and unexpected keys are errors, and the model works as before."""
    expected = run_peft("task")
    whole = load_file(stored["task"] / "adapter_model.safetensors")
    first, *rest = sorted(key for key in whole if "lora" in key)
    damaged = {
        "missing": {key: whole[key] for key in (*rest, *(k for k in whole if "class" in k))},
        "unexpected": {**whole, first.replace("layer.0", "layer.7"): whole[first].clone()},
        "shapes": {**whole, first: whole[first][:, :-1].contiguous()},
    }
    for name, tensors in damaged.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_config.json").write_bytes(
            (stored["task"] / "adapter_config.json").read_bytes()
        )
        save_file(tensors, folder / "adapter_model.safetensors")
        with (
            pytest.raises(ModelError, match="does not fit the base model"),
            compose(live, parse_tree("a"), {"a": folder}, registry, auto_class=CLASS),
        ):
            pass
        assert torch.equal(run_peft("task"), expected)


def test_another_architecture(registry: Any, tmp_path: Path) -> None:
    """Tags on BERT, whose head is one layer, and which has another prefix."""
    from xlmerge.runtime import LiveModel

    lora = tiny_peft.KINDS["lora"]("bert")
    tiny_peft.adapted("bert", lora, seed=1).save_pretrained(str(tmp_path))
    live = LiveModel(tiny.head_model("bert"), None, reference="tiny", registry=registry)
    with (
        torch.no_grad(),
        compose(
            live,
            parse_tree("tags"),
            {"tags": tmp_path},
            registry,
            task=Tags(),
            auto_class="AutoModelForTokenClassification",
        ) as forward,
    ):
        found = forward(dict(tiny.INPUTS))["logits"]
    tiny.close(found, tiny.outputs(tiny_peft.load("bert", tmp_path)))


def test_hidden_states_of_a_decoder(registry: Any, tmp_path: Path) -> None:
    """Llama, trained as a language model, run without a head."""
    from xlmerge.runtime import LiveModel

    lora = tiny_peft.KINDS["lora_everywhere"]("llama")
    tiny_peft.adapted("llama", lora, seed=1).save_pretrained(str(tmp_path))
    live = LiveModel(tiny.head_model("llama"), None, reference="tiny", registry=registry)
    with (
        torch.no_grad(),
        compose(live, parse_tree("one"), {"one": tmp_path}, registry) as forward,
    ):
        found = forward(dict(tiny.INPUTS)).last_hidden_state
    with torch.no_grad():
        theirs = tiny_peft.load("llama", tmp_path)(**tiny.INPUTS, output_hidden_states=True)
    real = tiny.INPUTS["attention_mask"].bool()
    tiny.close(found[real], theirs.hidden_states[-1][real])


def test_a_masked_language_model(registry: Any, tmp_path: Path) -> None:
    """The base model's own head, which PEFT's file does not bring."""
    import transformers

    from xlmerge.runtime import LiveModel
    from xlmerge.runtime.base_model import find_base, load_adapter_model

    def static() -> Any:
        return tiny.seeded(lambda: transformers.XLMRobertaForMaskedLM(tiny.config_of("xlmr")))

    static().save_pretrained(tmp_path / "base")
    model = peft.get_peft_model(static(), KINDS["lang"]())
    tiny_peft.fill(model, seed=1)
    model.save_pretrained(str(tmp_path / "lora"))
    base = load_adapter_model(find_base(str(tmp_path / "base"), tmp_path))
    live = LiveModel(base, None, reference="tiny", registry=registry)
    folders = {"lora": tmp_path / "lora"}
    with (
        torch.no_grad(),
        compose(live, parse_tree("lora"), folders, registry, head="default") as forward,
    ):
        found = forward(dict(tiny.INPUTS)).logits
    with torch.no_grad():
        tiny.close(found, model.eval()(**tiny.INPUTS).logits)


def test_the_live_model_is_left_alone(run_peft: Any, live: Any) -> None:
    """They share weights, and nothing of one shows in the other."""
    before = tiny.outputs(live.model)
    state = {key: tensor.clone() for key, tensor in live.model.state_dict().items()}
    run_peft({"add": ["lang", "task"]})
    assert torch.equal(tiny.outputs(live.model), before)
    assert state.keys() == live.model.state_dict().keys()
    assert all(torch.equal(live.model.state_dict()[key], state[key]) for key in state)


def test_weights_are_shared(run_peft: Any, live: Any) -> None:
    from xlmerge.runtime import peft_side

    run_peft("task")
    [runner] = peft_side._RUNNERS[live].values()
    ours = live.model.roberta.embeddings.word_embeddings.weight
    assert runner.model.base_model.model.roberta.embeddings.word_embeddings.weight is ours


def test_bfloat16(make_live: Any, stored: Any, registry: Any, run_peft: Any) -> None:
    live = make_live(torch.bfloat16)
    tree = parse_tree({"add": ["lang", "task"]})
    with (
        torch.no_grad(),
        compose(live, tree, stored, registry, task=Logits(), auto_class=CLASS) as forward,
    ):
        found = forward(dict(tiny.INPUTS))["logits"]
    assert found.dtype == torch.bfloat16
    tiny.close(found.float(), run_peft({"add": ["lang", "task"]}), 5e-2)


def test_kinds_that_peft_keeps_apart_run_one_after_the_other(run_peft: Any) -> None:
    """One live model runs both, but not in one composition."""
    alone = [run_peft(name) for name in ("task", "ia3_task", "task")]
    assert torch.equal(alone[0], alone[2])
    both = run_peft({"ensemble": ["task", "ia3_task"]})
    expected = sum(each.softmax(-1) for each in alone[:2]) / 2
    tiny.close(both.softmax(-1), expected)
    with pytest.raises(CompositionError, match="does not run IA3 and LORA in one model"):
        run_peft({"add": ["ia3", "task"]})


@pytest.mark.parametrize("name", ["task", "task_b"])
def test_the_head_of_one_by_its_name(name: str, run_peft: Any, stored: dict[str, Path]) -> None:
    """Where several files bring one; an interpolation has none of its own then."""
    for tree, share in (
        ({"add": ["task", "task_b"]}, 1.0),
        ({"interpolate": {"task": 0.5, "task_b": 0.5}}, 0.5),
    ):
        expected = _expected(stored, {"task": share, "task_b": share}, name)
        tiny.close(run_peft(tree, head=name).double(), expected, 1e-5)
        with pytest.raises((CompositionError, ModelError), match=r"only one|none of its"):
            run_peft(tree)
    expected = _expected(stored, {"lang": 1.0}, name)  # nor need it be one of those that run
    tiny.close(run_peft("lang", head=name).double(), expected, 1e-5)
