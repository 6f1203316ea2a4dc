"""Whether adapters can be merged with each other, judged by what they mean, not by shapes alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from xlmerge.checkpoint.base_models import same_base_model, same_by_folder_name
from xlmerge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.checkpoint.cover import AdapterLayout

__all__ = ["FLOATS", "BaseModel", "Verdict", "compare_layouts"]

FLOATS = ("float16", "bfloat16", "float32", "float64")
"""Types that an adapter's numbers may be stored as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """What the user says of the base model.

    Attributes:
        name: Its name; what the folders record has to agree. None: the folders have to agree with
            each other.
        aliases: Further names that mean the same model.
    """

    name: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(slots=True)
class Verdict:
    """What was found."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, message: str, hint: str | None = None) -> None:
        """Add a reason against merging."""
        self.problems.append(Problem(message=message, hint=hint))


def compare_layouts(
    layouts: Mapping[str, AdapterLayout], base: BaseModel, *, any_dtype: bool = False
) -> Verdict:
    """Compare adapters with the first of them.

    Args:
        layouts: Adapters by name, in the order of the recipe; at least one.
        base: The base model as the user gives it.
        any_dtype: Whether adapters may be stored in different precisions (since the output's is
            given).
    """
    verdict = Verdict()
    _compare_base_models(layouts, base, verdict)
    for name, layout in layouts.items():
        _check_dtypes(name, layout, verdict)
    (first_name, first), *others = layouts.items()
    for name, other in others:
        before = len(verdict.problems)
        _compare_kind(first_name, first, name, other, verdict)
        if len(verdict.problems) > before:
            continue
        _compare_parameters(first_name, first, name, other, verdict)
        if len(verdict.problems) == before and not any_dtype:
            _compare_dtypes(first_name, first, name, other, verdict)
    return verdict


# --- base models ------------------------------------------------------------------------------


def _compare_base_models(
    layouts: Mapping[str, AdapterLayout], base: BaseModel, verdict: Verdict
) -> None:
    """Compare with what the user says, or with each other."""
    recorded = {name: layout.folder.header.base_model for name, layout in layouts.items()}
    known = [(name, model) for name, model in recorded.items() if model is not None]
    if base.name is not None:
        for name, model in known:
            if not same_base_model(model, base.name, (base.name, *base.aliases)):
                verdict.refuse(
                    f"{name} was trained on {model!r}; the recipe's base model is {base.name!r}",
                    f"if both names mean one model, write `base_model_aliases: [{model}]`",
                )
        return
    verdict.warnings += [
        f"{name}: the folder does not say which base model it was trained on"
        for name, model in recorded.items()
        if model is None
    ]
    for (a, model_a), (b, model_b) in combinations(known, 2):
        if not same_base_model(model_a, model_b, base.aliases):
            verdict.refuse(
                f"{a} was trained on {model_a!r}, {b} on {model_b!r}",
                "adapters of different models have nothing in common; if both names mean one "
                f"model, write `base_model: {model_a}` and `base_model_aliases: [{model_b}]`",
            )
            return
        if same_by_folder_name(model_a, model_b):
            verdict.warnings.append(
                f"{a} was trained on {model_a!r}, {b} on {model_b!r}: taken for one model by the "
                "last part of the name; `base_model:` in the recipe says it for sure"
            )
    revisions = {
        name: revision
        for name, layout in layouts.items()
        if (revision := layout.folder.header.base_revision) is not None
    }
    if len(set(revisions.values())) > 1:
        verdict.refuse(
            "the adapters were trained on different revisions of the base model: "
            + ", ".join(f"{name} on {revision}" for name, revision in revisions.items()),
            "say `base_model:` in the recipe if they are the same in what matters",
        )


# --- kind and settings ------------------------------------------------------------------------


def _compare_kind(
    first_name: str, first: AdapterLayout, name: str, other: AdapterLayout, verdict: Verdict
) -> None:
    """Compare library, architectures, model and settings."""
    a, b = first.folder.header, other.folder.header
    if a.format != b.format:
        verdict.refuse(
            f"{first_name} is a folder of {a.format}, {name} of {b.format}",
            "merge adapters of one library; load one and save it with the other first",
        )
        return
    kinds, theirs = (
        {covered.architecture.name for covered in layout.covered_adapter}
        for layout in (first, other)
    )
    if kinds != theirs:
        verdict.refuse(
            f"{first_name} is {' + '.join(sorted(kinds))}, {name} is {' + '.join(sorted(theirs))}",
            _lost_part(first, first_name, kinds, other, name, theirs),
        )
        return
    for what, left, right in (
        ("model type", a.model_type, b.model_type),
        ("hidden size", a.hidden_size, b.hidden_size),
    ):
        if left is not None and right is not None and left != right:
            verdict.refuse(f"different {what}: {first_name} {left}, {name} {right}")
    mine, others = _meaning(first), _meaning(other)
    for setting in sorted({*mine, *others}):
        if mine.get(setting) != others.get(setting):
            verdict.refuse(
                f"different {setting}: {first_name} has {mine.get(setting)!r}, "
                f"{name} has {others.get(setting)!r}",
                "adapters trained under different settings compute different functions of the "
                "same numbers",
            )


def _meaning(layout: AdapterLayout) -> dict[str, object]:
    """Settings of the adapter's own architectures; heads are compared where they are averaged."""
    owners = {covered.architecture.name for covered in layout.covered_adapter}
    return {key: value for key, value in layout.meaning.items() if key.partition(".")[0] in owners}


def _lost_part(
    first: AdapterLayout,
    first_name: str,
    kinds: set[str],
    other: AdapterLayout,
    name: str,
    theirs: set[str],
) -> str | None:
    """What to say where one adapter has all that the other has, and more."""
    if kinds > theirs:
        more, lacking, extra = first, name, kinds - theirs
    elif theirs > kinds:
        more, lacking, extra = other, first_name, theirs - kinds
    else:
        return None
    parts = sorted(
        {
            parameter.part
            for covered in more.covered_adapter
            if covered.architecture.name in extra
            for bundle in covered.claim.bundles
            for parameter in bundle.parameters
        }
    )
    return f"{lacking} has lost, or never had, its {' and '.join(parts)} part"


# --- tensors ----------------------------------------------------------------------------------


def _compare_parameters(
    first_name: str, first: AdapterLayout, name: str, other: AdapterLayout, verdict: Verdict
) -> None:
    """Compare names and shapes."""
    ours, theirs = first.parameters(), other.parameters()
    for missing, has, lacks in (
        (sorted(set(ours) - set(theirs)), first_name, name),
        (sorted(set(theirs) - set(ours)), name, first_name),
    ):
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            verdict.refuse(
                f"{has} has parameters that {lacks} has not: {', '.join(missing[:3])}{more}"
            )
    differing = [
        parameter
        for parameter in sorted(set(ours) & set(theirs))
        if ours[parameter].shape != theirs[parameter].shape
    ]
    if differing:
        key = differing[0]
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        verdict.refuse(
            f"{key}: {first_name} has shape {ours[key].shape}, {name} has {theirs[key].shape}{more}"
        )


def _check_dtypes(name: str, layout: AdapterLayout, verdict: Verdict) -> None:
    """Refuse what is no floating-point number, which only quantised adapters hold."""
    wrong = {key: dtype for key, dtype in _dtypes(layout).items() if dtype not in FLOATS}
    if wrong:
        key, dtype = next(iter(sorted(wrong.items())))
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        verdict.refuse(
            f"{name}: {key} is stored as {dtype}{more}; expected {', '.join(FLOATS)}",
            "save the adapter unquantised",
        )


def _compare_dtypes(
    first_name: str, first: AdapterLayout, name: str, other: AdapterLayout, verdict: Verdict
) -> None:
    """Compare precisions, one of which the output would have to be given."""
    left, right = _dtypes(first), _dtypes(other)
    differing = [key for key in sorted(set(left) & set(right)) if left[key] != right[key]]
    if differing:
        key = differing[0]
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        verdict.refuse(
            f"{key}: {first_name} is stored as {left[key]}, {name} as {right[key]}{more}",
            "say which precision the result shall have, as `dtype: float32`",
        )


def _dtypes(layout: AdapterLayout) -> dict[str, str]:
    """Precision by canonical key."""
    tensors = layout.folder.header.tensors
    return {
        key: tensors[key].dtype for _, bundle in layout.bundles() for key in bundle.keys.values()
    }
