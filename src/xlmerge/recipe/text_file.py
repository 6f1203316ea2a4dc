"""A recipe file as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xlmerge.errors import Problem, RecipeError
from xlmerge.recipe.document import Place

if TYPE_CHECKING:
    import os

__all__ = ["MAX_BYTES", "read_recipe_text"]

MAX_BYTES = 1 << 20
"""Largest recipe file; anything longer is some other file named by mistake."""


def read_recipe_text(path: str | os.PathLike[str]) -> str:
    """Reads a recipe file.

    Args:
        path: The file.

    Returns:
        Its text, without the byte order mark that some editors put in front.

    Raises:
        RecipeError: If the file cannot be opened, is too long, or is not UTF-8.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise RecipeError([_unreadable(name, error)]) from error
    if len(content) > MAX_BYTES:
        raise RecipeError(
            [
                Problem(
                    message=f"the file is longer than {MAX_BYTES >> 20} MiB, which no recipe is",
                    where=name,
                    hint="give the recipe, a short YAML text",
                )
            ]
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        problem = Problem(
            message=f"the file is not UTF-8: found the byte 0x{content[error.start]:02x}",
            where=Place.in_file(name, line, column).text,
            hint="save it with the encoding UTF-8",
        )
        raise RecipeError([problem]) from error


def _unreadable(name: str, error: OSError | ValueError) -> Problem:
    if isinstance(error, FileNotFoundError):
        return Problem(message="there is no such file", where=name, hint="check the path")
    if isinstance(error, IsADirectoryError):
        return Problem(
            message="this is a folder, not a recipe file",
            where=name,
            hint="give the YAML file in it",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return Problem(message=f"the file cannot be read: {reason}", where=name)
