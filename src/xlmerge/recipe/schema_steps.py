"""Any step, told apart by the key that says what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import Discriminator, Tag  # noqa: TID253

from xlmerge.recipe.reserved import step_kind
from xlmerge.recipe.schema_evaluate import EvaluateStep
from xlmerge.recipe.schema_merge import MergeStep
from xlmerge.recipe.schema_train import TrainStep

__all__ = ["STEP_KINDS", "Step"]

STEP_KINDS: dict[str, type[MergeStep | TrainStep | EvaluateStep]] = {
    "merge": MergeStep,
    "train": TrainStep,
    "evaluate": EvaluateStep,
}
"""The key that says what a step does, and what such a step is."""


def _tag(step: object) -> str | None:
    if isinstance(step, Mapping):
        kind = step_kind(step)
    else:
        kind = next((kind for kind, model in STEP_KINDS.items() if isinstance(step, model)), None)
    return f"<{kind}>" if kind else None


Step: TypeAlias = Annotated[
    Annotated[MergeStep, Tag("<merge>")]
    | Annotated[TrainStep, Tag("<train>")]
    | Annotated[EvaluateStep, Tag("<evaluate>")],
    Discriminator(
        _tag,
        custom_error_type="step",
        custom_error_message="kind",  # the words are in `xlmerge.recipe.schema_problems`
    ),
]
