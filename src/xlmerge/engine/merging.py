"""The method applied, one span at a time."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from xlmerge.engine.reading import PointReader
from xlmerge.errors import MergeError
from xlmerge.plan.patterns import value_for
from xlmerge.plan.spans import span_of, spans
from xlmerge.plan.values import options_for
from xlmerge.plugin.random import Random
from xlmerge.spaces import DirectSum, LazyMapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.engine.report import MergeReport
    from xlmerge.plan import MergeStepPlan
    from xlmerge.plugin.architecture import Parameter

__all__ = ["Merging"]


class Merging:
    """One planned merge over open adapters: gives the merged point of any parameter, to any thread.

    Args:
        plan: What to do.
        layouts: Open adapters by name.
        report: Where measurements go.
    """

    def __init__(
        self, plan: MergeStepPlan, layouts: Mapping[str, AdapterLayout], report: MergeReport
    ) -> None:
        self.plan = plan
        self.method = plan.method.descriptor
        self.readers = [PointReader(item.name, layouts[item.name]) for item in plan.inputs]
        peers = [reader.layout.parameters() for reader in self.readers]
        self._parameters = peers[0]
        self._spaces = {
            parameter.name: covered.half.space(
                [known[parameter.name] for known in peers],
                report.observer(parameter.name),
                **options_for(plan, covered, parameter),
            )
            for covered, bundle in self.readers[0].layout.bundles()
            for parameter in bundle.parameters
        }
        self._spans = spans(plan.scope, self._parameters.values())
        self._merged: dict[str, Any] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._all_locks = threading.Lock()

    def point(self, name: str) -> Any:
        """The merged point of a parameter."""
        parameter = self._parameters[name]
        if self.plan.scope == "parameter":
            points = [reader.point(name) for reader in self.readers]
            return self._call(self._spaces[name], points, [parameter])
        return self._span(span_of(self.plan.scope, parameter))[name]

    def check_distinct(self) -> None:
        """Compare inputs that must differ, tensor by tensor, up to the first difference.

        Raises:
            MergeError: Two are identical, so that the merge would be without effect.
        """
        by_role = {
            item.role: reader for item, reader in zip(self.plan.inputs, self.readers, strict=True)
        }
        for first, second in self.method.distinct:
            a, b = by_role.get(first), by_role.get(second)
            if a is not None and b is not None and a.holds_same_as(b):
                raise MergeError(
                    f"{self.method.name}: {first} ({a.name}) and {second} ({b.name}) are "
                    "identical, so their difference is zero and the merge would be without effect",
                    hint="check how they were loaded and saved: PEFT overwrites an adapter that is "
                    "loaded under a name that is taken",
                )

    def _span(self, span: str) -> Mapping[str, Any]:
        """The merged points of all that the method sees together, computed when read.

        What the method computes over the whole span at once (a threshold, an angle) is computed by
        the first thread that asks; the others wait for it.
        """
        with self._all_locks:
            lock = self._locks[span]
        with lock:
            if span not in self._merged:
                members = self._spans[span]
                names = [member.name for member in members]
                space = DirectSum({name: self._spaces[name] for name in names})
                points = [LazyMapping(names, reader.point) for reader in self.readers]
                self._merged[span] = self._call(space, points, members)
        merged: Mapping[str, Any] = self._merged[span]
        return merged

    def _call(self, space: Any, points: Sequence[Any], members: list[Parameter]) -> Any:
        """Call the method with all that its signature asks for; planning saw to equal values."""
        parameter = members[0]
        arguments: dict[str, Any] = {
            name: value_for(value, parameter) for name, value in self.plan.parameters.items()
        }
        listed = []
        for item, point in zip(self.plan.inputs, points, strict=True):
            if item.role is None:
                listed.append((item, point))
            else:
                arguments[item.role] = point
        if self.method.count is not None:
            arguments["adapters"] = [point for _, point in listed]
        if listed and listed[0][0].weight is not None:
            arguments["weights"] = [value_for(item.weight, parameter) for item, _ in listed]
        if self.method.random:
            names = [item.name for item, _ in listed]
            arguments["rng"] = Random(self.plan.seed, parameter.name, names)
        return self.method(space, **arguments)
