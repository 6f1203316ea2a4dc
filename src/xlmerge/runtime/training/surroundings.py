"""What a training needs around it, put back afterwards."""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["layers_computed_again", "left_alone"]


@contextmanager
def left_alone() -> Iterator[None]:
    """Put global random states and the environment back, which the library sets."""
    python, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002 - what it seeds
    variables = _variables()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)  # noqa: NPY002
            for name in _variables():
                del os.environ[name]
            os.environ.update(variables)


def _variables() -> dict[str, str]:
    """Those through which the trainer hands settings on, also to the next one of the process."""
    return {key: value for key, value in os.environ.items() if key.startswith("ACCELERATE_")}


@contextmanager
def layers_computed_again(model: Any, *, on: bool) -> Iterator[None]:
    """Gradient checkpointing, which trades time for memory.

    Not the reentrant kind: it needs inputs with gradients, which frozen embeddings do not give.

    Args:
        model: The model.
        on: Whether at all.
    """
    if not on:
        yield
        return
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        model.gradient_checkpointing_disable()
        # A hook on the embeddings that the library does not take away again.
        if hasattr(model, "_require_grads_hook"):
            model.disable_input_require_grads()
            del model._require_grads_hook  # noqa: SLF001
