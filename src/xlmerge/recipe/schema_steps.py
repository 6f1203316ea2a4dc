"""The kinds of steps: merge, train, evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag  # noqa: TID253

from xlmerge.recipe.reserved import step_kind
from xlmerge.recipe.schema_types import (
    Container,
    DatasetNames,
    Dtype,
    ForEach,
    Heads,
    Inputs,
    Label,
    Setting,
    Task,
    Text,
    TreeData,
    Value,
    is_mapping,
)
from xlmerge.recipe.values import heads_source

__all__ = ["STEP_KINDS", "EvaluateStep", "MergeStep", "Step", "TrainStep"]

_FOR_EACH = Field(
    default=None,
    description="Variables and their values: the step is done for each combination. `<variable>` in "
    "a text stands for the value, and the bare name of something that has the same variable means "
    "the one with the same value.",
    examples=[{"language": ["jav", "sun"], "seed": [0, 1, 2]}],
)


class MergeStep(BaseModel):
    """A step that merges adapters into a new one."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "merge": "language_arithmetic",
                    "adapters": {"english": 0.4, "indonesian": 0.6},
                },
                {
                    "merge": "adamergex",
                    "roles": {
                        "task_in_source": "sentiment",
                        "reference_in_source": "emotion",
                        "reference_in_target": "emotion_jv",
                    },
                    "with": {"t": {"layers.0-5": 0.2, "*": 0.5}},
                    "heads": "from sentiment",
                },
            ]
        },
    )

    merge: Text = Field(
        description="The merge method by name; `xlmerge methods` lists those that are installed.",
        examples=["language_arithmetic", "linear"],
    )
    adapters: Inputs | None = Field(
        default=None,
        description="What is merged: a list of names, or a mapping from name to weight. A name is "
        "an adapter's or another step's. A weight is a number, or a mapping from patterns of "
        "parameters to numbers.",
        examples=[["english", "indonesian"], {"english": 0.4, "indonesian": 0.6}],
    )
    roles: Annotated[dict[str, Text], Field(min_length=1)] | None = Field(
        default=None,
        description="For methods whose inputs have different parts to play: a mapping from role to "
        "the name of an adapter or step.",
        examples=[{"task_in_source": "sentiment"}],
    )
    with_: dict[str, Value] = Field(
        default_factory=dict,
        alias="with",
        description="The method's own parameters. Any value may be a mapping from patterns of "
        "parameters to values.",
        examples=[{"t": 0.5}, {"density": {"layers.0-5": 0.2, "*": 0.5}}],
    )
    heads: Heads | None = Field(
        default=None,
        description="What becomes of prediction heads where several inputs have one: `drop` them, "
        "take their `mean`, or keep the one `from NAME`. A single head is carried along unchanged.",
        examples=["drop", "mean", "from sentiment"],
    )
    dtype: Dtype | None = Field(
        default=None,
        description="Number type of the result; default: that of the inputs.",
    )
    format: Container | None = Field(
        default=None,
        description="Container of the result's tensors; default: that of the inputs.",
    )

    for_each: ForEach | None = _FOR_EACH

    @property
    def heads_from(self) -> str | None:
        """The NAME in ``heads: from NAME``, or None."""
        return heads_source(self.heads)

    def inputs(self) -> tuple[str, ...]:
        """The adapters and steps that must be there first as written, each once, in order."""
        names = [*(self.adapters or ()), *(self.roles or {}).values()]
        if self.heads_from is not None:
            names.append(self.heads_from)
        return tuple(dict.fromkeys(names))


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
    on: TreeData = Field(
        default=None,
        description="What lies frozen beneath the new adapter: the name of an adapter or step, or "
        "a composition of them.",
        examples=["indonesian", {"stack": ["english", "indonesian"]}],
    )
    data: Annotated[
        Annotated[Text, Tag("<one>")]
        | Annotated[dict[str, DatasetNames], Tag("<patterns>"), Field(min_length=1)],
        Discriminator(is_mapping),
    ] = Field(
        description="A dataset by name, or a mapping from the trainer's roles to datasets. A role "
        "that takes several gets a list of names, or a mapping from name to sampling weight.",
        examples=["nusax", {"train": ["english", "indonesian"], "validation": "indonesian"}],
    )
    adapter: (
        Annotated[
            Annotated[Text, Tag("<one>")] | Annotated[AdapterChoice, Tag("<patterns>")],
            Discriminator(is_mapping),
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
    for_each: ForEach | None = _FOR_EACH


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
        description="The rows of the table: a mapping from label to the name of an adapter or step, "
        "or to a composition of them.",
        examples=[{"source language": {"stack": ["indonesian", "sentiment"]}}],
    )
    compose: TreeData = Field(
        default=None,
        description="In place of `rows`, for a table of a single row.",
        examples=[{"stack": ["indonesian", "sentiment"]}],
    )
    head: Text | None = Field(
        default=None,
        description="A head by name, where the adapters bring none.",
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
