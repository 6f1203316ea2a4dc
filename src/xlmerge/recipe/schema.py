"""What a recipe is: the models behind the YAML, frozen, strict, and described for editors.

Single values are checked in `xlmerge.recipe.values`, names in `xlmerge.recipe.references`. The
unions below are told apart by the shape of the value before anything is checked, so that a wrong
value gets one sentence and not one for each kind of value it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

# The one module that is made of pydantic; whoever needs it imports it late.
from pydantic import (  # noqa: TID253
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from xlmerge.recipe.findings import ReferencesRefusedError
from xlmerge.recipe.graph import in_order
from xlmerge.recipe.references import reference_findings
from xlmerge.recipe.values import (
    HEADS,
    NAME,
    VERSION,
    check_heads,
    check_name,
    check_number,
    check_scalar,
    check_text,
    check_version,
    heads_source,
)

__all__ = ["TAGS", "MergeStep", "Number", "Recipe", "Scalar", "Value", "Weight"]

TAGS = ("<one>", "<list>", "<patterns>")
"""The branches of the unions; pydantic puts them into the paths of its errors."""


def _shape(value: object) -> str:
    if isinstance(value, Mapping):
        return "<patterns>"
    return "<list>" if isinstance(value, list | tuple) else "<one>"


def _one_or_patterns(value: object) -> str:
    return "<patterns>" if isinstance(value, Mapping) else "<one>"


_BY_SHAPE = Discriminator(
    _shape,
    custom_error_type="inputs",
    custom_error_message="names",  # the words are in `xlmerge.recipe.schema_problems`
)

Text: TypeAlias = Annotated[str, BeforeValidator(check_text)]
Name: TypeAlias = Annotated[
    str,
    BeforeValidator(check_name),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"}),
]
Number: TypeAlias = Annotated[
    int | float, BeforeValidator(check_number), WithJsonSchema({"type": "number"})
]
Scalar: TypeAlias = Annotated[
    int | float | bool | str | None,
    BeforeValidator(check_scalar),
    WithJsonSchema({"type": ["number", "boolean", "string", "null"]}),
]
Weight: TypeAlias = Annotated[
    Annotated[Number, Tag("<one>")] | Annotated[dict[str, Number], Tag("<patterns>")],
    Discriminator(_one_or_patterns),
]
Value: TypeAlias = Annotated[
    Annotated[Scalar, Tag("<one>")]
    | Annotated[tuple[Scalar, ...], Tag("<list>")]
    | Annotated[dict[str, Scalar], Tag("<patterns>")],
    Discriminator(_shape),
]
Inputs: TypeAlias = Annotated[
    Annotated[tuple[Text, ...], Tag("<list>"), Field(min_length=1)]
    | Annotated[dict[str, Weight], Tag("<patterns>"), Field(min_length=1)],
    _BY_SHAPE,
]

_STEP_EXAMPLE: dict[str, Any] = {
    "merge": "language_arithmetic",
    "adapters": {"english": 0.4, "indonesian": 0.6},
}
_RECIPE_EXAMPLE: dict[str, Any] = {
    "version": VERSION,
    "base_model": "FacebookAI/xlm-roberta-base",
    "adapters": {
        "english": "AdapterHub/xlm-roberta-base-en-wiki_pfeiffer",
        "indonesian": "AdapterHub/xlm-roberta-base-id-wiki_pfeiffer",
    },
    "steps": {"bridge": _STEP_EXAMPLE},
}
# Names are the only keys; pydantic's JSON schema alone would let others pass unchecked.
_NAMES_ONLY: dict[str, Any] = {"additionalProperties": False}


class MergeStep(BaseModel):
    """A step that merges adapters into a new one."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                _STEP_EXAMPLE,
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
    heads: (
        Annotated[
            str,
            BeforeValidator(check_heads),
            WithJsonSchema({"type": "string", "pattern": f"^({HEADS})$"}),
        ]
        | None
    ) = Field(
        default=None,
        description="What becomes of prediction heads where several inputs have one: `drop` them, "
        "take their `mean`, or keep the one `from NAME`. A single head is carried along unchanged.",
        examples=["drop", "mean", "from sentiment"],
    )
    dtype: Literal["float32", "float16", "bfloat16", "float64"] | None = Field(
        default=None,
        description="Number type of the result; default: that of the inputs.",
    )
    format: Literal["safetensors", "bin"] | None = Field(
        default=None,
        description="Container of the result's tensors; default: that of the inputs.",
    )

    @property
    def heads_from(self) -> str | None:
        """The NAME in ``heads: from NAME``, or None."""
        return heads_source(self.heads)

    def inputs(self) -> tuple[str, ...]:
        """The adapters and steps that must be there first, each once, in the order of mention."""
        names = [*(self.adapters or ()), *(self.roles or {}).values()]
        if self.heads_from is not None:
            names.append(self.heads_from)
        return tuple(dict.fromkeys(names))


class Recipe(BaseModel):
    """A recipe of xlmerge: adapters that exist, and the steps that make new ones from them."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [_RECIPE_EXAMPLE]},
    )

    version: Annotated[Literal[1], BeforeValidator(check_version)] = Field(
        description="Version of the recipe language; this xlmerge reads version 1.",
    )
    base_model: Text | None = Field(
        default=None,
        description="The model that the adapters were trained on: a hub id, optionally @revision, "
        "or a folder. Only needed where the adapters do not say.",
        examples=["FacebookAI/xlm-roberta-base"],
    )
    base_model_aliases: tuple[Text, ...] = Field(
        default=(),
        description="Other names that mean the same model as `base_model`.",
        examples=[["xlm-roberta-base", "./models/xlmr"]],
    )
    adapters: dict[Name, Text] = Field(
        default_factory=dict,
        description="The adapters that exist, a mapping from name to a folder or a hub id, "
        "optionally @revision. Folders are relative to the recipe's own.",
        examples=[{"english": "AdapterHub/xlm-roberta-base-en-wiki_pfeiffer"}],
        json_schema_extra=_NAMES_ONLY,
    )
    steps: dict[Name, MergeStep] = Field(
        min_length=1,
        description="What is made, a mapping from name to step. Steps may use each other's "
        "results, in any order.",
        json_schema_extra=_NAMES_ONLY,
    )

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        findings = reference_findings(self.model_dump(by_alias=True))
        if findings:
            raise ReferencesRefusedError(findings)
        return self

    def order(self) -> tuple[str, ...]:
        """The steps so that each comes after those it uses; otherwise as in the file."""
        return in_order({name: step.inputs() for name, step in self.steps.items()})

    def unused_adapters(self) -> tuple[str, ...]:
        """Adapters that no step uses: no error, but perhaps not meant."""
        used = {name for step in self.steps.values() for name in step.inputs()}
        return tuple(name for name in self.adapters if name not in used)
