"""Live models: base models loaded, adapters composed, trained and scored in them.

The only part of xlmerge that imports torch, transformers, adapters, peft and datasets, and it does
so when one of these names is used. Trainers, tasks and composition rules of plugins may use all of
them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlmerge.runtime.composing import Child, Composing, Member, compose
    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import Batch, Outputs, Rows, TaskLogic
    from xlmerge.runtime.scoring import Scored, score
    from xlmerge.runtime.training import Training, fit

__all__ = [
    "Batch",
    "Child",
    "Composing",
    "LiveModel",
    "Member",
    "Outputs",
    "Rows",
    "Scored",
    "TaskLogic",
    "Training",
    "compose",
    "fit",
    "score",
]

_HOMES = {
    "Batch": "protocol",
    "Child": "composing",
    "Composing": "composing",
    "LiveModel": "live",
    "Member": "composing",
    "Outputs": "protocol",
    "Rows": "protocol",
    "Scored": "scoring",
    "TaskLogic": "protocol",
    "Training": "training",
    "compose": "composing",
    "fit": "training",
    "score": "scoring",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
