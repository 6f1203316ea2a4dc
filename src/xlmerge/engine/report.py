"""What was measured while merging."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlmerge.spaces.protocol import Observe

__all__ = ["MergeReport"]


@dataclass(slots=True)
class MergeReport:
    """Measurements of one merge.

    Attributes:
        parameters: Number of parameters merged.
        facts: Fact to parameter to value, as the spaces observed them (``discarded``, ...).
        warnings: What the user should know.
    """

    parameters: int = 0
    facts: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def observer(self, parameter: str) -> Observe:
        """Where the space of one parameter reports to."""

        def observe(fact: str, value: float) -> None:
            # A lazy point may be computed twice; the measurement is the same.
            self.facts.setdefault(fact, {})[parameter] = float(value)

        return observe

    def summary(self) -> dict[str, dict[str, float]]:
        """Each fact over all parameters: count, sum, mean and extremes."""
        return {
            fact: {
                "parameters": len(values),
                "sum": sum(values[name] for name in sorted(values)),
                "mean": sum(values[name] for name in sorted(values)) / len(values),
                "least": min(values.values()),
                "most": max(values.values()),
            }
            for fact, values in sorted(self.facts.items())
        }

    def as_data(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "parameters": self.parameters,
            "measured": self.summary(),
            "by_parameter": {
                fact: dict(sorted(values.items())) for fact, values in sorted(self.facts.items())
            },
            "warnings": list(self.warnings),
        }
