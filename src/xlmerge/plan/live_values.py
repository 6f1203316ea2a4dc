"""What stands under ``with`` in steps that run a model, and the options of tasks and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import ParameterError
from xlmerge.plan.problems import nearest
from xlmerge.plugin.parameters import AtLeast, ParameterSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import Place

__all__ = ["EVALUATION_OPTIONS", "LIVE_OPTIONS", "checked_values"]

_DTYPES = ("float32", "float64", "bfloat16", "float16")

LIVE_OPTIONS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        name="seed", type=int, default=0, range=AtLeast(0), summary="of everything that is drawn"
    ),
    ParameterSpec(
        name="device",
        type=str,
        default=None,
        optional=True,
        summary="`cpu`, `cuda`, `cuda:1`, `mps`; an accelerator where there is one if not given",
    ),
    ParameterSpec(
        name="dtype",
        type=str,
        default="float32",
        choices=_DTYPES,
        summary="precision that the base model computes in",
    ),
)
"""What every step that runs a model may say."""

EVALUATION_OPTIONS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        name="batch_size", type=int, default=32, range=AtLeast(1), summary="inputs in a batch"
    ),
    ParameterSpec(
        name="max_length",
        type=int,
        default=None,
        optional=True,
        range=AtLeast(2),
        summary="longest input in tokens, in place of the task's own",
    ),
    ParameterSpec(
        name="bootstrap",
        type=int,
        default=1000,
        range=AtLeast(100),
        summary="how often the rows are drawn again for the confidence intervals",
    ),
    ParameterSpec(
        name="parallel",
        type=bool,
        default=False,
        summary="whether the columns' rows are translations of each other, row by row",
    ),
    *LIVE_OPTIONS,
)
"""What every evaluation may say."""


def checked_values(
    given: Mapping[str, Any],
    specs: Iterable[ParameterSpec],
    owner: str,
    place: Place,
    problems: Problems,
) -> dict[str, Any]:
    """Values in their declared types, defaults filled in.

    Args:
        given: Name to value.
        specs: What may be given.
        owner: Whose they are, for messages.
        place: Where they stand, below the step.
        problems: Where problems go: unknown names, missing values, wrong types and ranges.
    """
    known = {spec.name: spec for spec in specs}
    for name in given:
        if name not in known:
            problems.refuse(
                (*place, str(name)),
                f"{owner} has no parameter `{name}`{nearest(str(name), known)}",
                f"its parameters: {', '.join(sorted(known)) or 'none'}",
            )
    values: dict[str, Any] = {}
    for name, spec in known.items():
        if name not in given:
            if spec.required:
                problems.refuse(
                    place, f"{owner} needs `{name}`: {spec.describe()}", spec.summary or None
                )
            else:
                values[name] = spec.default
            continue
        try:
            values[name] = spec.check(given[name])
        except ParameterError as error:
            problems.refuse_error((*place, name), error)
    return values
