"""The files of a data set, found without reading them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from xlmerge.checkpoint.folder_hints import similar_name
from xlmerge.errors import DataError
from xlmerge.plan.splits import canonical_split, split_in_name
from xlmerge.recipe.wording import did_you_mean, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xlmerge.plan.request import DataRequest

__all__ = ["FORMATS", "data_files", "file_format", "hint_for_no_path", "is_local"]

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet", "text", "conll", "squad")
"""Formats of files, as written after ``format:``."""

_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "text",
    ".text": "text",
    ".conll": "conll",
    ".conllu": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def data_files(request: DataRequest) -> dict[str, list[Path]]:
    """The files of each split, for hashing and checking; reads none and imports no library.

    Args:
        request: The data set.

    Returns:
        Canonical name of the split to its files in the order of their names. Empty for a data set
        on the hub.

    Raises:
        DataError: The path or a file is not there, a split cannot be told from the names, or two
            files are candidates for one split.
    """
    if request.format is not None and request.format not in FORMATS:
        raise DataError(
            f"data set {request.name!r}: there is no format {request.format!r}",
            hint=did_you_mean(request.format, FORMATS, what="formats"),
        )
    if not is_local(request):
        return {}
    place = _place(request)
    if not request.files:
        return _from_file(request, place) if place.is_file() else _from_folder(request, place)
    if place.is_file():
        raise DataError(
            f"data set {request.name!r}: `path` is a file ({place}), but `files` names files below "
            f"a folder",
            hint=f"write `path: {Path(request.path).parent.as_posix()}`",
        )
    found: dict[str, list[Path]] = {}
    for split, pattern in request.files.items():
        name = canonical_split(split)
        if name in found:
            raise DataError(f"data set {request.name!r}: `files` names the split {name!r} twice")
        found[name] = _matches(request, place, split, pattern)
    return found


def is_local(request: DataRequest) -> bool:
    """Whether a data set lies on this machine; what exists as a path does.

    ``owner/name`` that does not exist is an id on the hub, unless ``owner`` is a folder here.

    Raises:
        DataError: The path is neither there nor of the form of an id on the hub.
    """
    place = _place(request)
    if place.exists():
        return True
    of_hub = _HUB_ID.fullmatch(request.path) and _suffix(place) is None
    owner = request.start / request.path.partition("/")[0]
    if of_hub and not (owner != place and owner.is_dir()):
        return False
    raise DataError(
        f"data set {request.name!r}: no file or folder {place}",
        hint=hint_for_no_path(request) or "give a folder, a file, or an id on the hub",
    )


def hint_for_no_path(request: DataRequest) -> str | None:
    """The path that was perhaps meant, by the first part of it that is not there."""
    missing = _place(request)
    while not missing.parent.exists():
        missing = missing.parent
    near = similar_name(missing)
    return f"did you mean {missing.parent / near}?" if near else None


def file_format(request: DataRequest, path: Path) -> str:
    """Format of a file: what the request says, else what its name tells.

    Raises:
        DataError: Neither does.
    """
    told = request.format or _suffix(path)
    if told is None:
        raise DataError(
            f"data set {request.name!r}: the name of {path} does not tell its format",
            hint=f"say `format:`, one of {listing(FORMATS)}",
        )
    return told


def _place(request: DataRequest) -> Path:
    try:
        place = (request.start / Path(request.path).expanduser()).absolute()
        place.exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a null byte
        raise DataError(
            f"data set {request.name!r}: {request.path!r} is no path: {error}"
        ) from error
    return place


def _suffix(path: Path) -> str | None:
    name = path.name.lower().removesuffix(".gz")
    return _SUFFIXES.get(Path(name).suffix)


def _matches(request: DataRequest, place: Path, split: str, pattern: str) -> list[Path]:
    """Files below a folder that a name or a pattern stands for."""
    literal = place / pattern
    if literal.is_file():
        return [literal]
    try:
        found = sorted(path for path in place.glob(pattern) if path.is_file())
    except (ValueError, NotImplementedError) as error:  # an empty or an absolute pattern
        raise DataError(
            f"data set {request.name!r}: `files`: {split}: {pattern!r} is no name of a file below "
            f"{place}: {error}"
        ) from error
    if not found:
        raise DataError(
            f"data set {request.name!r}: `files`: {split}: no file {literal}",
            hint=did_you_mean(pattern, _names(place), what="files there"),
        )
    return found


def _from_file(request: DataRequest, place: Path) -> dict[str, list[Path]]:
    file_format(request, place)
    return {split_in_name(place.name) or "train": [place]}


def _from_folder(request: DataRequest, place: Path) -> dict[str, list[Path]]:
    """Files whose names tell their splits; of other kinds of files only if the format is given."""
    found: dict[str, list[Path]] = {}
    for name in _names(place):
        split = split_in_name(name)
        if split and (request.format or _suffix(place / name)):
            found.setdefault(split, []).append(place / name)
    if not found:
        raise DataError(
            f"data set {request.name!r}: no file in {place} tells by its name which split it is; "
            f"found {_shown(_names(place))}",
            hint="name them: `files: {train: NAME, test: NAME}`",
        )
    for split, paths in found.items():
        if len(paths) > 1:
            raise DataError(
                f"data set {request.name!r}: more than one file in {place} could be the split "
                f"{split!r}: {_shown(path.name for path in paths)}",
                hint=f"name it: `files: {{{split}: {paths[0].name}}}`; a pattern takes several",
            )
    return found


def _names(place: Path) -> Sequence[str]:
    return sorted(
        entry.name
        for entry in place.iterdir()
        if entry.is_file() and not entry.name.startswith(".")
    )


def _shown(names: Iterable[str]) -> str:
    return listing(names) or "no file"
