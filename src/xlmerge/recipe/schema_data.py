"""Datasets and prediction heads, as a recipe defines them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field  # noqa: TID253

from xlmerge.recipe.schema_types import Column, Count, DataFormat, Setting, Text

__all__ = ["Dataset", "Head"]


class Dataset(BaseModel):
    """A dataset: where it lies, and how it is read."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "path": "data/nusax/<language>",
                    "files": {"train": "train.csv", "test": "test.csv"},
                    "labels": ["negative", "neutral", "positive"],
                }
            ]
        },
    )

    path: Text = Field(
        description="A folder, a file, or an id on the hub. Folders are relative to the recipe's.",
        examples=["data/nusax/<language>", "indonlp/NusaX-senti"],
    )
    subset: Text | None = Field(
        default=None,
        description="The configuration of a dataset on the hub.",
        examples=["<language>"],
    )
    revision: Text | None = Field(
        default=None,
        description="The commit, branch or tag of a dataset on the hub.",
        examples=["main"],
    )
    format: DataFormat | None = Field(
        default=None, description="How the files are read; default: as their names say."
    )
    files: dict[Text, Text] = Field(
        default_factory=dict,
        description="A mapping from split to file below `path`; `*` is allowed.",
        examples=[{"train": "train.csv", "test": "test.csv"}],
    )
    columns: dict[Text, Column] = Field(
        default_factory=dict,
        description="A mapping from the column that a task asks for to the column in the data: its "
        "name, or its number from 0 where the files have no header.",
        examples=[{"text": "sentence", "label": "class"}],
    )
    labels: tuple[Text, ...] = Field(
        default=(),
        description="The names of the classes in order; default: as the data has them.",
        examples=[["negative", "neutral", "positive"]],
    )
    limit: dict[Text, Count] = Field(
        default_factory=dict,
        description="A mapping from split to the number of rows that are taken, from the first on.",
        examples=[{"train": 500}],
    )


class Head(BaseModel):
    """A prediction head that lies apart from its adapter."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",  # options of the task, which the recipe does not know
        json_schema_extra={
            "examples": [
                {
                    "path": "adapters/sentiment/linear_head.safetensors",
                    "task": "sequence_classification",
                    "pooling": "mean",
                    "labels": ["negative", "neutral", "positive"],
                }
            ]
        },
    )
    __pydantic_extra__: dict[str, Setting] = Field(init=False)

    path: Text = Field(
        description="The head's file, or its folder. Folders are relative to the recipe's.",
        examples=["adapters/sentiment/linear_head.safetensors"],
    )
    task: Text = Field(
        description="The task it is for. All further keys are options of it.",
        examples=["sequence_classification"],
    )
    labels: tuple[Text, ...] = Field(
        default=(),
        description="The names of its classes in order.",
        examples=[["negative", "neutral", "positive"]],
    )
