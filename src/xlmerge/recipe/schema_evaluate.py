"""Steps that score."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field  # noqa: TID253

from xlmerge.recipe.schema_types import ForEach, Label, Setting, Task, Text, TreeData

__all__ = ["EvaluateStep"]


class EvaluateStep(BaseModel):
    """A step that scores compositions of adapters: one table."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "evaluate": "sequence_classification",
                    "for_each": {"language": ["jav", "sun"], "seed": [0, 1, 2]},
                    "data": "nusax",
                    "rows": {
                        "task adapter only": "sentiment",
                        "own language adapter": {"stack": ["language", "sentiment"]},
                    },
                    "baseline": "task adapter only",
                }
            ]
        },
    )

    evaluate: Task = Field(
        description="The task by name, or a mapping from its name to its options.",
        examples=["sequence_classification", {"sequence_classification": {"max_length": 96}}],
    )
    data: Text = Field(
        description="The dataset by name.",
        examples=["nusax"],
    )
    split: Text = Field(
        default="test", description="The split of the dataset.", examples=["test", "validation"]
    )
    rows: Annotated[dict[Label, TreeData], Field(min_length=1)] | None = Field(
        default=None,
        description="The rows of the table: a mapping from label to the name of an adapter or "
        "step, or to a composition of them.",
        examples=[{"source language": {"stack": ["indonesian", "sentiment"]}}],
    )
    compose: TreeData = Field(
        default=None,
        description="In place of `rows`, for a table of a single row.",
        examples=[{"stack": ["indonesian", "sentiment"]}],
    )
    head: Text | None = Field(
        default=None,
        description="The head by name: one of `heads`, or an adapter or step that brings "
        "one. Needed where the adapters bring none, or several that are added up or interpolated.",
        examples=["linear"],
    )
    baseline: Text | None = Field(
        default=None,
        description="The label of the row that others are compared with; default: the first.",
        examples=["source language"],
    )
    with_: dict[str, Setting] = Field(
        default_factory=dict,
        alias="with",
        description="Options of the evaluation.",
        examples=[{"batch_size": 32, "max_length": 96}],
    )
    for_each: ForEach | None = Field(
        default=None,
        description="Variables and their values. `seed` is averaged over; the values of the others "
        "are the columns of the table.",
        examples=[{"language": ["jav", "sun"], "seed": [0, 1, 2]}],
    )
