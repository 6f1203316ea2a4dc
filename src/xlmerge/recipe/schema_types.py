"""Types of the values in a recipe, as pydantic checks them and as editors see them.

Unions are told apart by the shape of the value before anything is checked, so that a wrong value
gets one sentence and not one for each kind of value it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, TypeAlias

# Modules named schema* are made of pydantic; whoever needs them imports them late.
from pydantic import (  # noqa: TID253
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from xlmerge.recipe.values import (
    CONTAINERS,
    DATA_FORMATS,
    DTYPES,
    HEADS,
    NAME,
    PLACEHOLDER,
    check_choice,
    check_column,
    check_count,
    check_heads,
    check_label,
    check_name,
    check_number,
    check_scalar,
    check_text,
)
from xlmerge.recipe.variable_values import check_variable_value

__all__ = [
    "NAMES_ONLY",
    "TAGS",
    "Container",
    "Count",
    "DataFormat",
    "DatasetNames",
    "Dtype",
    "ForEach",
    "Heads",
    "Inputs",
    "Label",
    "Name",
    "Number",
    "Scalar",
    "Setting",
    "Task",
    "Text",
    "TreeData",
    "TreeOrTrees",
    "Value",
    "Weight",
    "for_each_field",
    "is_mapping",
    "name_or_mapping_of",
]

TAGS = ("<one>", "<list>", "<patterns>", "<merge>", "<train>", "<evaluate>")
"""The branches of the unions; pydantic puts them into the paths of its errors."""

NAMES_ONLY: dict[str, Any] = {"additionalProperties": False}
"""Names are the only keys; pydantic's JSON schema alone would let others pass unchecked."""


def _shape(value: object) -> str:
    if isinstance(value, Mapping):
        return "<patterns>"
    return "<list>" if isinstance(value, list | tuple) else "<one>"


def is_mapping(value: object) -> str:
    """The branch of a union of a mapping, or the model made of it, and something else."""
    return "<patterns>" if isinstance(value, Mapping | BaseModel) else "<one>"


def name_or_mapping_of(what: str) -> Discriminator:
    """Tells a name from a mapping; a list is neither, and an error of this type."""
    return Discriminator(
        lambda value: None if isinstance(value, list | tuple) else is_mapping(value),
        custom_error_type=what,
        custom_error_message=what,  # the words are in `xlmerge.recipe.schema_problems`
    )


def _is_list(value: object) -> str:
    return "<list>" if isinstance(value, list | tuple) else "<one>"


def _choice(choices: tuple[str, ...]) -> tuple[BeforeValidator, WithJsonSchema]:
    """One of some words, or a placeholder that becomes one."""
    schema = {"anyOf": [{"enum": list(choices)}, _PLACEHOLDER_ONLY]}
    return BeforeValidator(partial(check_choice, choices=choices)), WithJsonSchema(schema)


def _unchanging(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unchanging(inner) for key, inner in value.items()}
    return tuple(map(_unchanging, value)) if isinstance(value, list | tuple) else value


_PLACEHOLDER_ONLY = {"type": "string", "pattern": f"^{PLACEHOLDER}$"}
_BY_SHAPE = Discriminator(
    _shape,
    custom_error_type="inputs",
    custom_error_message="names",  # the words are in `xlmerge.recipe.schema_problems`
)

Text: TypeAlias = Annotated[str, BeforeValidator(check_text)]
Column: TypeAlias = Annotated[
    str,
    BeforeValidator(check_column),
    WithJsonSchema({"type": ["string", "integer"], "minimum": 0}),
]
Name: TypeAlias = Annotated[
    str,
    BeforeValidator(check_name),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"}),
]
Label: TypeAlias = Annotated[str, BeforeValidator(check_label)]
Number: TypeAlias = Annotated[
    int | float | str,
    BeforeValidator(check_number),
    WithJsonSchema({"anyOf": [{"type": "number"}, _PLACEHOLDER_ONLY]}),
]
Count: TypeAlias = Annotated[
    int, BeforeValidator(check_count), WithJsonSchema({"type": "integer", "minimum": 1})
]
Scalar: TypeAlias = Annotated[
    int | float | bool | str | None,
    BeforeValidator(check_scalar),
    WithJsonSchema({"type": ["number", "boolean", "string", "null"]}),
]
Weight: TypeAlias = Annotated[
    Annotated[Number, Tag("<one>")] | Annotated[dict[str, Number], Tag("<patterns>")],
    Discriminator(is_mapping),
]
Setting: TypeAlias = Annotated[
    Annotated[Scalar, Tag("<one>")] | Annotated[tuple[Scalar, ...], Tag("<list>")],
    Discriminator(_is_list),
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
DatasetNames: TypeAlias = Annotated[
    Annotated[Text, Tag("<one>")]
    | Annotated[tuple[Text, ...], Tag("<list>"), Field(min_length=1)]
    | Annotated[dict[str, Number], Tag("<patterns>"), Field(min_length=1)],
    Discriminator(_shape),
]
Task: TypeAlias = Annotated[
    Annotated[Text, Tag("<one>")]
    | Annotated[
        dict[Text, dict[str, Setting]], Tag("<patterns>"), Field(min_length=1, max_length=1)
    ],
    name_or_mapping_of("task"),
]
Heads: TypeAlias = Annotated[
    str,
    BeforeValidator(check_heads),
    WithJsonSchema({"type": "string", "pattern": f"^({HEADS})$"}),
]
Dtype: TypeAlias = Annotated[str, *_choice(DTYPES)]
Container: TypeAlias = Annotated[str, *_choice(CONTAINERS)]
DataFormat: TypeAlias = Annotated[
    str,
    BeforeValidator(partial(check_choice, choices=DATA_FORMATS, varying=False)),
    WithJsonSchema({"enum": list(DATA_FORMATS)}),
]
_ONE_TREE: list[dict[str, Any]] = [
    {"type": "string"},
    {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 3,
        "properties": {"weights": {"type": "array"}, "with": {"type": "object"}},
        "additionalProperties": {"type": ["string", "array", "object"]},
    },
]
TreeData: TypeAlias = Annotated[
    Any,  # read by `xlmerge.plugin.trees.parse_tree`
    AfterValidator(_unchanging),
    WithJsonSchema({"anyOf": _ONE_TREE}),
]
TreeOrTrees: TypeAlias = Annotated[
    Any,
    AfterValidator(_unchanging),
    WithJsonSchema(
        {"anyOf": [*_ONE_TREE, {"type": "array", "minItems": 2, "items": {"anyOf": _ONE_TREE}}]}
    ),
]
ForEach: TypeAlias = Annotated[
    dict[
        Name,
        Annotated[
            tuple[
                Annotated[
                    str | int | float,
                    BeforeValidator(check_variable_value),
                    WithJsonSchema(
                        {"anyOf": [{"type": "string", "pattern": f"^{NAME}$"}, {"type": "number"}]}
                    ),
                ],
                ...,
            ],
            Field(min_length=1),
        ],
    ],
    Field(min_length=1, json_schema_extra=NAMES_ONLY),
]


def for_each_field() -> Any:
    """The field of steps of which each combination of values makes one."""
    return Field(
        default=None,
        description="Variables and their values: the step is done for each combination. "
        "`<variable>` in a text stands for the value, and the bare name of something that has the "
        "same variable means the one with the same value.",
        examples=[{"language": ["jav", "sun"], "seed": [0, 1, 2]}],
    )
