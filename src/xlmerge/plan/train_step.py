"""A training that has passed all checks that need no numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xlmerge.errors import XLMergeError
from xlmerge.plan.adapter_configs import plan_config
from xlmerge.plan.data_roles import plan_roles
from xlmerge.plan.fitting import check_fits
from xlmerge.plan.lengths import check_length
from xlmerge.plan.live_values import LIVE_OPTIONS, checked_values
from xlmerge.plan.problems import Problems
from xlmerge.plan.trees import check_libraries, check_tree
from xlmerge.plugin.trees import leaves, tree_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xlmerge.plan.adapter_configs import PlannedConfig
    from xlmerge.plan.base_model import LocatedBase
    from xlmerge.plan.context import PlanContext
    from xlmerge.plan.data_roles import Roles
    from xlmerge.plan.request import DataRequest, Place, TrainRequest
    from xlmerge.plugin.composition import CompositionRule
    from xlmerge.plugin.registry import Registered, Registry
    from xlmerge.plugin.tasks import Task
    from xlmerge.plugin.trainers import Trainer
    from xlmerge.plugin.trees import Tree

__all__ = ["TrainStepPlan", "describe_data", "plan_training"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainStepPlan:
    """One training.

    Attributes:
        name: Name of the step, which becomes the adapter's name.
        trainer: The trainer and who provides it.
        parameters: Values of its parameters, defaults filled in.
        task: The task; None without one.
        task_options: Values of its options, defaults filled in.
        data: Role to data sets, each with its sampling weight or None.
        if_present: Roles that are left out where the data set has no split of that name.
        stacked_on: The composition that lies frozen beneath.
        stacked_each: Compositions, one for each data set, in place of ``stacked_on``.
        rules: The rules of that composition by name.
        adapter: The new adapter's configuration; None if the trainer makes none.
        seed: Of everything that is drawn.
        device: Where to compute; None for an accelerator if there is one.
        dtype: Precision that the base model computes in.
        base: Where the base model lies.
    """

    name: str
    trainer: Registered[Trainer]
    parameters: Mapping[str, Any]
    task: Registered[Task] | None
    task_options: Mapping[str, Any]
    data: Roles
    if_present: frozenset[str] = frozenset()
    stacked_on: Tree | None = None
    stacked_each: tuple[Tree, ...] = ()
    rules: Mapping[str, Registered[CompositionRule]] = field(default_factory=dict)
    adapter: PlannedConfig | None = None
    seed: int = 0
    device: str | None = None
    dtype: str = "float32"
    base: LocatedBase

    @property
    def needs(self) -> tuple[str, ...]:
        """Adapters that it is stacked on."""
        trees = [*self.stacked_each, *([self.stacked_on] if self.stacked_on is not None else [])]
        return tuple(dict.fromkeys(name for tree in trees for name in leaves(tree)))

    def describe(self) -> dict[str, Any]:
        """The training as plain data: what fingerprints, provenance and ``--dry-run`` show.

        Where it is computed is not part of it.
        """
        described: dict[str, Any] = {"trainer": self.trainer.descriptor.name}
        if self.task is not None:
            described["task"] = {self.task.descriptor.name: dict(self.task_options)}
        described["data"] = {
            role: [
                {**describe_data(request), **({} if weight is None else {"weight": weight})}
                for request, weight in sets
            ]
            for role, sets in self.data.items()
        }
        if self.stacked_on is not None:
            described["on"] = tree_data(self.stacked_on)
        if self.stacked_each:
            described["on"] = [tree_data(tree) for tree in self.stacked_each]
        if self.adapter is not None:
            described["adapter"] = dict(self.adapter.fields)
        described["parameters"] = {**self.parameters, "seed": self.seed, "dtype": self.dtype}
        described["base_model"] = self.base.name
        return described


def describe_data(request: DataRequest) -> dict[str, Any]:
    """A data set as plain data, without what was left to its default."""
    described: dict[str, Any] = {"name": request.name, "path": request.path}
    for key in ("subset", "revision", "format"):
        if (value := getattr(request, key)) is not None:
            described[key] = value
    for key in ("files", "columns", "limit"):
        if value := getattr(request, key):
            described[key] = dict(value)
    if request.labels:
        described["labels"] = list(request.labels)
    return described


def plan_training(
    request: TrainRequest, context: PlanContext, where: Callable[[Place], str]
) -> tuple[TrainStepPlan | None, Problems]:
    """Plan one training.

    Args:
        request: What is asked for.
        context: What is known of adapters, plugins and the base model.
        where: Place of a path below the step, for messages.

    Returns:
        The plan, None where problems were found or there is no base model; and the problems.
    """
    problems = Problems(where)
    try:
        trainer = context.registry.trainer(request.trainer)
    except XLMergeError as error:
        problems.refuse_error(("train",), error)
        return None, problems
    declared = trainer.descriptor
    task, task_options = _task(request, declared, context.registry, problems)
    check_length(task_options, context.located, ("task",), problems)
    data, if_present = plan_roles(request.data, declared, problems)
    values = _values(request, declared, context, problems)
    config = plan_config(request.adapter, declared, context.registry, problems)
    rules = _stack(request, declared, context, problems)
    _check_each(request, declared, data, problems)
    if problems or context.located is None:
        return None, problems
    own = {spec.name for spec in declared.parameters}
    plan = TrainStepPlan(
        name=request.name,
        trainer=trainer,
        parameters={name: value for name, value in values.items() if name in own},
        task=task,
        task_options=task_options,
        data=data,
        if_present=if_present,
        stacked_on=request.stacked_on,
        stacked_each=request.stacked_each,
        rules=rules,
        adapter=config,
        seed=values["seed"],
        device=values["device"],
        dtype=values["dtype"],
        base=context.located,
    )
    return plan, problems


def _values(
    request: TrainRequest, trainer: Trainer, context: PlanContext, problems: Problems
) -> dict[str, Any]:
    """What stands under ``with``: each by itself, then whether they go together."""
    before = len(problems.found)
    values = checked_values(
        request.values, (*trainer.parameters, *LIVE_OPTIONS), trainer.name, ("with",), problems
    )
    if len(problems.found) == before:
        base = context.located
        try:
            trainer.check(values, {} if base is None else base.config)
        except XLMergeError as error:
            problems.refuse_error(("with",), error)
    return values


def _task(
    request: TrainRequest, trainer: Trainer, registry: Registry, problems: Problems
) -> tuple[Registered[Task] | None, dict[str, Any]]:
    """The task that is trained on, and its options."""
    name = request.task
    if trainer.task == "any":
        if name is None:
            problems.refuse(
                (),
                f"{trainer.name} needs a task",
                f"write `task: NAME`; tasks are {', '.join(registry.tasks) or 'none'}",
            )
            return None, {}
    elif name not in {None, trainer.task}:
        problems.refuse(
            ("task",),
            f"{trainer.name} trains on the task `{trainer.task}`; found `{name}`",
            f"leave it out, or write `task: {trainer.task}`",
        )
        return None, {}
    else:
        name = trainer.task
    try:
        task = registry.task(name)
    except XLMergeError as error:
        problems.refuse_error(("task",), error)
        return None, {}
    options = checked_values(
        request.task_options, task.descriptor.parameters, name, ("task", name), problems
    )
    return task, options


def _stack(
    request: TrainRequest, trainer: Trainer, context: PlanContext, problems: Problems
) -> dict[str, Registered[CompositionRule]]:
    """Check what lies beneath."""
    rules: dict[str, Registered[CompositionRule]] = {}
    trees: list[tuple[Place, Tree]] = [
        (("on", at), tree) for at, tree in enumerate(request.stacked_each)
    ]
    if request.stacked_on is not None:
        trees.append((("on",), request.stacked_on))
    if trees and not trainer.stacked:
        problems.refuse(("on",), f"{trainer.name} trains on the base model alone, without `on`")
        return {}
    for place, tree in trees:
        rules |= check_tree(tree, place, context, problems, training=True)
        check_libraries(tree, place, context.drafts, rules, problems)
        check_fits(leaves(tree), place, context, problems)
        for name in leaves(tree):
            draft = context.drafts.get(name)
            library = draft.layout.folder.header.format if draft is not None else "adapters"
            if library != "adapters":
                problems.refuse(
                    place,
                    f"new adapters are trained with the adapters library; {name} is of {library}",
                    "train on top of an adapter that the adapters library saved",
                )
    return rules


def _check_each(
    request: TrainRequest,
    trainer: Trainer,
    data: Mapping[str, tuple[tuple[DataRequest, float | None], ...]],
    problems: Problems,
) -> None:
    """Compositions of their own: one for each data set, and for each to validate on."""
    count, role = len(request.stacked_each), trainer.stacked_each
    if not count:
        return
    if role is None:
        problems.refuse(
            ("on",), f"{trainer.name} trains on one composition; found a list of {count}"
        )
        return
    for name in (role, "validation"):
        found = len(data.get(name, ()))
        if found and found != count:
            problems.refuse(
                ("on",),
                f"`on` lists {count} compositions, and there are {found} data sets for `{name}`",
                "give one composition for each data set, in their order",
            )
