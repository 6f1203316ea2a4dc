"""What becomes of the inputs' prediction heads.

Merge methods never see heads. One head among the inputs is carried unchanged; of several the
recipe names one, takes their mean, or drops them; a method may know better (``heads=`` of its
declaration).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.plan.merge_step import HeadPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.checkpoint.cover import AdapterLayout
    from xlmerge.plan.merge_step import PlannedInput
    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import Draft, StepRequest
    from xlmerge.plugin.method import MergeMethod

__all__ = ["plan_heads"]

# What a head's description may differ in without another meaning: names, and who wrote it when.
_INERT = frozenset({"name", "version", "model_name", "model_class"})


def plan_heads(
    request: StepRequest,
    method: MergeMethod,
    inputs: Sequence[PlannedInput],
    drafts: Mapping[str, Draft],
    problems: Problems,
) -> HeadPolicy | None:
    """Decide what becomes of the inputs' heads; None where that is a problem."""
    asked = request.heads
    names = list(dict.fromkeys(item.name for item in inputs))
    with_head = [name for name in names if drafts[name].head is not None]
    without = HeadPolicy(action="drop" if with_head else "none")
    if asked == "drop":
        return without
    if asked is None:
        return _by_method(request, method, inputs, with_head, problems)
    if method.heads == "drop":
        problems.refuse(
            ("heads",),
            f"{method.name} never carries a head; found `heads: {asked}`",
            "write `heads: drop`",
        )
        return None
    if asked == "mean":
        return _mean(with_head, drafts, problems)
    source = asked.removeprefix("from ").strip()
    if source not in names:
        problems.refuse(
            ("heads",), f"`{source}` is not among the inputs: {', '.join(names) or 'none'}"
        )
        return None
    if source not in with_head:
        problems.refuse(
            ("heads",), f"`{source}` has no head; with a head: {', '.join(with_head) or 'none'}"
        )
        return None
    return HeadPolicy(action="from", sources=(source,))


def _by_method(
    request: StepRequest,
    method: MergeMethod,
    inputs: Sequence[PlannedInput],
    with_head: list[str],
    problems: Problems,
) -> HeadPolicy | None:
    """What the method says of heads, where the recipe says nothing."""
    without = HeadPolicy(action="drop" if with_head else "none")
    if method.heads == "drop":
        return without
    if method.heads.startswith("from "):
        role = method.heads.removeprefix("from ")
        source = next((item.name for item in inputs if item.role == role), None)
        return HeadPolicy(action="from", sources=(source,)) if source in with_head else without
    if len(with_head) > 1:
        problems.refuse(
            (),
            f"{request.name}: {len(with_head)} inputs have a prediction head "
            f"({', '.join(with_head)}), and the recipe does not say which to keep",
            f"add `heads: from {with_head[0]}`, `heads: mean` or `heads: drop`",
        )
        return None
    return HeadPolicy(action="from", sources=tuple(with_head)) if with_head else without


def _mean(
    with_head: list[str], drafts: Mapping[str, Draft], problems: Problems
) -> HeadPolicy | None:
    """Check that heads can be averaged: one form, and every output unit of one meaning."""
    known = [(name, head) for name in with_head if (head := drafts[name].head) is not None]
    if not known:
        problems.refuse(("heads",), "`heads: mean`, but no input has a head")
        return None
    first_name, first = known[0]
    for name, head in known[1:]:
        hint = f"write `heads: from {name}`"
        forms = [
            {key: item.shape for key, item in layout.parameters(head=True).items()}
            for layout in (first, head)
        ]
        if forms[0] != forms[1]:
            problems.refuse(
                ("heads",),
                f"the heads of {first_name} and {name} differ in form: {_difference(*forms)}",
                hint,
            )
            return None
        left, right = (_description(layout) for layout in (first, head))
        differing = sorted(key for key in {*left, *right} if left.get(key) != right.get(key))
        if differing:
            key = differing[0]
            problems.refuse(
                ("heads",),
                f"the heads of {first_name} and {name} differ in `{key}`: "
                f"{left.get(key)!r} and {right.get(key)!r}",
                hint,
            )
            return None
    return HeadPolicy(action="mean", sources=tuple(with_head))


def _difference(left: Mapping[str, tuple[int, ...]], right: Mapping[str, tuple[int, ...]]) -> str:
    """The first tensor that two heads do not share."""
    key = next(key for key in sorted({*left, *right}) if left.get(key) != right.get(key))
    shapes = [str(form[key]) if key in form else "missing" for form in (left, right)]
    return f"{key.removeprefix('head.')} is {shapes[0]} and {shapes[1]}"


def _description(layout: AdapterLayout) -> dict[str, Any]:
    """What decides what the numbers of a head mean: its type, activation, labels."""
    header = layout.folder.header
    if header.format == "peft":
        return {"task_type": header.config.get("task_type")}
    document = header.head_config or {}
    inner = document.get("config")
    described = {**document, **(inner if isinstance(inner, dict) else {})}
    return {key: value for key, value in described.items() if key not in {*_INERT, "config"}}
