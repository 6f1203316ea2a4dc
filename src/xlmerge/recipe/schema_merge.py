"""Steps that merge."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field  # noqa: TID253

from xlmerge.recipe.schema_types import (
    Container,
    Dtype,
    ForEach,
    Heads,
    Inputs,
    Text,
    Value,
    for_each_field,
)
from xlmerge.recipe.values import heads_source

__all__ = ["MergeStep"]


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

    for_each: ForEach | None = for_each_field()

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
