"""Other precisions, and gradients with less memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from libraries import tiny  # noqa: E402
from xlmerge.plugin.trees import parse_tree  # noqa: E402
from xlmerge.runtime.composing import compose  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

TREES: dict[str, Any] = {
    "stack": {"stack": ["lang_a", "task"]},
    "average": {"stack": [{"average": {"plain_a": 0.3, "plain_b": 0.7}}, "task"]},
    "add": {"add": ["lora_a", "lora_task"]},
    "interpolate": {"stack": [{"interpolate": {"lang_a": 0.3, "lang_b": 0.7}}, "task"]},
    "ensemble": {"ensemble": ["task", {"stack": ["lang_a", "task_b"]}]},
}


@pytest.mark.parametrize("name", TREES)
def test_bfloat16(name: str, run: Any, make_live: Any) -> None:
    """Adapters that come after the model was made small are made small, too."""
    found = run(TREES[name], model=make_live(torch.bfloat16))
    assert found.dtype == (torch.float32 if name == "ensemble" else torch.bfloat16)
    tiny.close(found.float(), run(TREES[name]), 6e-2)


@pytest.mark.parametrize("name", ["stack", "average", "add"])
def test_gradients_with_checkpointing(
    name: str, make_live: Any, kept: dict[str, Path], registry: Any
) -> None:
    """The same gradients, whether states are kept or computed again."""
    live = make_live()

    def gradients(*, checkpointing: bool) -> dict[str, Any]:
        with compose(live, parse_tree(TREES[name]), kept, registry) as forward:
            trained = {
                key: parameter
                for adapter in live.adapters()
                if "task" in adapter
                for key, parameter in live.adapter_parameters(adapter).items()
            }
            for parameter in trained.values():
                parameter.requires_grad_()
            if checkpointing:
                live.model.gradient_checkpointing_enable({"use_reentrant": False})
            live.model.train()
            torch.manual_seed(3)  # dropout
            loss = forward(dict(tiny.INPUTS)).logits.square().sum()
            found = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
            live.model.eval()
            live.model.gradient_checkpointing_disable()
        return {
            key: gradient
            for key, gradient in zip(trained, found, strict=True)
            if gradient is not None
        }

    kept_states, again = gradients(checkpointing=False), gradients(checkpointing=True)
    assert kept_states.keys() == again.keys()
    assert sum(float(g.abs().sum()) for g in kept_states.values()) > 1e-2
    for key, gradient in kept_states.items():
        torch.testing.assert_close(again[key], gradient, rtol=0, atol=1e-6)
