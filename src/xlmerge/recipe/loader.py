"""A recipe from a file, a text, or plain data: checked as a whole, all problems in one error."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from xlmerge.recipe.document import Data, Document, dotted
from xlmerge.recipe.findings import Finding, recipe_error
from xlmerge.recipe.overrides import apply_overrides
from xlmerge.recipe.references import reference_findings
from xlmerge.recipe.reserved import is_settled, reserved_findings
from xlmerge.recipe.wording import found
from xlmerge.recipe.yaml_loader import parse_yaml, read_recipe_text

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from xlmerge.recipe.document import KeyPath
    from xlmerge.recipe.expanded import Expansion
    from xlmerge.recipe.schema import Recipe

__all__ = ["LoadedRecipe", "load_recipe", "recipe_from_data", "recipe_from_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRecipe:
    """A recipe that has passed all checks, and where it came from.

    Attributes:
        recipe: The recipe.
        expansion: The recipe without variables.
        document: The data it was made from, after ``--set``, with positions.
        folder: What relative folders of adapters start from.
        filename: Name of the recipe, for messages.
    """

    recipe: Recipe
    expansion: Expansion
    document: Document
    folder: Path
    filename: str

    def where(self, path: KeyPath, *, key: bool = False) -> str:
        """Where something was written, for a problem found later on.

        Args:
            path: Keys and indices from the top, such as ``("steps", "bridge", "with", "t")``. The
                name of an instance, as ``bridge/jav``, leads to its family.
            key: Whether the key is meant rather than the value.

        Returns:
            ``file:line:column``, ``--set KEY``, or for data without positions the dotted path.
        """
        written = self.expansion.written(path)
        known = self.document.key_position(written) if key else self.document.position(written)
        return known or dotted(path) or self.filename


def load_recipe(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Reads and checks a recipe file.

    Args:
        path: The YAML file.
        overrides: Changes, each ``key=value`` as for ``--set``.

    Returns:
        The recipe; relative folders of adapters start from the file's own folder.

    Raises:
        RecipeError: With everything that is wrong, in the order of the file. What cannot be read as
            YAML, and overrides that cannot be carried out, are reported alone.
    """
    text = read_recipe_text(path)
    return recipe_from_text(text, str(path), overrides, folder=Path(path).parent)


def recipe_from_text(
    text: str, filename: str, overrides: Sequence[str] = (), *, folder: Path | None = None
) -> LoadedRecipe:
    """Checks a recipe that has been read already.

    Args:
        text: YAML text.
        filename: Name of its file, for messages.
        overrides: Changes, each ``key=value`` as for ``--set``.
        folder: What relative folders of adapters start from; default: the folder of ``filename``.

    Returns:
        The recipe.

    Raises:
        RecipeError: As `load_recipe`.
    """
    document = apply_overrides(parse_yaml(text, filename), overrides)
    return _checked(document, Path(filename).parent if folder is None else folder)


def recipe_from_data(
    data: Mapping[str, object],
    overrides: Sequence[str] = (),
    *,
    filename: str = "<command line>",
    folder: Path | None = None,
) -> LoadedRecipe:
    """Checks a recipe given as plain data, as the command line's one-liners make it.

    Args:
        data: What a recipe file would hold; copied.
        overrides: Changes, each ``key=value`` as for ``--set``.
        filename: What stands for the file in messages.
        folder: What relative folders of adapters start from; default: the current one.

    Returns:
        The recipe.

    Raises:
        RecipeError: As `load_recipe`; places are given as dotted paths.
    """
    document = Document(filename=filename, data=cast("Data", deepcopy(data)))
    return _checked(apply_overrides(document, overrides), Path() if folder is None else folder)


def _checked(document: Document, folder: Path) -> LoadedRecipe:
    data = document.data
    if not isinstance(data, Mapping):
        message = f"expected a recipe, a mapping (`key: value`), found {found(data)}"
        hint = "a recipe starts with `version: 1`"
        raise recipe_error([Finding(message=message, path=(), hint=hint)], document)
    recipe, findings = _validated(data)
    if recipe is None:
        raise recipe_error(findings, document)
    return LoadedRecipe(
        recipe=recipe,
        expansion=recipe.expanded(),
        document=document,
        folder=folder,
        filename=document.filename,
    )


def _validated(data: Mapping[str, object]) -> tuple[Recipe | None, list[Finding]]:
    """The recipe, or all that is wrong with it."""
    from pydantic import ValidationError

    from xlmerge.recipe.schema import Recipe
    from xlmerge.recipe.schema_problems import schema_findings

    try:
        return Recipe.model_validate(data), []
    except ValidationError as error:
        # The names are checked here too, since pydantic stops before them where a type is wrong.
        findings = [*schema_findings(error, data), *reference_findings(data)]
    reserved = reserved_findings(data)
    return None, [*reserved, *(other for other in findings if not is_settled(other, reserved))]
