"""Logits of compositions, against a forward pass that shares no code with the libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from libraries import tiny  # noqa: E402
from runtime import reference as plain  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

LAST = tiny.LAYERS - 1
SCALE = 6 / 2  # alpha / r of the LoRAs

# A tree, and what the reference needs to know of the files for the same.
CASES: dict[str, Any] = {
    "single": ("task", lambda f: {"after": plain.stacked(f["task"])}),
    "stack": (
        {"stack": ["plain_a", "task"]},
        lambda f: {"after": plain.stacked(f["plain_a"], f["task"])},
    ),
    "stack of three": (
        {"stack": ["lang_a", {"stack": ["plain_b", "task"]}]},
        lambda f: {
            "invertible": f["lang_a"],
            "after": plain.stacked(f["lang_a"], f["plain_b"], f["task"]),
        },
    ),
    "stack with invertible": (
        {"stack": ["lang_a", "task"]},
        lambda f: {"invertible": f["lang_a"], "after": plain.stacked(f["lang_a"], f["task"])},
    ),
    "left out by its configuration": (
        {"stack": ["cut", "task"]},
        lambda f: {"after": plain.stacked(f["cut"].without_layer(LAST), f["task"])},
    ),
    "MAD-X 2.0": (
        {"madx": {"language": "lang_a", "task": "task"}, "with": {"drop_last": "language"}},
        lambda f: {
            "invertible": f["lang_a"],
            "after": plain.stacked(f["lang_a"].without_layer(LAST), f["task"]),
        },
    ),
    "average": (
        {"stack": [{"average": {"plain_a": 0.25, "plain_b": 0.75}}, "task"]},
        lambda f: {
            "after": plain.averaged([0.25, 0.75], f["plain_a"], f["plain_b"], then=[f["task"]])
        },
    ),
    "average of tasks": (
        {"average": ["task", "task_b"]},
        lambda f: {"after": plain.averaged([0.5, 0.5], f["task"], f["task_b"])},
    ),
    "average of LoRA": (
        {"average": {"lora_a": 0.25, "lora_task": 0.75}},
        lambda f: {"delta": plain.low_rank([0.25, 0.75], SCALE, f["lora_a"], f["lora_task"])},
    ),
    "interpolate": (
        {"stack": [{"interpolate": {"lang_a": 0.3, "lang_b": 0.7}}, "task"]},
        lambda f: {
            "invertible": f["lang_a"].times(0.3) + f["lang_b"].times(0.7),
            "after": plain.stacked(f["lang_a"].times(0.3) + f["lang_b"].times(0.7), f["task"]),
        },
    ),
    "interpolate beyond": (
        {"stack": [{"interpolate": {"lang_a": 1.5, "lang_b": -1}}, "task"]},
        lambda f: {
            "invertible": f["lang_a"].times(1.5) + f["lang_b"].times(-1),
            "after": plain.stacked(f["lang_a"].times(1.5) + f["lang_b"].times(-1), f["task"]),
        },
    ),
    "add LoRA": (
        {"add": ["lora_a", "lora_b", "lora_task"]},
        lambda f: {
            "delta": plain.low_rank([1, 1, 1], SCALE, f["lora_a"], f["lora_b"], f["lora_task"])
        },
    ),
    "add LoRA with weights": (
        {"add": {"lora_a": -0.5, "lora_task": 2}},
        lambda f: {"delta": plain.low_rank([-0.5, 2], SCALE, f["lora_a"], f["lora_task"])},
    ),
    "LoRA below a bottleneck": (
        {"stack": ["lora_a", "task"]},
        lambda f: {
            "delta": plain.low_rank([1], SCALE, f["lora_a"]),
            "after": plain.stacked(f["task"]),
        },
    ),
    "add (IA)³": (
        {"add": ["ia3_a", "ia3_task"]},
        lambda f: {"factor": plain.scaled(f["ia3_a"], f["ia3_task"])},
    ),
}


@pytest.fixture(scope="module")
def files(kept: dict[str, Path]) -> dict[str, plain.File]:
    return {name: plain.File.read(folder, name) for name, folder in kept.items()}


@pytest.fixture(scope="module")
def xlmr() -> plain.Reference:
    model = tiny.head_model("xlmr")
    weights = model.base_model.state_dict()
    return plain.Reference(weights, model.config)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_the_formula(
    case: str, dtype: Any, files: Any, xlmr: plain.Reference, run: Any, make_live: Any
) -> None:
    tree, told = CASES[case]
    found = run(tree, model=make_live(dtype))
    expected = xlmr.logits(_head(case, files), **tiny.INPUTS, **told(files))
    assert found.dtype == dtype
    # A merged adapter has the precision of its inputs' files, float32.
    exact = dtype == torch.float64 and "interpolate" not in case
    tiny.close(found.double(), expected, 1e-9 if exact else 1e-5)
    bare = xlmr.logits(_head(case, files), **tiny.INPUTS)
    assert (bare - expected).abs().max() > 1e-2, "adapters that do nothing show nothing"


def _head(case: str, files: dict[str, plain.File]) -> dict[str, Any]:
    """The head of the last adapter that has one."""
    names = {
        "add (IA)³": "ia3_task",
        "average of tasks": "task_b",
        "average of LoRA": "lora_task",
        "add LoRA": "lora_task",
        "add LoRA with weights": "lora_task",
    }
    name = names.get(case, "task")
    return files[name].head


def test_hidden_states_without_a_head(
    live: Any, kept: Any, registry: Any, files: Any, xlmr: plain.Reference
) -> None:
    from xlmerge.plugin.trees import parse_tree
    from xlmerge.runtime.composing import compose

    tree = parse_tree({"stack": ["lang_a", "plain_a"]})
    with torch.no_grad(), compose(live, tree, kept, registry) as forward:
        found = forward(dict(tiny.INPUTS)).last_hidden_state
    after = plain.stacked(files["lang_a"], files["plain_a"])
    expected = xlmr.hidden(**tiny.INPUTS, invertible=files["lang_a"], after=after)
    real = tiny.INPUTS["attention_mask"].bool()
    tiny.close(found.double()[real], expected[real], 1e-5)


@pytest.mark.parametrize("space", ["probability", "logit"])
def test_an_ensemble(space: str, files: Any, xlmr: plain.Reference, run: Any) -> None:
    """Each child with its own invertible adapter, which no block of the library can do."""
    children = [{"stack": ["lang_a", "task"]}, {"stack": ["lang_b", "task"]}, "task_b"]
    weights = [0.5, 0.3, 0.2]
    found = run({"ensemble": children, "weights": weights, "with": {"space": space}}).double()
    logits = [
        xlmr.logits(
            files["task"].head,
            **tiny.INPUTS,
            invertible=files[name],
            after=plain.stacked(files[name], files["task"]),
        )
        for name in ("lang_a", "lang_b")
    ]
    after = plain.stacked(files["task_b"])
    logits.append(xlmr.logits(files["task_b"].head, **tiny.INPUTS, after=after))
    if space == "logit":
        expected = sum(w * z for w, z in zip(weights, logits, strict=True))
    else:
        shares = [w * z.softmax(-1) for w, z in zip(weights, logits, strict=True)]
        expected = sum(shares).log()  # type: ignore[union-attr]
        assert found.exp().sum(-1).allclose(torch.ones(2, dtype=torch.float64), atol=1e-6)
    tiny.close(found, expected, 1e-5)
