"""The libraries' notices, while xlmerge does on purpose what they warn of."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["quiet", "told"]

_LIBRARIES = frozenset({"torch", "transformers", "adapters", "peft", "datasets", "accelerate"})
_LOGGERS = ("adapters", "transformers", "peft", "accelerate", "datasets")


@contextmanager
def quiet() -> Iterator[None]:
    """Pass errors only, and put everything back as it was.

    The notices are about heads that are new, adapters that are not active yet, and the like; what
    matters among them is checked by xlmerge itself, from the loading reports.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def told(warn: Callable[[str], None]) -> Iterator[None]:
    """Pass on what tasks and trainers warn of (``UserWarning``); those of libraries go unheard.

    Args:
        warn: Hears each text once.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        yield
    heard = [each for each in caught if each.category is UserWarning]
    for text in dict.fromkeys(str(each.message) for each in heard if not _of_library(each)):
        warn(text)


def _of_library(warning: warnings.WarningMessage) -> bool:
    """Whether it comes from a library's own file; a folder above may be called `torch`, too."""
    modules = (sys.modules.get(name) for name in _LIBRARIES)
    folders = {Path(module.__file__).parent for module in modules if module and module.__file__}
    return not folders.isdisjoint(Path(warning.filename).parents)
