"""MetaXL (Xia et al. 2021, arXiv 2104.07908).

Networks that transform the hidden states of source languages in training, and the trainer that
meta-learns them. The hypergradient is open to any model in torch: a source loss as a function of
main parameters, parameters of networks, and a direction. The names below import torch when they are
used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlmerge_metaxl._modules.attaching import attached
    from xlmerge_metaxl._modules.direction import adam_diagonal, cosine, cosine_direction
    from xlmerge_metaxl._modules.hypergradient import (
        difference,
        double_backward,
        forward_over_reverse,
        split,
    )
    from xlmerge_metaxl._modules.looking_ahead import one_step_hypergradient
    from xlmerge_metaxl._modules.transformation import Transformation

__all__ = [
    "Transformation",
    "adam_diagonal",
    "attached",
    "cosine",
    "cosine_direction",
    "difference",
    "double_backward",
    "forward_over_reverse",
    "one_step_hypergradient",
    "split",
]

_HOMES = {
    "Transformation": "transformation",
    "adam_diagonal": "direction",
    "attached": "attaching",
    "cosine": "direction",
    "cosine_direction": "direction",
    "one_step_hypergradient": "looking_ahead",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}._modules.{_HOMES.get(name, 'hypergradient')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
