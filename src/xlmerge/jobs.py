"""A call of one merge, or a recipe file, as a job for the runner."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from xlmerge.checkpoint.compatibility import BaseModel
from xlmerge.errors import ParameterError
from xlmerge.plan import (
    Cell,
    DataRequest,
    EvaluateRequest,
    HeadRequest,
    Request,
    StepRequest,
    TrainRequest,
)
from xlmerge.recipe.expanded import ExpandedEvaluate, ExpandedMerge, ExpandedTrain
from xlmerge.runner import Job, step_name
from xlmerge.runner.manifest import MANIFEST

if TYPE_CHECKING:
    from xlmerge.checkpoint.tensor_file import Container
    from xlmerge.recipe import LoadedRecipe

__all__ = ["PathLike", "merge_job", "recipe_job", "requests"]

PathLike: TypeAlias = "str | os.PathLike[str]"


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
    """One merge as a job; see :func:`xlmerge.merge` for the arguments.

    Raises:
        ParameterError: Weights and adapters do not pair up, or a word is none of those allowed.
    """
    if isinstance(adapters, str | bytes | os.PathLike):
        raise ParameterError(
            f"`adapters` is a list or a mapping; found one path, {adapters!r}",
            hint=f"write [{str(adapters)!r}]",
        )
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
    everything = [*paths, *(os.fspath(path) for path in (roles or {}).values())]
    names = _names(everything)
    references = dict(zip(names, everything, strict=True))
    listed = names[: len(paths)]
    name = step_name(output.name or output.resolve().name)
    request = StepRequest(
        name=name,
        method=method,
        adapters=dict(zip(listed, map(_plain, weights), strict=True))
        if weights is not None
        else tuple(listed) or None,
        roles=dict(zip(roles or {}, names[len(paths) :], strict=True)),
        values={name: _plain(value) for name, value in (parameters or {}).items()},
        heads=heads,
        dtype=dtype,
        container=cast("Container | None", format),
    )
    _check_words(request)
    return Job(
        # The inputs are part of the name: another merge does not replace this one's output.
        title=" ".join(["xlmerge merge", method, *sorted(references.values())]),
        start=Path.cwd(),
        references=references,
        steps=(request,),
        base=BaseModel(name=base_model, aliases=tuple(base_model_aliases)),
        folders={name: output},
        where=_no_place,
        force=force,
    )


def _plain(value: Any) -> Any:
    """A value, or values by pattern, with NumPy's and torch's scalars as Python's own."""
    if isinstance(value, Mapping):
        return {pattern: _plain(single) for pattern, single in value.items()}
    return value.item() if getattr(value, "shape", None) == () else value


def _check_words(request: StepRequest) -> None:
    """What a recipe's schema checks, for calls that have none."""
    for what, value, allowed in (
        ("dtype", request.dtype, ("float16", "bfloat16", "float32", "float64")),
        ("format", request.container, ("safetensors", "bin")),
    ):
        if value is not None and value not in allowed:
            raise ParameterError(f"`{what}` is one of {', '.join(allowed)}; found {value!r}")
    heads: Any = request.heads
    if heads is not None and not (
        isinstance(heads, str) and (heads in {"drop", "mean"} or heads.startswith("from "))
    ):
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


def recipe_job(
    recipe: PathLike,
    *,
    output: PathLike | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
    update: bool = False,
) -> Job:
    """A recipe file as a job; see :func:`xlmerge.run` for the arguments.

    Raises:
        RecipeError: With everything that is wrong with the recipe itself.
    """
    from xlmerge.recipe import load_recipe

    recipe = Path(recipe)
    loaded = load_recipe(recipe, overrides)
    expansion = loaded.expansion
    out = Path(output) if output is not None else _default_output(recipe)
    return Job(
        title=recipe.name,
        start=loaded.folder,
        references=expansion.adapters,
        steps=requests(loaded),
        base=_base_model(loaded),
        folders={step.name: out / step.name for step in expansion.steps},
        where=loaded.where,
        recipe=recipe,
        # A recipe writes elsewhere only if its user says so, not through a link either.
        within=loaded.folder if output is None else None,
        manifest=out / MANIFEST,
        force=force,
        update=update,
        warnings=tuple(
            f"the {kind} {name} is not used"
            for kind, names in expansion.unused.items()
            for name in names
        ),
    )


def _base_model(loaded: LoadedRecipe) -> BaseModel:
    """The base model, a folder also by the name that adapters trained on it record."""
    name, aliases = loaded.recipe.base_model, tuple(loaded.recipe.base_model_aliases)
    if name is not None and (folder := loaded.folder / Path(name).expanduser()).is_dir():
        aliases += (name, folder.resolve().name, folder.absolute().name)
    return BaseModel(name=name, aliases=aliases)


def requests(loaded: LoadedRecipe) -> tuple[Request, ...]:
    """The steps of a recipe as the planner takes them, each after those it needs."""
    made: list[Request] = []
    for step in loaded.expansion.steps:
        if isinstance(step, ExpandedMerge):
            made.append(_merge_request(step))
        elif isinstance(step, ExpandedTrain):
            made.append(_train_request(step, loaded))
        else:
            made.append(_evaluate_request(step, loaded))
    return tuple(made)


def _merge_request(step: ExpandedMerge) -> StepRequest:
    return StepRequest(
        name=step.name,
        method=step.merge,
        adapters=step.adapters,
        roles=step.roles,
        values=step.values,
        heads=step.heads,
        dtype=step.dtype,
        container=cast("Container | None", step.format),
    )


def _train_request(step: ExpandedTrain, loaded: LoadedRecipe) -> TrainRequest:
    return TrainRequest(
        name=step.name,
        trainer=step.train,
        task=step.task,
        task_options=step.task_options,
        data={
            role: tuple((_data(name, loaded), weight) for name, weight in named)
            for role, named in step.data.items()
        },
        stacked_on=step.on,
        stacked_each=step.on_each,
        adapter=step.adapter,
        values=step.values,
    )


def _evaluate_request(step: ExpandedEvaluate, loaded: LoadedRecipe) -> EvaluateRequest:
    return EvaluateRequest(
        name=step.name,
        task=step.task,
        task_options=step.task_options,
        split=step.split,
        columns=step.columns,
        cells=tuple(
            Cell(
                row=cell.row,
                column=cell.column,
                seed=cell.seed,
                tree=cell.tree,
                data=_data(cell.data, loaded),
                **_head_of_cell(cell.head, loaded),
            )
            for cell in step.cells
        ),
        baseline=step.baseline,
        values=step.values,
    )


def _data(name: str, loaded: LoadedRecipe) -> DataRequest:
    return DataRequest(name=name, start=loaded.folder, **loaded.expansion.datasets[name])


def _head_of_cell(name: str | None, loaded: LoadedRecipe) -> dict[str, Any]:
    """One of the recipe's `heads`, or the adapter that brings it."""
    if name is None or name not in loaded.expansion.heads:
        return {"head_of": name}
    return {"head": _head(name, loaded)}


def _head(name: str, loaded: LoadedRecipe) -> HeadRequest:
    given = dict(loaded.expansion.heads[name])
    return HeadRequest(
        name=name,
        path=given.pop("path"),
        task=given.pop("task"),
        labels=given.pop("labels"),
        options=given,
        start=loaded.folder,
    )


def _default_output(recipe: Path) -> Path:
    """A folder named after the recipe, beside it."""
    named = recipe.stem if recipe.suffix else f"{recipe.name}-output"
    return recipe.parent / named
