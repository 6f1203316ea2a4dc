"""Whether the inverse of an invertible adapter reaches the output embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from xlmerge.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from xlmerge.runtime import Batch, Training
    from xlmerge.runtime.protocol import Outputs

__all__ = ["check_inverse"]


def check_inverse(work: Training, run: Callable[[Batch], Outputs], batch: Batch) -> None:
    """Compare logits with those that come out where the inverse is skipped.

    The documented recipe of the adapters library (a static masked-LM head) gives the same in both
    cases: what it trains are no adapters of MAD-X.

    Args:
        work: The training.
        run: From a batch to logits.
        batch: Any inputs of the task.

    Raises:
        TrainingError: The logits do not depend on the inverse.
    """
    module = work.live.model.base_model.invertible_adapters[work.name]
    calls = 0

    def skip(_: Any, positional: Any, named: Any, output: Any) -> Any:
        nonlocal calls
        if not named.get("rev", False):
            return output
        calls += 1
        return positional[0]

    was = work.live.model.training
    work.live.model.eval()
    try:
        with torch.no_grad():
            right = run(batch)
            hook = module.register_forward_hook(skip, with_kwargs=True)
            try:
                without = run(batch)
            finally:
                hook.remove()
    finally:
        work.live.model.train(was)
    if calls == 0 or all(torch.equal(right[name], without[name]) for name in right):
        raise TrainingError(
            f"{work.name}: the logits do not depend on the inverse of the invertible adapter, so "
            "that the output embeddings would see another space than the input's",
            hint="the task has to go through the adapters library's flexible masked-LM head",
        )
