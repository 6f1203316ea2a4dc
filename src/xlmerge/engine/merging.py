"""The method applied, one scope at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.engine.reading import PointReader
from xlmerge.errors import MergeError
from xlmerge.plan import layer_of
from xlmerge.plan.patterns import value_for
from xlmerge.plugin.random import Random
from xlmerge.spaces import DirectSum, LazyMapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.checkpoint.cover import AdapterLayout, Covered
    from xlmerge.engine.report import MergeReport
    from xlmerge.plan import MergeStepPlan
    from xlmerge.plugin.architecture import Parameter

__all__ = ["Merging"]


class Merging:
    """One planned merge over open adapters: gives the merged point of any parameter.

    Args:
        plan: What to do.
        layouts: Open adapters by name.
        report: Where measurements go.
    """

    def __init__(self, plan: MergeStepPlan, layouts: Mapping[str, AdapterLayout], report: MergeReport) -> None:
        self.plan = plan
        self.method = plan.method.descriptor
        self.readers = [PointReader(item.name, layouts[item.name]) for item in plan.inputs]
        self.report = report
        peers = [reader.layout.parameters() for reader in self.readers]
        self._parameters = peers[0]
        covered: dict[str, Covered] = {
            parameter.name: owner for owner, bundle in self.readers[0].layout.bundles() for parameter in bundle.parameters
        }
        self._spaces = {
            name: self._space(covered[name], parameter, [known[name] for known in peers])
            for name, parameter in self._parameters.items()
        }
        self._groups: dict[Any, tuple[list[str], Any]] = {}

    def point(self, name: str) -> Any:
        """The merged point of a parameter."""
        if self.plan.scope == "parameter":
            points = [reader.point(name) for reader in self.readers]
            return self._call(self._spaces[name], points, [self._parameters[name]])
        names, result = self._group(self._parameters[name])
        del names
        return result[name]

    def check_distinct(self) -> None:
        """Compare inputs that must differ, tensor by tensor, up to the first difference.

        Raises:
            MergeError: Two are identical, so that the merge would be without effect.
        """
        import numpy as np

        by_role = {item.role: reader for item, reader in zip(self.plan.inputs, self.readers, strict=True)}
        for first, second in self.method.distinct:
            a, b = by_role.get(first), by_role.get(second)
            if a is None or b is None:
                continue
            if all(
                np.array_equal(left, right)
                for name in self._parameters
                for left, right in zip(a.raw(name), b.raw(name), strict=True)
            ):
                raise MergeError(
                    f"{self.method.name}: {first} ({a.name}) and {second} ({b.name}) are identical, so their difference "
                    "is zero and the merge would give the other adapter back",
                    hint="check how they were loaded and saved: PEFT overwrites an adapter that is loaded under a name "
                    "that is taken",
                )

    def _space(self, covered: Covered, parameter: Parameter, peers: list[Parameter]) -> Any:
        options = {
            spec.name: value_for(self.plan.options[spec.name], parameter)
            for spec in covered.half.options
            if spec.name in self.plan.options
        }
        return covered.half.space(peers, self.report.observer(parameter.name), **options)

    def _group(self, parameter: Parameter) -> tuple[list[str], Any]:
        """The merged points of all that the method sees together with a parameter, computed when asked for."""
        key = "adapter" if self.plan.scope == "adapter" else layer_of(parameter)
        if key not in self._groups:
            members = [
                known for known in self._parameters.values() if self.plan.scope == "adapter" or layer_of(known) == key
            ]
            names = [member.name for member in members]
            space = DirectSum({name: self._spaces[name] for name in names})
            points = [LazyMapping(names, reader.point) for reader in self.readers]
            self._groups[key] = (names, self._call(space, points, members))
        return self._groups[key]

    def _call(self, space: Any, points: Sequence[Any], members: list[Parameter]) -> Any:
        """Call the method with everything its signature asks for; values are equal over the members (planned so)."""
        parameter = members[0]
        arguments: dict[str, Any] = {
            name: value_for(value, parameter) for name, value in self.plan.parameters.items()
        }
        listed = [(item, point) for item, point in zip(self.plan.inputs, points, strict=True) if item.role is None]
        arguments.update({item.role: point for item, point in zip(self.plan.inputs, points, strict=True) if item.role})
        if self.method.count is not None:
            arguments["adapters"] = [point for _, point in listed]
        if listed and listed[0][0].weight is not None:
            arguments["weights"] = [float(value_for(item.weight, parameter)) for item, _ in listed]
        if self.method.random:
            arguments["rng"] = Random(self.plan.seed, parameter.name, [item.name for item, _ in listed])
        return self.method(space, **arguments)
