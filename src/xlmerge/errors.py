"""Every error a user can meet.

An error says what is wrong, where, what was expected, what was found, and what to do next. The
command line prints it as one paragraph without a traceback and exits with the class's
``exit_code``; from Python they are ordinary exceptions, each also a child of the built-in class it
is a case of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CheckpointError",
    "CompositionError",
    "DataError",
    "HubError",
    "MergeError",
    "ModelError",
    "OutputError",
    "ParameterError",
    "PluginError",
    "PluginLoadError",
    "Problem",
    "RecipeError",
    "SpaceError",
    "TrainingError",
    "UnsupportedAdapterError",
    "XLMergeError",
]


class XLMergeError(Exception):
    """Base of all errors that xlmerge raises on purpose.

    Args:
        message: What is wrong and where, with the expected and the found value.
        hint: The next step, one sentence; printed on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a recipe.

    Attributes:
        message: What is wrong, with expected and found.
        where: ``file:line:column`` if known, else the place in words.
        hint: The next step.
    """

    message: str
    where: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  -> {self.hint}" if self.hint else text


class RecipeError(XLMergeError, ValueError):
    """A recipe (or a command line in place of one) cannot be carried out; holds all problems."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "" if count == 1 else f"{count} problems:\n"
        super().__init__(head + "\n".join(str(problem) for problem in self.problems))


class ParameterError(XLMergeError, ValueError):
    """A parameter of a method is unknown, missing, of the wrong type, or out of its range."""

    exit_code = 2


class PluginError(XLMergeError):
    """A plugin breaks the rules of the plugin API: a bad descriptor, or a name that is taken."""

    exit_code = 3


class PluginLoadError(PluginError):
    """What was asked for may come from a plugin that could not be loaded; its cause is chained."""


class CheckpointError(XLMergeError, ValueError):
    """An adapter folder or a file in it cannot be read: missing, truncated, corrupt, or unsafe."""

    exit_code = 4


class UnsupportedAdapterError(CheckpointError):
    """A readable adapter holds tensors or settings that no installed architecture covers."""


class SpaceError(XLMergeError, ValueError):
    """An operation that a parameter space cannot do with the points given."""

    exit_code = 5


class MergeError(XLMergeError, ArithmeticError):
    """A merge whose result would be meaningless: not finite, or without effect."""

    exit_code = 6


class OutputError(XLMergeError, OSError):
    """The result cannot be written: it exists, is not writable, or the disk is full.

    Nothing was left behind.
    """

    exit_code = 7

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        XLMergeError.__init__(self, message, hint=hint)

    def __str__(self) -> str:
        return XLMergeError.__str__(self)


class HubError(XLMergeError, OSError):
    """A hub id cannot be resolved: no network, no such repository, or no such revision."""

    exit_code = 8

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        XLMergeError.__init__(self, message, hint=hint)

    def __str__(self) -> str:
        return XLMergeError.__str__(self)


class CompositionError(XLMergeError, ValueError):
    """Adapters that cannot sit together in a model the way that was asked for.

    Args:
        message: What is wrong.
        hint: The next step.
        path: Where in the tree, as keys from its root.
    """

    exit_code = 9

    def __init__(
        self, message: str, *, hint: str | None = None, path: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class DataError(XLMergeError, ValueError):
    """Data that cannot be used: missing, of another form than was said, or with other labels."""

    exit_code = 10


class ModelError(XLMergeError, ValueError):
    """A base model that cannot be loaded, or that an adapter or a head does not fit."""

    exit_code = 11


class TrainingError(XLMergeError, ArithmeticError):
    """A training that went wrong: a loss that is not finite, or a result that no step changed."""

    exit_code = 12
