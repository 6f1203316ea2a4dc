"""Strict YAML with positions.

The syntax is read by PyYAML; what scalars mean is decided in `xlmerge.recipe.scalars` (YAML 1.2's
core schema). Keys are always texts, as written. Refused are duplicate keys, tags, merge keys,
several documents, numbers that are not finite, cycles of aliases, and aliases that repeat more than
10,000 values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yaml.error import YAMLError

from xlmerge.errors import Problem, RecipeError
from xlmerge.recipe.construct import Builder
from xlmerge.recipe.document import Document
from xlmerge.recipe.nodes import NodeReader
from xlmerge.recipe.text_file import read_recipe_text
from xlmerge.recipe.wording import code
from xlmerge.recipe.yaml_errors import mark_place, syntax_problem

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["Document", "parse_yaml", "read_recipe_text"]

_TAG_PREFIX = "tag:yaml.org,2002:"


def parse_yaml(text: str, filename: str) -> Document:
    """Reads one YAML document.

    Args:
        text: The YAML text; a byte order mark in front is ignored.
        filename: Name of the file, for positions.

    Returns:
        Plain data with the position of every key and value.

    Raises:
        RecipeError: For anything that cannot be read or that recipes do not take; no other
            exception, whatever the text.
    """
    reader, root = _compose(text.removeprefix("\ufeff"), filename)
    builder = Builder(filename)
    try:
        data = builder.build(root)
    except RecipeError as error:
        raise RecipeError(_in_order([*_tag_problems(reader, filename), *error.problems])) from None
    problems = [*_tag_problems(reader, filename), *builder.problems]
    if problems:
        raise RecipeError(_in_order(problems))
    return Document(filename=filename, data=data, values=builder.values, keys=builder.keys)


def _compose(text: str, filename: str) -> tuple[NodeReader, Node]:
    reader: NodeReader | None = None
    try:
        reader = NodeReader(text)
        root = reader.get_single_node()
    except YAMLError as error:
        raise RecipeError([syntax_problem(error, filename, text)]) from error
    except (ValueError, OverflowError, LookupError, RecursionError) as error:
        # Escapes such as "\UFFFFFFFF" and versions of thousands of digits reach Python unchecked.
        where = mark_place(filename, reader.get_mark() if reader else None).text
        problem = Problem(
            message="this is not valid YAML: a code or number is out of range", where=where
        )
        raise RecipeError([problem]) from error
    if root is None:
        problem = Problem(
            message="the text is empty",
            where=filename,
            hint="a recipe starts with `version: 1`",
        )
        raise RecipeError([problem])
    return reader, root


def _tag_problems(reader: NodeReader, filename: str) -> list[Problem]:
    return [
        Problem(
            message=f"recipes take no tags, found {code(tag.replace(_TAG_PREFIX, '!!'))}",
            where=mark_place(filename, mark).text,
            hint="remove the tag; put a text that starts with `!` in quotes",
        )
        for tag, mark in reader.tags
    ]


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Each problem once, by line and column; an alias meets the problems of its anchor again."""

    def position(problem: Problem) -> tuple[int, int]:
        _, line, column = str(problem.where).rsplit(":", 2)
        return int(line), int(column)

    return sorted(dict.fromkeys(problems), key=position)
