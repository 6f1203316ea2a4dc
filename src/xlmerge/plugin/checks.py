"""What a descriptor has to keep to, however it was made."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.errors import PluginError
from xlmerge.plugin.architecture import AdapterArchitecture, FileHalf, LiveHalf
from xlmerge.plugin.composition import CompositionRule, rule_problems
from xlmerge.plugin.declaration import words_problems
from xlmerge.plugin.method import RESERVED, MergeMethod, declaration_problems
from xlmerge.plugin.tasks import Task, task_problems
from xlmerge.plugin.trainers import Trainer, trainer_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xlmerge.plugin.parameters import ParameterSpec
    from xlmerge.plugin.registry import Descriptor

__all__ = ["KINDS", "Kind", "check_architecture", "check_distinct", "check_method"]

FORMATS = ("adapters", "peft")

_DECORATORS: dict[type, tuple[str, str]] = {
    MergeMethod: ("merge method", "merge_method"),
    CompositionRule: ("composition rule", "composition_rule"),
    Trainer: ("trainer", "trainer"),
    Task: ("task", "task"),
}


def check_architecture(descriptor: object) -> AdapterArchitecture:
    """Give ``descriptor`` back if it is a sound architecture.

    Raises:
        PluginError: It is not; says all that is wrong with it.
    """
    if not isinstance(descriptor, AdapterArchitecture):
        raise _wrong_type(descriptor, AdapterArchitecture)
    _refuse("adapter architecture", descriptor.name, _architecture_problems(descriptor))
    return descriptor


def check_method(descriptor: object) -> MergeMethod:
    """Give ``descriptor`` back if it is a sound merge method.

    Raises:
        PluginError: It is not; says all that is wrong with it.
    """
    if not isinstance(descriptor, MergeMethod):
        raise _wrong_type(descriptor, MergeMethod)
    _refuse("merge method", descriptor.name, _method_problems(descriptor))
    return descriptor


def _check_rule(descriptor: object) -> CompositionRule:
    """As :func:`check_method`, for a composition rule."""
    if not isinstance(descriptor, CompositionRule):
        raise _wrong_type(descriptor, CompositionRule)
    _refuse("composition rule", descriptor.name, _all(rule_problems, descriptor))
    return descriptor


def _check_trainer(descriptor: object) -> Trainer:
    """As :func:`check_method`, for a trainer."""
    if not isinstance(descriptor, Trainer):
        raise _wrong_type(descriptor, Trainer)
    _refuse("trainer", descriptor.name, _all(trainer_problems, descriptor))
    return descriptor


def _check_task(descriptor: object) -> Task:
    """As :func:`check_method`, for a task."""
    if not isinstance(descriptor, Task):
        raise _wrong_type(descriptor, Task)
    _refuse("task", descriptor.name, _all(task_problems, descriptor))
    return descriptor


def _all(problems: Callable[[Any], Iterator[str]], descriptor: Any) -> Iterator[str]:
    """The problems of a declaration, and parameters that come twice."""
    yield from problems(descriptor)
    yield from _twice(descriptor.parameters, "parameter")


def check_distinct(descriptors: Iterable[Descriptor]) -> None:
    """Refuse two descriptors of one name.

    Raises:
        PluginError: A name comes twice.
    """
    names = [descriptor.name for descriptor in descriptors]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PluginError(f"it offers more than one descriptor named {', '.join(map(repr, twice))}")


def _wrong_type(descriptor: object, expected: type) -> PluginError:
    """The error of a descriptor that is none."""
    hint = None
    if expected in _DECORATORS and inspect.isroutine(descriptor):
        kind, decorator = _DECORATORS[expected]
        hint = f"make a function into a {kind} with @{decorator}(...)"
    return PluginError(
        f"expected a list of {expected.__name__}; it holds {_short(descriptor)}", hint=hint
    )


def _short(value: object) -> str:
    """A value and its type; strangers' values can be long."""
    text = repr(value)
    text = text if len(text) <= 80 else text[:77] + "..."
    return f"{text} of type {type(value).__name__}"


def _refuse(kind: str, name: object, problems: Iterator[str]) -> None:
    """Raise if there are problems."""
    found = list(problems)
    if found:
        raise PluginError(f"the {kind} {name!r} is not valid: {'; '.join(found)}")


def _method_problems(method: MergeMethod) -> Iterator[str]:
    """What is wrong with a merge method; one made by hand has been through no other check."""
    yield from words_problems(method.name, method.summary, method.source)
    if not callable(method.function):
        yield f"its function cannot be called: {_short(method.function)}"
    yield from declaration_problems(method)
    yield from _twice(method.parameters, "parameter")


def _architecture_problems(architecture: AdapterArchitecture) -> Iterator[str]:
    """What is wrong with an architecture."""
    yield from words_problems(architecture.name, architecture.summary, architecture.source)
    seen = set()
    for half in architecture.files:
        if not isinstance(half, FileHalf):
            yield f"its files hold {_short(half)}; expected FileHalf"
            continue
        if half.format not in FORMATS:
            expected = " or ".join(FORMATS)
            yield f"it has a file half for the format {half.format!r}; expected {expected}"
        if half.format in seen:
            yield f"it has more than one file half for the format {half.format!r}"
        seen.add(half.format)
        yield from _half_problems(half)
    live = architecture.live
    if live is not None and not isinstance(live, LiveHalf):
        yield f"its live half is {_short(live)}; expected LiveHalf"
    elif live is not None:
        for field in ("install", "make"):
            value = getattr(live, field)
            if not re.fullmatch(r"[\w.]+:\w+|None", str(value)):
                yield f"`{field}` of its live half, {value!r}, is not `module:function`"


def _half_problems(half: FileHalf) -> Iterator[str]:
    """What is wrong with a file half."""
    for field in ("claim", "space", "decode", "encode", "attributes", "configure"):
        if not callable(getattr(half, field)):
            yield f"`{field}` of its {half.format} half cannot be called"
    if not callable(half.space):
        return
    try:
        options = half.options
    except Exception as error:  # noqa: BLE001 - annotations are a stranger's code, evaluated
        yield f"the options of its {half.format} half cannot be read: {error}"
    else:
        what = f"option of its {half.format} half"
        yield from _twice(options, what)
        for name in sorted(RESERVED.intersection(option.name for option in options)):
            yield f"the {what} `{name}` has a name that the engine uses itself"


def _twice(parameters: Iterable[ParameterSpec], what: str) -> Iterator[str]:
    """Names that come more than once."""
    names = [parameter.name for parameter in parameters]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"it has more than one {what} named `{name}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of descriptor.

    Attributes:
        field: Attribute of the registry that holds them.
        hook: The hook that offers them.
        words: What they are called in messages.
        check: Gives a sound descriptor back, and raises PluginError for others.
    """

    field: str
    hook: str
    words: str
    check: Callable[[object], Descriptor]


KINDS = (
    Kind(
        field="architectures",
        hook="xlmerge_adapter_architectures",
        words="adapter architecture",
        check=check_architecture,
    ),
    Kind(field="methods", hook="xlmerge_merge_methods", words="merge method", check=check_method),
    Kind(
        field="composition_rules",
        hook="xlmerge_composition_rules",
        words="composition rule",
        check=_check_rule,
    ),
    Kind(field="trainers", hook="xlmerge_trainers", words="trainer", check=_check_trainer),
    Kind(field="tasks", hook="xlmerge_tasks", words="task", check=_check_task),
)
"""All kinds of descriptors, one for each hook."""
