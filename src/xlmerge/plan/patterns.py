"""Values that differ from parameter to parameter: a mapping from patterns to values.

A pattern is one of

* ``default`` (or ``*``): every parameter that no other pattern decides, wherever it stands in the
  mapping;
* ``layers.3``, ``layers.0-5``, ``layers.0-3,8``: by layer, counted from 0;
* a part: ``bottleneck``, ``invertible``, ``lora``, ``ia3``, ``prefix``;
* a glob on the site (``attention.*``, ``output``) or on the parameter's whole name (``*.query``).

Where several match, the last one written decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from xlmerge.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin.architecture import Parameter
    from xlmerge.plugin.parameters import ParameterSpec

__all__ = ["check_patterns", "check_single_values", "constant", "value_for"]

_LAYERS = re.compile(
    r"layers?\.(?P<list>[0-9]{1,6}(?:-[0-9]{1,6})?(?:,[0-9]{1,6}(?:-[0-9]{1,6})?)*)"
)
_DEFAULTS = ("default", "*")


def value_for(value: Any, parameter: Parameter) -> Any:
    """The value that a parameter gets.

    Args:
        value: A plain value, or a mapping from patterns to plain values.
        parameter: The parameter.

    Raises:
        ParameterError: No pattern decides.
    """
    if not isinstance(value, Mapping):
        return value
    pattern = _decides(value, parameter)
    if pattern is None:
        raise ParameterError(
            f"no pattern gives a value for {parameter.name} (part {parameter.part}); the patterns "
            f"are {', '.join(map(str, value)) or 'none'}",
            hint="add `default:` for all others",
        )
    return value[pattern]


def check_single_values(spec: ParameterSpec, value: Any) -> Any:
    """A value in its declared type, pattern by pattern.

    Raises:
        ParameterError: A value is not as declared, or a pattern is no text.
    """
    if not isinstance(value, Mapping):
        return spec.check(value)
    for pattern in value:
        if not isinstance(pattern, str):
            raise ParameterError(
                f"`{spec.name}`: a pattern is a text; found {pattern!r}",
                hint=f"for a layer write `layers.{pattern}`" if type(pattern) is int else None,
            )
    return {pattern: spec.check(single) for pattern, single in value.items()}


def check_patterns(what: str, value: Any, parameters: Iterable[Parameter]) -> None:
    """Check that every parameter gets a value, and that every pattern gives one.

    Raises:
        ParameterError: One does not. A pattern that decides nothing is most likely misspelt.
    """
    if not isinstance(value, Mapping):
        return
    parameters = list(parameters)
    used = set()
    for parameter in parameters:
        try:
            value_for(value, parameter)
        except ParameterError as error:
            raise ParameterError(f"{what}: {error.message}", hint=error.hint) from None
        used.add(_decides(value, parameter))
    idle = [pattern for pattern in value if pattern not in used and pattern not in _DEFAULTS]
    if idle:
        matched = any(_matches(idle[0], parameter) for parameter in parameters)
        raise ParameterError(
            f"{what}: the pattern {idle[0]!r} decides no parameter"
            + (": later patterns decide all it matches" if matched else ""),
            hint="of several patterns that match, the last one written decides"
            if matched
            else f"what there is: {_what_there_is(parameters)}",
        )


def constant(what: str, value: Any, parameters: Iterable[Parameter], span: str) -> None:
    """Check that all parameters that a method sees together get one value.

    Raises:
        ParameterError: They get several.
    """
    if not isinstance(value, Mapping):
        return
    found = dict.fromkeys(repr(value_for(value, parameter)) for parameter in parameters)
    if len(found) > 1:
        raise ParameterError(
            f"{what}: the method works on the whole {span} at once and takes one value there; the "
            f"patterns give {', '.join(found)}",
            hint="give one value, or a smaller `scope` if the method has one",
        )


def _decides(value: Mapping[str, Any], parameter: Parameter) -> str | None:
    """The pattern that gives a parameter its value."""
    matching = [
        pattern for pattern in value if pattern not in _DEFAULTS and _matches(pattern, parameter)
    ]
    if matching:
        return matching[-1]
    defaults = [pattern for pattern in value if pattern in _DEFAULTS]
    return defaults[-1] if defaults else None


def _matches(pattern: str, parameter: Parameter) -> bool:
    if layers := _LAYERS.fullmatch(pattern):
        return parameter.layer is not None and any(
            int(low) <= parameter.layer <= int(high or low)
            for low, _, high in (part.partition("-") for part in layers["list"].split(","))
        )
    return (
        pattern == parameter.part
        or fnmatchcase(parameter.site, pattern)
        or fnmatchcase(parameter.name, pattern)
    )


def _what_there_is(parameters: list[Parameter]) -> str:
    layers = sorted({parameter.layer for parameter in parameters if parameter.layer is not None})
    parts = sorted({parameter.part for parameter in parameters})
    sites = sorted({parameter.site for parameter in parameters if parameter.site})
    said = [f"parts {', '.join(parts)}"]
    if layers:
        said.append(f"layers.{layers[0]}-{layers[-1]}")
    if sites:
        said.append(f"sites {', '.join(sites)}")
    return "; ".join(said)
