"""What cannot be composed: the message says what is wrong, and what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from libraries import tiny  # noqa: E402
from xlmerge.errors import (  # noqa: E402
    CheckpointError,
    CompositionError,
    DataError,
    ModelError,
    ParameterError,
    RecipeError,
    XLMergeError,
)
from xlmerge.plugin.trees import Node, parse_tree  # noqa: E402
from xlmerge.runtime.composing import compose  # noqa: E402

from .conftest import Logits  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

_ENSEMBLE = {"ensemble": ["task", "task_b"]}

REFUSED: list[tuple[Any, type[XLMergeError], str]] = [
    ({"stack": ["task"]}, CompositionError, "takes at least 2; found 1"),
    ({"stack": {"plain_a": 0.5, "task": 0.5}}, ParameterError, "takes no weights"),
    ({"stack": ["plain_a", "task"], "with": {"depth": 2}}, ParameterError, "no option 'depth'"),
    ({"stack": {"lower": "plain_a", "upper": "task"}}, CompositionError, "no role 'lower'"),
    ({"stack": ["plain_a", "unknown"]}, CompositionError, "there is no adapter 'unknown'"),
    ({"heap": ["plain_a", "task"]}, ParameterError, "no composition rule 'heap'"),
    (
        {"stack": ["lora_a", "plain_a", "lora_task"]},
        CompositionError,
        "2 adapters of the kind lora",
    ),
    ({"stack": ["ia3_a", "ia3_task"]}, CompositionError, "take `add`"),
    ({"stack": ["prefix", "task", "prefix"]}, CompositionError, "joins in a way of its own"),
    ({"stack": ["lang_a", "lang_b", "task"]}, CompositionError, "only on the first of a stack"),
    ({"stack": ["plain_a", _ENSEMBLE]}, CompositionError, "only be the root"),
    ({"ensemble": ["task", _ENSEMBLE]}, CompositionError, "only be the root"),
    ({"ensemble": ["task", "task_b"], "weights": [0.5, 0.6]}, ParameterError, "1 together"),
    ({"ensemble": ["task", "task_b"], "weights": [1.5, -0.5]}, ParameterError, "at least 0"),
    ({"average": {"plain_a": 0.5, "task": 0.6}}, ParameterError, "sum to 1.1 instead of 1"),
    ({"average": {"plain_a": float("nan"), "task": 1}}, ParameterError, "finite"),
    ({"average": ["plain_a", "lora_task"]}, CompositionError, "adapters of one kind"),
    ({"average": ["dora", "lora_task"]}, CompositionError, "dora is dora"),
    ({"average": ["prefix", "task"]}, CompositionError, "prefix is prefix_tuning"),
    ({"average": ["other_norm", "task"]}, CompositionError, "same `original_ln_before`"),
    ({"average": ["cut", "task"]}, CompositionError, "has no part of cut here"),
    ({"add": ["plain_a", "task"]}, CompositionError, "plain_a is bottleneck"),
    ({"add": ["lora_a", {"add": ["lora_b", "lora_task"]}]}, CompositionError, "single adapters"),
    ({"add": {"ia3_a": 0.5, "ia3_task": 0.5}}, ParameterError, "vectors that multiply"),
    ({"fuse": ["plain_a", "task"]}, CompositionError, "0 of the adapters' folders hold a trained"),
    ({"parallel": ["plain_a", "task"]}, CompositionError, "gives 2 outputs for each input"),
    (
        {"stack": [{"parallel": ["plain_a", "plain_b"]}, "task"]},
        CompositionError,
        "gives 2 outputs for each input",
    ),
    ({"split": {"plain_a": 2.5, "task": 3.5}}, ParameterError, "whole numbers above 0"),
    ({"split": ["plain_a", "task"]}, ParameterError, "needs a weight for each child"),
    ({"split": {"lora_a": 3, "lora_task": 3}}, CompositionError, "lora_a is lora"),
    ({"split": {"plain_a": 3, "task": 4}}, DataError, "shares out 7 positions; the input has 6"),
    ({"batch_split": {"plain_a": 1, "task": 2}}, DataError, "shares out 3 rows; the input has 2"),
    ({"interpolate": {"lang_a": 0.5, "task": 0.5}}, RecipeError, "lang_a"),
    (
        {"interpolate": [{"stack": ["plain_a", "task"]}, "task_b"], "weights": [0.5, 0.5]},
        CompositionError,
        "only single adapters can be interpolated",
    ),
    ("plain_a", ModelError, "none of its adapters brings a prediction head"),
    ({"madx": {"language": "lang_a"}}, ModelError, "none of its adapters brings a prediction head"),
]


@pytest.mark.parametrize(
    ("tree", "kind", "message"), REFUSED, ids=[str(r[0])[:60] for r in REFUSED]
)
def test_a_refusal(tree: Any, kind: type[XLMergeError], message: str, run: Any, live: Any) -> None:
    with pytest.raises(kind, match=message):
        run(tree)
    assert live.model.active_adapters is None
    assert live.model.active_head is None


def test_a_node_without_children(live: Any, registry: Any) -> None:
    """No recipe can say it."""
    with (
        pytest.raises(CompositionError, match=r"stack\(\): there is no adapter in it"),
        compose(live, Node(rule="stack", children=()), {}, registry),
    ):
        pass


def test_a_folder_without_an_adapter(run: Any, kept: dict[str, Path], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(kept, "empty", tmp_path)
        with pytest.raises(CheckpointError, match=r"empty: .* holds no adapter_config\.json"):
            run({"stack": ["empty", "task"]})


# --- heads -------------------------------------------------------------------------------------


def test_the_head_is_that_of_the_last_that_brings_one(run: Any) -> None:
    """And `head` names another."""
    own = run({"stack": ["task_b", "plain_a"]})
    assert not torch.allclose(own, run({"stack": ["task_b", "task"]}))
    with pytest.raises(ModelError, match="no head 'other'; it has"):
        run({"stack": ["plain_a", "task"]}, head="other")


def test_a_head_by_name(run: Any, live: Any, kept: dict[str, Path]) -> None:
    live.load_head("apart", kept["task_b"])
    found = run({"stack": ["plain_a", "task"]}, head="apart")
    assert not torch.allclose(found, run({"stack": ["plain_a", "task"]}))


def test_classes_in_another_order(run: Any, live: Any, kept: dict[str, Path]) -> None:
    live.load_head("named", kept["task"])
    live.model.heads["named"].config["label2id"] = {"low": 0, "middle": 1, "high": 2}
    run("plain_a", head="named", labels=("low", "middle", "high"))
    with pytest.raises(ModelError, match="the head has the classes low, middle, high"):
        run("plain_a", head="named", labels=("high", "middle", "low"))
    run("task", labels=("low", "middle", "high"))  # LABEL_0 to LABEL_2 say nothing
    for head in ("named", None):
        with pytest.raises(ModelError, match="has 3 classes; the data has 2: low, high"):
            run("task", head=head, labels=("low", "high"))


class Tags(Logits):
    def head_config(self, labels: Any) -> dict[str, Any]:
        return {"head_type": "tagging"}


def test_a_head_for_another_task(run: Any) -> None:
    with pytest.raises(ModelError, match="of the type classification; the task reads one of the"):
        run("task", task=Tags())


# --- the state of the model --------------------------------------------------------------------


def test_the_model_is_as_it_was(live: Any, kept: Any, registry: Any, run: Any) -> None:
    live.load_adapter("mine", kept["plain_b"])
    live.load_head("mine", kept["task"])
    with live.activated("mine", head="mine"):
        before = live.forward(**tiny.INPUTS).logits
        for tree in ({"stack": ["lang_a", "task"]}, _ENSEMBLE, {"average": ["task", "task_b"]}):
            run(tree)
            assert live.model.active_adapters.flatten() == {"mine"}
            assert torch.equal(live.forward(**tiny.INPUTS).logits, before)
        with (
            pytest.raises(RuntimeError, match="on purpose"),
            compose(live, parse_tree("task"), kept, registry),
        ):
            raise RuntimeError("on purpose")
        assert torch.equal(live.forward(**tiny.INPUTS).logits, before)


def test_composing_changes_no_weight(run: Any, live: Any) -> None:
    before = {key: tensor.clone() for key, tensor in live.model.state_dict().items()}
    run({"stack": [{"interpolate": {"lang_a": 0.3, "lang_b": 0.7}}, "task"]})
    after = live.model.state_dict()
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())
    assert not any("0_3" in key for key in after), "an interpolation goes with its folder"


def test_an_adapter_is_loaded_once(live: Any, run: Any, monkeypatch: Any) -> None:
    loads: list[str] = []
    load = type(live).load_adapter

    def counted(self: Any, name: str, folder: Path, **how: Any) -> None:
        loads.append(name)
        load(self, name, folder, **how)

    monkeypatch.setattr(type(live), "load_adapter", counted)
    tree = {"ensemble": [{"stack": ["lang_a", "task"]}, {"stack": ["lang_b", "task"]}]}
    first = run(tree)
    assert torch.equal(run(tree), first)
    assert len(loads) == len(set(loads)) == 3


def test_old_ones_make_room(live: Any, run: Any, monkeypatch: Any) -> None:
    from xlmerge.runtime import loaded

    monkeypatch.setattr(loaded, "_MOST", 2)
    for name in ("task", "task_b", "lora_task"):
        run(name)
    assert [name.rpartition("-")[0] for name in live.adapters()] == ["task_b", "lora_task"]
    assert len(live.model.heads) == 2
    run("task")


def test_large_ones_make_room_before_they_are_many(live: Any, run: Any, monkeypatch: Any) -> None:
    from xlmerge.runtime import loaded

    for name in ("task_b", "lora_task"):
        run(name)
    held = [p for name in live.adapters() for p in live.adapter_parameters(name).values()]
    both = sum(p.numel() * p.element_size() for p in held)
    monkeypatch.setattr(loaded, "_MOST_BYTES", both)
    for name in ("task", "task_b", "lora_task"):
        run(name)
    assert [name.rpartition("-")[0] for name in live.adapters()] == ["task_b", "lora_task"]
