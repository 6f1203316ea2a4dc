"""PyYAML's complaints, in the words of somebody who writes a recipe."""

from __future__ import annotations

import re

from yaml.error import Mark, MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

from xlmerge.errors import Problem
from xlmerge.recipe.document import Place
from xlmerge.recipe.nodes import MAX_DEPTH, TooDeepError

__all__ = ["mark_place", "syntax_problem"]

_INDENT = "check the indentation of this line and of those above it"

# (what PyYAML says, what is wrong, what to do); the first that matches "context; problem" counts.
_PLAIN_WORDS: tuple[tuple[str, str, str | None], ...] = (
    (
        r"found character '\\t'",
        "a tab is used where YAML wants spaces",
        "replace the tab by spaces",
    ),
    (
        r"found character '(.)' that cannot start any token",
        r"a text cannot start with `\1`",
        "put the text in quotes",
    ),
    (
        r"expected a single document",
        "a second document starts here, after `---`; a recipe is a single document",
        "write one file for each recipe",
    ),
    (
        r"mapping values are not allowed",
        "a `:` does not fit here",
        "check the indentation, and put a text that contains `: ` in quotes",
    ),
    (
        r"could not find expected ':'",
        "a line of a mapping lacks its `:`",
        "write `key: value`; the line may be this one or the one above",
    ),
    (r"expected ',' or '\]'", "a list opened with `[` is not closed properly", "add `,` or `]`"),
    (r"expected ',' or '\}'", "a mapping opened with `{` is not closed properly", "add `,` or `}`"),
    (
        r"quoted scalar; found unexpected (end of stream|document separator)",
        "a text in quotes is not closed",
        "add the closing quote",
    ),
    (
        r"found unknown escape character|expected escape sequence",
        "a backslash in double quotes starts an escape that YAML does not know",
        "use single quotes, in which a backslash is a backslash",
    ),
    (
        r"found undefined alias '(.*)'",
        r"the alias `*\1` has no anchor `&\1` above it",
        "define the anchor first, or put a text that starts with `*` in quotes",
    ),
    (r"found duplicate anchor '(.*)'", r"the anchor `&\1` is defined twice", "rename one of them"),
    (
        r"while (scanning|parsing) an? tag|tag handle|found undefined tag",
        "a text that starts with `!` is a tag, and recipes take no tags",
        "put the text in quotes",
    ),
    (
        r"while scanning an (alias|anchor)",
        r"a text that starts with `*` or `&` is an alias or an anchor, and this one has no name",
        "put the text in quotes",
    ),
    (
        r"directive|incompatible YAML document",
        "a line that starts with `%` is a YAML directive; this one cannot be read",
        "remove the line",
    ),
    (
        r"block (collection|mapping)|block end",
        "the indentation does not fit the lines above",
        _INDENT,
    ),
    (
        r"sequence entries are not allowed",
        "a list item `- ` does not fit here",
        "start the list on a line of its own, below its key",
    ),
    (
        r"(flow|block) node",
        "a value is expected here",
        "write one, or put a text with special characters in quotes",
    ),
    (r"expected '<document start>'", "this does not go on with what stands above it", _INDENT),
    (r"mapping keys are not allowed", "a key does not fit here", _INDENT),
    (r"scanning a block scalar", "the header of a text block (`|` or `>`) is wrong", None),
)


def mark_place(filename: str, mark: Mark | None) -> Place:
    """The place of a PyYAML mark, which counts from 0."""
    return (
        Place.in_file(filename, mark.line + 1, mark.column + 1)
        if mark
        else Place.in_file(filename, 1, 1)
    )


def syntax_problem(error: YAMLError, filename: str, text: str) -> Problem:
    """Says in plain words what PyYAML found wrong.

    Args:
        error: PyYAML's error.
        filename: Name of the file, for the position.
        text: The text that was read.

    Returns:
        One problem with its position.
    """
    if isinstance(error, ReaderError):
        return _control_character(error, filename, text)
    if not isinstance(error, MarkedYAMLError):
        return Problem(message=f"this is not valid YAML: {error}", where=filename)
    where = mark_place(filename, error.problem_mark or error.context_mark).text
    if isinstance(error, TooDeepError):
        return Problem(
            message=f"more than {MAX_DEPTH} levels are nested in each other", where=where
        )
    said = "; ".join(str(part) for part in (error.context, error.problem) if part)
    for pattern, message, hint in _PLAIN_WORDS:
        match = re.search(pattern, said, re.DOTALL)
        if match:
            return Problem(message=match.expand(message), where=where, hint=hint)
    return Problem(message=f"this is not valid YAML: {said}", where=where, hint=_INDENT)


def _control_character(error: ReaderError, filename: str, text: str) -> Problem:
    lines = re.split(r"\r\n|[\r\n\x85\u2028\u2029]", text[: error.position])
    return Problem(
        message=f"the character U+{ord(text[error.position]):04X} may not stand in a YAML text",
        where=Place.in_file(filename, len(lines), len(lines[-1]) + 1).text,
        hint="delete it; it is not visible in most editors",
    )
