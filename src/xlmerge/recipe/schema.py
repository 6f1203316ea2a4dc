"""What a recipe is: the models behind the YAML, frozen, strict, and described for editors.

Single values are checked in `xlmerge.recipe.values`, names in `xlmerge.recipe.references`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (  # noqa: TID253
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Tag,
    model_validator,
)

from xlmerge.recipe.expansion import expansion
from xlmerge.recipe.findings import ReferencesRefusedError
from xlmerge.recipe.references import reference_findings
from xlmerge.recipe.schema_data import Dataset, Head
from xlmerge.recipe.schema_evaluate import EvaluateStep
from xlmerge.recipe.schema_merge import MergeStep
from xlmerge.recipe.schema_steps import Step
from xlmerge.recipe.schema_train import TrainStep
from xlmerge.recipe.schema_types import NAMES_ONLY, Name, Text, name_or_mapping_of
from xlmerge.recipe.values import VERSION, check_version

if TYPE_CHECKING:
    from xlmerge.recipe.expanded import Expansion

__all__ = ["Dataset", "EvaluateStep", "Head", "MergeStep", "Recipe", "TrainStep"]

_RECIPE_EXAMPLE: dict[str, Any] = {
    "version": VERSION,
    "base_model": "FacebookAI/xlm-roberta-base",
    "adapters": {
        "english": "AdapterHub/xlm-roberta-base-en-wiki_pfeiffer",
        "indonesian": "AdapterHub/xlm-roberta-base-id-wiki_pfeiffer",
    },
    "steps": {
        "bridge": {
            "merge": "language_arithmetic",
            "adapters": {"english": 0.4, "indonesian": 0.6},
        }
    },
}


class Recipe(BaseModel):
    """A recipe of xlmerge: what exists, and the steps that make and score new adapters."""

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
        "optionally @revision. Folders are relative to the recipe's own. `<variable>` makes a name "
        "stand for many.",
        examples=[
            {"english": "AdapterHub/xlm-roberta-base-en-wiki_pfeiffer"},
            {"language": "adapters/language-<language>"},
        ],
        json_schema_extra=NAMES_ONLY,
    )
    datasets: dict[
        Name,
        Annotated[
            Annotated[Text, Tag("<one>")] | Annotated[Dataset, Tag("<patterns>")],
            name_or_mapping_of("dataset"),
        ],
    ] = Field(
        default_factory=dict,
        description="The data, a mapping from name to a folder, a file or a hub id, or to a "
        "mapping that also says how it is read. `<variable>` makes a name stand for many.",
        examples=[{"wiki": "text/<language>.txt"}],
        json_schema_extra=NAMES_ONLY,
    )
    heads: dict[Name, Head] = Field(
        default_factory=dict,
        description="Prediction heads that lie apart from their adapters, by name. `<variable>` "
        "makes a name stand for many.",
        examples=[{"linear": {"path": "linear_head.safetensors", "task": "token_classification"}}],
        json_schema_extra=NAMES_ONLY,
    )
    steps: dict[Name, Step] = Field(
        min_length=1,
        description="What is done, a mapping from name to step. Steps may use each other's "
        "results, in any order.",
        json_schema_extra=NAMES_ONLY,
    )

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        findings = reference_findings(self.model_dump(by_alias=True), whole=True)
        if findings:
            raise ReferencesRefusedError(findings)
        return self

    def expanded(self) -> Expansion:
        """The recipe without variables: every instance of every step, and what these need."""
        return expansion(self.model_dump(by_alias=True))

    def order(self) -> tuple[str, ...]:
        """The steps' instances so that each comes after those it uses; else as in the file."""
        return tuple(step.name for step in self.expanded().steps)

    def unused_adapters(self) -> tuple[str, ...]:
        """Adapters that no step uses: no error, but perhaps not meant."""
        return self.expanded().unused.get("adapter", ())
