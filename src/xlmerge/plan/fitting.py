"""Whether an adapter fits the base model that a step runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.compatibility import compare_layouts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xlmerge.plan.context import PlanContext
    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import Draft, Place

__all__ = ["check_fits"]


def check_fits(
    names: Iterable[str], place: Place, context: PlanContext, problems: Problems
) -> None:
    """Compare adapters with the base model, one by one: its name, kind, width and depth.

    Args:
        names: Adapters; those whose headers are not known yet are passed over.
        place: Where they stand, below the step.
        context: What is known of adapters and the base model.
        problems: Where problems go.
    """
    config = context.located.config if context.located is not None else {}
    for name in names:
        draft = context.drafts.get(name)
        if draft is None:
            continue
        verdict = compare_layouts({name: draft.layout}, context.base, any_dtype=True)
        for problem in verdict.problems:
            problems.refuse(place, problem.message, problem.hint)
        problems.warnings += [w for w in verdict.warnings if w not in problems.warnings]
        for what, adapter, model in _facts(draft, config):
            if adapter is not None and model is not None and adapter != model:
                problems.refuse(
                    place,
                    f"{name} is for a model of {what} {adapter}; the base model has {model}",
                )
        _check_depth(name, draft, config, place, problems)


def _facts(draft: Draft, config: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    header = draft.layout.folder.header
    return [
        ("type", header.model_type, config.get("model_type")),
        ("hidden size", header.hidden_size, config.get("hidden_size")),
    ]


def _check_depth(
    name: str, draft: Draft, config: Mapping[str, Any], place: Place, problems: Problems
) -> None:
    """Layers that the base model does not have would be dropped on loading."""
    depth = config.get("num_hidden_layers")
    layers = [p.layer for p in draft.layout.parameters().values() if p.layer is not None]
    if type(depth) is int and layers and max(layers) >= depth:
        problems.refuse(
            place,
            f"{name} has parameters in layer {max(layers)}, counted from 0; the base model has "
            f"{depth} layers",
        )
