"""How ``xlmerge merge`` reads its options, and speaks of them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from xlmerge.errors import ParameterError, Problem, RecipeError, XLMergeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["as_options", "read_roles", "read_values", "read_weights"]


def read_weights(text: str | None) -> list[Any] | None:
    """Numbers, or mappings from patterns to numbers, separated by commas.

    Raises:
        ParameterError: It is neither.
    """
    if text is None:
        return None
    from xlmerge.recipe.yaml_loader import parse_yaml

    try:
        weights = parse_yaml(f"[{text}]", "--weights").data
    except RecipeError:
        weights = None
    if not isinstance(weights, list) or not weights or not all(map(_is_weight, weights)):
        raise ParameterError(
            f"--weights expects numbers separated by commas, as 0.4,0.6; found {text!r}"
        )
    return weights


def _is_weight(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(_is_number(number) for number in value.values())
    return _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_roles(texts: Iterable[str]) -> dict[str, str]:
    """Role to adapter.

    Raises:
        ParameterError: One is not ``ROLE=ADAPTER``, or is there twice.
    """
    roles: dict[str, str] = {}
    for text in texts:
        role, equals, adapter = text.partition("=")
        role = role.strip()
        if not equals or not role or not adapter:
            raise ParameterError(
                f"--role expects ROLE=ADAPTER; found {text!r}",
                hint="for example --role task_in_source=adapters/sentiment",
            )
        if role in roles:
            raise ParameterError(f"--role {role} is given twice: {roles[role]} and {adapter}")
        roles[role] = adapter
    return roles


def read_values(texts: Iterable[str]) -> dict[str, Any]:
    """``name=value``, or ``name.pattern=value`` for one pattern after the other.

    Raises:
        ParameterError: One cannot be read, or is there twice.
    """
    from xlmerge.recipe.override_syntax import OverrideRefusedError, override_value, split_override

    values: dict[str, Any] = {}
    for text in texts:
        try:
            (name, *segments), written = split_override(text)
            value = override_value(written, f"--with {name}")
        except (OverrideRefusedError, RecipeError) as error:
            said = error.problems[0].message if isinstance(error, RecipeError) else error.message
            raise ParameterError(
                f"--with {text}: {said}", hint="write NAME=VALUE, as --with t=0.5"
            ) from None
        pattern = ".".join(segments)
        known = values.setdefault(name, {}) if pattern else values
        if not isinstance(known, dict) or (pattern or name) in known:
            raise ParameterError(f"--with {'.'.join([name, *segments])} is given twice")
        known[pattern or name] = value
    return values


@contextmanager
def as_options() -> Iterator[None]:
    """What an error says of a recipe's keys, said of the options that stand for them."""
    try:
        yield
    except RecipeError as error:
        problems = [
            Problem(
                message=_spoken(problem.message),
                where=_place(problem),
                hint=_spoken(problem.hint) if problem.hint else None,
            )
            for problem in error.problems
        ]
        raise RecipeError(problems) from error
    except XLMergeError as error:
        error.message = _spoken(error.message)
        error.hint = _spoken(error.hint) if error.hint else None
        raise


def _place(problem: Problem) -> str | None:
    """``with.t`` is ``--with t``; what the message says already, or is no option, is no place."""
    kind, _, name = (problem.where or "").partition(".")
    options = {
        "with": name and f"--with {name}",
        "roles": name and f"--role {name}",
        "heads": "--heads",
        "adapters": "" if problem.message.startswith(f"{name}: ") else name,
        "merge": "",
    }
    return options.get(kind, problem.where) or None


def _spoken(text: str) -> str:
    for pattern, option in _SPOKEN:
        text = re.sub(pattern, option, text)
    return text


_SPOKEN = (
    (r"write adapters: \{([^}]*)\}", lambda found: f"add --weights {_numbers(found[1])}"),
    (r"`heads: (\w+ [^`]+)`", r"`--heads '\1'`"),
    (r"`(heads|dtype|format): ([^`]+)`", r"`--\1 \2`"),
    (r"`base_model: ([^`]+)`", r"`--base-model \1`"),
    (r"`base_model_aliases: \[([^`]+)\]`", r"`--base-model-alias \1`"),
    (r"the recipe's base model", "--base-model"),
    (r"the recipe does not say", "no option says"),
    (r"`heads`", "--heads"),
    # What is left are parameters.
    (r"`([a-z_]+): ([\w.]+)`", r"`--with \1=\2`"),
)


def _numbers(pairs: str) -> str:
    return ",".join(pair.rpartition(":")[2].strip() for pair in pairs.split(","))
