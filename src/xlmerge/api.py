"""What users call from Python: the same that the command line does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.checkpoint.compatibility import BaseModel
from xlmerge.errors import OutputError, ParameterError, Problem, RecipeError
from xlmerge.plan import StepRequest
from xlmerge.runner import Job, Listener, RunResult, StepResult, Work, run_job, step_name

if TYPE_CHECKING:
    from xlmerge.engine.state import AdapterState
    from xlmerge.plugin.registry import Registry
    from xlmerge.recipe import LoadedRecipe

__all__ = ["check", "load", "merge", "merge_job", "recipe_job", "run"]

PathLike: TypeAlias = "str | os.PathLike[str]"


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

    >>> xlmerge.merge("linear", {"adapters/english": 0.4, "adapters/indonesian": 0.6}, output="bridge")  # doctest: +SKIP

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
        force: Replace what is at ``output``.
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


def merge_job(  # noqa: PLR0913 - as `merge`
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
) -> Job:
    """One merge as a job; see :func:`merge` for the arguments.

    Raises:
        ParameterError: Weights and adapters do not pair up, or a word is none of those allowed.
    """
    output = Path(output)
    paths = [os.fspath(path) for path in adapters or ()]
    if isinstance(adapters, Mapping):
        if weights is not None:
            raise ParameterError("weights are given twice, in the mapping and as `weights`")
        weights = list(adapters.values())
    if weights is not None and len(weights) != len(paths):
        raise ParameterError(
            f"{len(paths)} adapters and {len(weights)} weights; each adapter needs one"
        )
    names = _names([*paths, *(os.fspath(path) for path in (roles or {}).values())])
    references = dict(
        zip(names, [*paths, *(os.fspath(path) for path in (roles or {}).values())], strict=True)
    )
    listed = names[: len(paths)]
    name = step_name(output.name)
    request = StepRequest(
        name=name,
        method=method,
        adapters=dict(zip(listed, weights, strict=True))
        if weights is not None
        else tuple(listed) or None,
        roles=dict(zip(roles or {}, names[len(paths) :], strict=True)),
        values=dict(parameters or {}),
        heads=heads,
        dtype=dtype,
        container=format,
    )
    _check_words(request)
    return Job(
        # The inputs are part of the name: another merge does not replace this one's output.
        title=" ".join(["xlmerge merge", method, *references.values()]),
        start=Path.cwd(),
        references=references,
        steps=(request,),
        base=BaseModel(name=base_model, aliases=tuple(base_model_aliases)),
        folders={name: output},
        where=_no_place,
        force=force,
    )


def _check_words(request: StepRequest) -> None:
    """What a recipe's schema checks, for calls that have none."""
    for what, value, allowed in (
        ("dtype", request.dtype, ("float16", "bfloat16", "float32", "float64")),
        ("format", request.container, ("safetensors", "bin")),
    ):
        if value is not None and value not in allowed:
            raise ParameterError(f"`{what}` is one of {', '.join(allowed)}; found {value!r}")
    heads = request.heads
    if heads is not None and heads not in {"drop", "mean"} and not heads.startswith("from "):
        raise ParameterError(f"`heads` is drop, mean, or `from NAME`; found {heads!r}")


def _no_place(path: tuple[str | int, ...]) -> str:
    """Command lines and calls have no lines and columns; the words themselves say where."""
    tail = (
        [str(part) for part in path if part != "steps"][1:]
        if path[:1] == ("steps",)
        else [str(p) for p in path]
    )
    return ".".join(tail) or "merge"


def _names(paths: list[str]) -> list[str]:
    """Names for folders, from the last part of their paths, made different where they are not."""
    names: list[str] = []
    for path in paths:
        base = step_name(Path(path.partition("@")[0]).name)
        name, count = base, 2
        while name in names:
            name, count = f"{base}_{count}", count + 1
        names.append(name)
    return names


def run(  # noqa: PLR0913 - the options of `xlmerge run`
    recipe: PathLike,
    *,
    output: PathLike | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
    update: bool = False,
    listener: Listener | None = None,
    registry: Registry | None = None,
) -> RunResult:
    """Carry out a recipe; each step's result goes to ``output/<step>``.

    Args:
        recipe: The YAML file.
        output: Folder for the results; one named after the recipe, beside it, if not given.
        overrides: Changes as for ``--set``, each ``key=value``.
        force: Replace outputs that are not this recipe's.
        update: Take the newest commits of hub repositories.
        listener: Hears of warnings and progress.
        registry: Plugins; those installed if not given.

    Raises:
        RecipeError: With everything that is wrong.
        XLMergeError: While merging or writing.
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
    """Check a recipe against the adapters' headers and the methods, without merging; see :func:`run`.

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

    located = locate(os.fspath(path), Path.cwd())
    return AdapterState(cover(open_adapter_folder(located.path), _installed()))


def recipe_job(
    recipe: PathLike,
    *,
    output: PathLike | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
    update: bool = False,
) -> Job:
    """A recipe file as a job."""
    from xlmerge.recipe import load_recipe

    loaded = load_recipe(Path(recipe), overrides)
    out = Path(output) if output is not None else _default_output(Path(recipe))
    steps = loaded.recipe.steps
    order = loaded.recipe.order()
    unused = loaded.recipe.unused_adapters()
    return Job(
        title=Path(recipe).name,
        start=loaded.folder,
        references={
            name: ref for name, ref in loaded.recipe.adapters.items() if name not in unused
        },
        steps=tuple(
            StepRequest(
                name=name,
                method=steps[name].merge,
                adapters=steps[name].adapters,
                roles=steps[name].roles,
                values=steps[name].with_,
                heads=steps[name].heads,
                dtype=steps[name].dtype,
                container=steps[name].format,
            )
            for name in order
        ),
        base=BaseModel(
            name=loaded.recipe.base_model, aliases=tuple(loaded.recipe.base_model_aliases)
        ),
        folders={name: out / name for name in order},
        where=loaded.where,
        manifest=out / "xlmerge-run.json",
        force=force,
        update=update,
        warnings=tuple(f"the adapter {name} is not used" for name in unused),
    )


def _default_output(recipe: Path) -> Path:
    """A folder named after the recipe, beside it.

    Raises:
        OutputError: A link there leads elsewhere: a recipe writes outside its own folder only by ``-o``.
    """
    parent = recipe.resolve().parent
    out = recipe.parent / recipe.stem
    if out.is_symlink() and parent not in out.resolve().parents:
        raise OutputError(
            f"{out} is a link to {out.resolve()}, outside the recipe's folder",
            hint="say where to write with -o",
        )
    return out


def _installed() -> Registry:
    from xlmerge.plugin import discover

    return discover()
