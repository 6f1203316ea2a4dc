"""Whether adapters can be merged with each other, judged by what they mean and not by shapes alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from xlmerge.checkpoint.base_models import same_base_model
from xlmerge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.checkpoint.cover import AdapterLayout

__all__ = ["BaseModel", "Verdict", "compare_layouts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """What the user says of the base model.

    Attributes:
        name: Its name; what the folders record has to agree. None: the folders have to agree with each other.
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
        layouts: Adapters by name, in the order of the recipe.
        base: The base model as the user gives it.
        any_dtype: Whether adapters may be stored in different precisions (since the output's is given).
    """
    verdict = Verdict()
    _compare_base_models(layouts, base, verdict)
    (first_name, first), *others = layouts.items()
    for name, other in others:
        before = len(verdict.problems)
        _compare_kind(first_name, first, name, other, verdict)
        if len(verdict.problems) == before:
            _compare_parameters(first_name, first, name, other, verdict, any_dtype=any_dtype)
    return verdict


def _compare_base_models(layouts: Mapping[str, AdapterLayout], base: BaseModel, verdict: Verdict) -> None:
    recorded = {name: layout.folder.header.base_model for name, layout in layouts.items()}
    for name, model in recorded.items():
        if model is None:
            verdict.warnings.append(f"{name}: the folder does not say which base model it was trained on")
        elif base.name is not None and not same_base_model(model, base.name, (base.name, *base.aliases)):
            verdict.refuse(
                f"{name} was trained on {model!r}; the recipe's base model is {base.name!r}",
                f"if both names mean one model, write `base_model_aliases: [{model}]`",
            )
    if base.name is not None:
        return
    known = [(name, model) for name, model in recorded.items() if model is not None]
    for (a, model_a), (b, model_b) in combinations(known, 2):
        if not same_base_model(model_a, model_b, base.aliases):
            verdict.refuse(
                f"{a} was trained on {model_a!r}, {b} on {model_b!r}",
                f"adapters of different models have nothing in common; if both names mean one model, write "
                f"`base_model: {model_a}` and `base_model_aliases: [{model_b}]`",
            )
            return
    revisions = {name: layout.folder.header.base_revision for name, layout in layouts.items()}
    if len({revision for revision in revisions.values() if revision is not None}) > 1:
        verdict.refuse(
            "the adapters were trained on different revisions of the base model: "
            + ", ".join(f"{name} on {revision}" for name, revision in revisions.items() if revision),
            "say `base_model:` in the recipe if they are the same in what matters",
        )


def _compare_kind(first_name: str, first: AdapterLayout, name: str, other: AdapterLayout, verdict: Verdict) -> None:
    a, b = first.folder.header, other.folder.header
    if a.format != b.format:
        verdict.refuse(
            f"{first_name} is a folder of {a.format}, {name} of {b.format}",
            "merge adapters of one library; load one and save it with the other first",
        )
        return
    kinds = [
        {c.architecture.name for c in layout.covered if any(p.part != "head" for x in c.claim.bundles for p in x.parameters)}
        for layout in (first, other)
    ]
    if kinds[0] != kinds[1]:
        verdict.refuse(
            f"{first_name} is {' + '.join(sorted(kinds[0]))}, {name} is {' + '.join(sorted(kinds[1]))}",
            _missing_invertible(kinds, first_name, name),
        )
        return
    for what, left, right in (
        ("model type", a.model_type, b.model_type),
        ("hidden size", a.hidden_size, b.hidden_size),
    ):
        if left is not None and right is not None and left != right:
            verdict.refuse(f"different {what}: {first_name} {left}, {name} {right}")
    for setting in sorted({*first.meaning, *other.meaning}):
        left, right = first.meaning.get(setting), other.meaning.get(setting)
        if left != right:
            verdict.refuse(f"different {setting}: {first_name} has {left!r}, {name} has {right!r}")


def _missing_invertible(kinds: list[set[str]], first_name: str, name: str) -> str | None:
    if kinds[0] ^ kinds[1] == {"nice"}:
        without = name if "nice" in kinds[0] else first_name
        return f"{without} has lost (or never had) its invertible part; a language adapter needs it"
    return None


def _compare_parameters(  # noqa: PLR0913 - two adapters with their names
    first_name: str, first: AdapterLayout, name: str, other: AdapterLayout, verdict: Verdict, *, any_dtype: bool
) -> None:
    ours, theirs = first.parameters(), other.parameters()
    for missing, has, lacks in (
        (sorted(set(ours) - set(theirs)), first_name, name),
        (sorted(set(theirs) - set(ours)), name, first_name),
    ):
        if missing:
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            verdict.refuse(f"{has} has parameters that {lacks} has not: {shown}")
    for parameter in sorted(set(ours) & set(theirs)):
        if ours[parameter].shape != theirs[parameter].shape:
            verdict.refuse(
                f"{parameter}: {first_name} has shape {ours[parameter].shape}, {name} has {theirs[parameter].shape}"
            )
    if any_dtype:
        return
    left_dtypes, right_dtypes = _dtypes(first), _dtypes(other)
    differing = [key for key in sorted(set(left_dtypes) & set(right_dtypes)) if left_dtypes[key] != right_dtypes[key]]
    if differing:
        key = differing[0]
        verdict.refuse(
            f"{key}: {first_name} is stored as {left_dtypes[key]}, {name} as {right_dtypes[key]}"
            + (f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""),
            "say which precision the result shall have, as `dtype: float32`",
        )


def _dtypes(layout: AdapterLayout) -> dict[str, str]:
    return {
        parameter.name: layout.folder.header.tensors[key].dtype
        for _, bundle in layout.bundles()
        for key in list(bundle.keys.values())[:1]
        for parameter in bundle.parameters
    }
