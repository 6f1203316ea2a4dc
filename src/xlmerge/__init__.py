"""Get the adapter nobody trained, *this task in that language*, by merging the ones you have.

    import xlmerge

    xlmerge.merge("linear", {"adapters/en": 0.4, "adapters/id": 0.6}, output="bridge")

Importing it is cheap: everything below is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlmerge.api import check, load, merge, run
    from xlmerge.engine.state import AdapterState
    from xlmerge.errors import XLMergeError
    from xlmerge.runner import Listener, RunResult, StepResult

__version__ = "0.1.0.dev0"

__all__ = [
    "AdapterState",
    "Listener",
    "RunResult",
    "StepResult",
    "XLMergeError",
    "__version__",
    "check",
    "load",
    "merge",
    "run",
]

_HOMES = {
    "AdapterState": "xlmerge.engine.state",
    "Listener": "xlmerge.runner",
    "RunResult": "xlmerge.runner",
    "StepResult": "xlmerge.runner",
    "XLMergeError": "xlmerge.errors",
    "check": "xlmerge.api",
    "load": "xlmerge.api",
    "merge": "xlmerge.api",
    "run": "xlmerge.api",
}

_MODULES = ("errors", "plugin", "spaces", "testing")


def __getattr__(name: str) -> object:
    """Load a public name when it is first used (PEP 562)."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
