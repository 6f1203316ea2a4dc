"""Kinds of steps: one for each step, and those that recipes will have later refused by name."""

from __future__ import annotations

from collections.abc import Mapping

from xlmerge.recipe.findings import Finding
from xlmerge.recipe.wording import code, listing, nearest

__all__ = [
    "KINDS",
    "RESERVED_STEP_KEYS",
    "STEP_KEYS",
    "is_settled",
    "reserved_findings",
    "step_kind",
]

STEP_KEYS = ("merge", "train", "evaluate")
RESERVED_STEP_KEYS = ("search", "convert")
KINDS = (*STEP_KEYS, *RESERVED_STEP_KEYS)
"""What a step can be; a step has exactly one of these keys."""

_TELLING = {
    **dict.fromkeys(("adapters", "roles"), "merge"),
    **dict.fromkeys(("task", "on"), "train"),
    **dict.fromkeys(("rows", "compose", "baseline", "split"), "evaluate"),
}
"""Keys that only one kind of step has."""


def reserved_findings(data: Mapping[str, object]) -> list[Finding]:
    """Steps of several kinds, or of a kind that only a later xlmerge has.

    Args:
        data: A recipe as plain data; may be wrong in any other way.

    Returns:
        At most one finding for each step, on the key.
    """
    findings: list[Finding] = []
    steps = data.get("steps")
    if not isinstance(steps, Mapping):
        return findings
    for name, step in steps.items():
        if not isinstance(step, Mapping):
            continue
        kinds = [key for key in step if key in KINDS]
        if len(kinds) > 1:
            findings.append(
                Finding(
                    message=f"the step {code(name)} has several kinds: {listing(kinds)}; "
                    "a step has exactly one",
                    path=("steps", name, kinds[1]),
                    on_key=True,
                    hint="make a step of its own for each",
                )
            )
        elif kinds and kinds[0] in RESERVED_STEP_KEYS:
            findings.append(
                Finding(
                    message=f"{code(kinds[0])} is reserved: this version of xlmerge runs steps "
                    f"that {', '.join(STEP_KEYS[:-1])} or {STEP_KEYS[-1]}",
                    path=("steps", name, kinds[0]),
                    on_key=True,
                )
            )
    return findings


def step_kind(step: Mapping[str, object]) -> str | None:
    """What a step does, also where the key that says so is missing or misspelt.

    Args:
        step: A step as plain data.

    Returns:
        One of `STEP_KEYS`; None if nothing tells, or if `reserved_findings` refuses the step.
    """
    said = [key for key in KINDS if key in step]
    if said:
        return said[0] if len(said) == 1 and said[0] in STEP_KEYS else None
    meant = [kind for key in step for kind in nearest(key, STEP_KEYS)]
    meant += [_TELLING[key] for key in step if key in _TELLING]
    return meant[0] if meant else None


def is_settled(finding: Finding, reserved: list[Finding]) -> bool:
    """Whether a finding is about a part that one of the reserved ones has refused as a whole."""
    settled = {other.path[:2] for other in reserved}
    return any(finding.path[: len(path)] == path for path in settled)
