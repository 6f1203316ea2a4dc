"""Keys that recipes will have later, refused by name rather than as unknown."""

from __future__ import annotations

from collections.abc import Mapping

from xlmerge.recipe.findings import Finding
from xlmerge.recipe.wording import code, listing

__all__ = ["KINDS", "RESERVED_STEP_KEYS", "RESERVED_TOP_KEYS", "is_settled", "reserved_findings"]

KINDS = ("merge", "train", "search", "evaluate", "convert")
"""What a step can be; a step has exactly one of these keys."""

RESERVED_STEP_KEYS = ("train", "search", "evaluate", "convert", "for_each")
RESERVED_TOP_KEYS = ("datasets",)


def reserved_findings(data: Mapping[str, object]) -> list[Finding]:
    """What a recipe asks of a later xlmerge, one finding for each step.

    Args:
        data: A recipe as plain data; may be wrong in any other way.

    Returns:
        Findings on the keys.
    """
    findings = [_reserved((key,)) for key in RESERVED_TOP_KEYS if key in data]
    steps = data.get("steps")
    if not isinstance(steps, Mapping):
        return findings
    for name, step in steps.items():
        if not isinstance(step, Mapping):
            continue
        kinds = [key for key in step if key in KINDS]
        reserved = [key for key in step if key in RESERVED_STEP_KEYS]
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
        elif reserved:
            findings.append(_reserved(("steps", name, reserved[0])))
    return findings


def is_settled(finding: Finding, reserved: list[Finding]) -> bool:
    """Whether a finding is about a part that one of the reserved ones has refused as a whole."""
    settled = {other.path[:2] for other in reserved}
    return any(finding.path[: len(path)] == path for path in settled)


def _reserved(path: tuple[str, ...]) -> Finding:
    return Finding(
        message=f"{code(path[-1])} is reserved: this version of xlmerge runs merge steps only",
        path=path,
        on_key=True,
    )
