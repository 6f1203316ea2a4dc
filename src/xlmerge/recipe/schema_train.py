"""Steps that train."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Tag  # noqa: TID253

from xlmerge.recipe.schema_types import (
    DatasetNames,
    ForEach,
    Setting,
    Task,
    Text,
    TreeOrTrees,
    Value,
    for_each_field,
    name_or_mapping_of,
)

__all__ = ["AdapterChoice", "TrainStep"]


class AdapterChoice(BaseModel):
    """The adapter that a training step makes: a configuration with some of its fields changed."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        json_schema_extra={"examples": [{"config": "seq_bn_inv", "reduction_factor": 2}]},
    )
    __pydantic_extra__: dict[str, Value] = Field(init=False)

    config: Text = Field(
        description="Name of a configuration. All other keys are fields of it.",
        examples=["seq_bn", "seq_bn_inv"],
    )


class TrainStep(BaseModel):
    """A step that trains an adapter."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "for_each": {"seed": [0, 1, 2]},
                    "train": "task_adapter",
                    "task": "sequence_classification",
                    "on": "indonesian",
                    "data": "nusax",
                    "with": {"epochs": 10, "seed": "<seed>"},
                }
            ]
        },
    )

    train: Text = Field(
        description="The trainer by name.",
        examples=["language_adapter", "task_adapter"],
    )
    task: Task | None = Field(
        default=None,
        description="The task by name, or a mapping from its name to its options.",
        examples=["sequence_classification", {"sequence_classification": {"pooling": "mean"}}],
    )
    on: TreeOrTrees = Field(
        default=None,
        description="What lies frozen beneath the new adapter: the name of an adapter or step, or "
        "a composition of them; or a list, one for each dataset that is trained on.",
        examples=["indonesian", {"stack": ["english", "indonesian"]}, ["english", "indonesian"]],
    )
    data: Annotated[
        Annotated[Text, Tag("<one>")]
        | Annotated[dict[Text, DatasetNames], Tag("<patterns>"), Field(min_length=1)],
        name_or_mapping_of("data"),
    ] = Field(
        description="A dataset by name, or a mapping from the trainer's roles to datasets. A role "
        "that takes several gets a list of names, or a mapping from name to sampling weight.",
        examples=["nusax", {"train": ["english", "indonesian"], "validation": "indonesian"}],
    )
    adapter: (
        Annotated[
            Annotated[Text, Tag("<one>")] | Annotated[AdapterChoice, Tag("<patterns>")],
            name_or_mapping_of("adapter"),
        ]
        | None
    ) = Field(
        default=None,
        description="The new adapter: the name of a configuration, or a mapping with `config` and "
        "fields of it. Default: the trainer's.",
        examples=["seq_bn_inv", {"config": "seq_bn_inv", "reduction_factor": 2}],
    )
    with_: dict[str, Setting] = Field(
        default_factory=dict,
        alias="with",
        description="The trainer's own parameters, and `seed`.",
        examples=[{"epochs": 10, "learning_rate": 1e-4, "seed": 0}],
    )
    for_each: ForEach | None = for_each_field()
