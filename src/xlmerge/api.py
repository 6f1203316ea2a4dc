"""What users call from Python: the same that the command line does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlmerge.jobs import PathLike, merge_job, recipe_job
from xlmerge.runner import Listener, RunResult, StepResult, Work, run_job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.engine.state import AdapterState
    from xlmerge.plugin.registry import Registry

__all__ = ["check", "load", "merge", "run"]


def merge(  # noqa: PLR0913 - one argument for everything a step of a recipe may say
    method: str,
    adapters: Mapping[str, Any] | Sequence[PathLike] | None = None,
    *,
    output: PathLike,
    roles: Mapping[str, PathLike] | None = None,
    weights: Sequence[Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    heads: str | None = None,
    dtype: str | None = None,
    format: str | None = None,  # noqa: A002 - as the recipe calls it
    base_model: str | None = None,
    base_model_aliases: Sequence[str] = (),
    force: bool = False,
    listener: Listener | None = None,
    registry: Registry | None = None,
) -> StepResult:
    """Merge adapters, and write the result as a plain adapter folder.

    >>> english, indonesian = "adapters/english", "adapters/indonesian"
    >>> xlmerge.merge("linear", {english: 0.4, indonesian: 0.6}, output="bridge")  # doctest: +SKIP

    Args:
        method: Name of a merge method.
        adapters: Folders or hub ids, with weights as a mapping or apart as ``weights``.
        output: Folder to write.
        roles: Role to folder or hub id.
        weights: One for each adapter.
        parameters: The method's parameters and the spaces' options (``with`` in a recipe).
        heads: ``drop``, ``mean``, or ``from NAME`` with the name of an adapter's folder.
        dtype: Precision of the result; that of the inputs if not given.
        format: ``safetensors`` or ``bin``; that of the first input if not given.
        base_model: Name of the base model.
        base_model_aliases: Further names that mean the same model.
        force: Merge again, and replace what is at ``output``.
        listener: Hears of warnings and progress.
        registry: Plugins; those installed if not given.

    Returns:
        The result, with the numerical report.

    Raises:
        RecipeError: With everything that is wrong.
        XLMergeError: While merging or writing. Nothing half-written is left behind.
    """
    job = merge_job(
        method,
        adapters,
        output=output,
        roles=roles,
        weights=weights,
        parameters=parameters,
        heads=heads,
        dtype=dtype,
        format=format,
        base_model=base_model,
        base_model_aliases=base_model_aliases,
        force=force,
    )
    _, result = run_job(job, registry or _installed(), listener)
    return result.steps[0]


def run(
    recipe: PathLike,
    *,
    output: PathLike | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
    update: bool = False,
    listener: Listener | None = None,
    registry: Registry | None = None,
) -> RunResult:
    """Carry out a recipe: merge, train, evaluate; each step's result goes to ``output/<step>``.

    Torch is imported when the first training or evaluation begins that is not up to date.

    Args:
        recipe: The YAML file.
        output: Folder for the results; one named after the recipe, beside it, if not given.
        overrides: Changes as for ``--set``, each ``key=value``.
        force: Do every step again, and replace outputs that are not this recipe's.
        update: Take the newest commits of hub repositories.
        listener: Hears of warnings and progress.
        registry: Plugins; those installed if not given.

    Raises:
        RecipeError: With everything that is wrong. Of merges of adapters that are still to be
            trained, as soon as these are there.
        XLMergeError: While merging, training, scoring or writing. Nothing half-written is left
            behind but checkpoints, from which the next call goes on.
    """
    job = recipe_job(recipe, output=output, overrides=overrides, force=force, update=update)
    return run_job(job, registry or _installed(), listener)[1]


def check(
    recipe: PathLike,
    *,
    output: PathLike | None = None,
    overrides: Sequence[str] = (),
    listener: Listener | None = None,
    registry: Registry | None = None,
) -> Work:
    """Check a recipe against the adapters' headers and what plugins offer, without carrying it out.

    What is at the output now is no matter here, but for adapters that were trained as the recipe
    says: merges of them are checked against their headers. See :func:`run` for the arguments.

    Raises:
        RecipeError: With everything that is wrong.
    """
    job = recipe_job(recipe, output=output, overrides=overrides, force=True)
    return run_job(job, registry or _installed(), listener, dry_run=True)[0]


def load(path: PathLike) -> AdapterState:
    """Open an adapter folder or hub id as data: its parameters by canonical name, as NumPy arrays.

    Raises:
        CheckpointError: It cannot be read.
        UnsupportedAdapterError: No architecture covers it.
    """
    from xlmerge.checkpoint.cover import cover
    from xlmerge.checkpoint.folder import open_adapter_folder
    from xlmerge.checkpoint.hub import locate
    from xlmerge.engine.state import AdapterState

    folder = open_adapter_folder(locate(os.fspath(path), Path.cwd()).path)
    try:
        return AdapterState(cover(folder, _installed()))
    except BaseException:
        folder.close()
        raise


def _installed() -> Registry:
    from xlmerge.plugin import discover

    return discover()
