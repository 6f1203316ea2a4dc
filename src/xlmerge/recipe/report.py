"""What is wrong with the instances of steps, each place once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.recipe.findings import Finding
from xlmerge.recipe.wording import code, listing

if TYPE_CHECKING:
    from xlmerge.recipe.document import KeyPath
    from xlmerge.recipe.names import Named

__all__ = ["Report"]


class Report:
    """Collects findings on instances, of which many stand at the same place of the recipe."""

    def __init__(self) -> None:
        self._first: dict[tuple[KeyPath, bool], Finding] = {}
        self._missing: dict[tuple[KeyPath, bool], tuple[Named, dict[str, None]]] = {}

    def add(self, finding: Finding) -> None:
        """Keeps a finding if it is the first of its place."""
        self._first.setdefault((finding.path, finding.on_key), finding)

    def missing(self, named: Named, instance: str, path: KeyPath, *, on_key: bool) -> None:
        """Notes an instance that a step has not."""
        _, instances = self._missing.setdefault((path, on_key), (named, {}))
        instances[instance] = None

    def findings(self) -> list[Finding]:
        """Everything that was found."""
        return [
            *self._first.values(),
            *(
                Finding(
                    message=f"there is no {listing(instances)}: the step {code(named.name)} is "
                    "done for "
                    + "; ".join(
                        f"{variable} {listing(values)}"
                        for variable, values in (named.values or {}).items()
                    ),
                    path=path,
                    on_key=on_key,
                    hint=f"add the value to the `for_each` of {code(named.name)}, or take it out "
                    "here",
                )
                for (path, on_key), (named, instances) in self._missing.items()
            ),
        ]
