"""The folder of the demonstration: what is written into it, and what is there already.

``demo.json`` remembers what everything was made from and the hash of each file. What is still true
is not made again; what a user has changed is not overwritten.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.staging import replace_text, staged_folder
from xlmerge.demo.corpus import labelled_phrases, unlabelled_lists
from xlmerge.demo.phrasebook import Phrasebook
from xlmerge.demo.recipe import recipe_text
from xlmerge.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from xlmerge.demo.settings import Settings

__all__ = ["base_is_made", "make_base", "make_files"]

RECORD = "demo.json"
BASE = "base"
_EDITION = 1  # of what is made from given settings


def make_files(folder: Path, settings: Settings, *, force: bool = False) -> bool:
    """Write texts, labelled phrases and the recipe, unless they are there.

    Args:
        folder: Where to.
        settings: What.
        force: Replace what a user has changed.

    Returns:
        Whether anything was written.

    Raises:
        OutputError: The folder is someone else's, a file was changed, or it cannot be written.
        DataError: CLDR has no table for a language.
    """
    making = _making(settings)
    record = _record(folder)
    if not force:
        _check_ours(folder, record)
    if record.get("making") == making and _unchanged(folder, record):
        return False
    # The settings first: whoever stops in between starts again.
    contents = dict(_contents(settings))
    written = {name: sha256(text.encode()).hexdigest() for name, text in contents.items()}
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)
    kept = {"base": record["base"]} if "base" in record else {}
    _write_record(folder, {"making": making, "files": written, **kept})
    return True


def base_is_made(folder: Path, settings: Settings) -> bool:
    """Whether the base model of these texts and settings is there, unchanged."""
    base = _record(folder).get("base") or {}
    return base.get("making") == _base_making(folder, settings) and all(
        _hash(folder / name) == known for name, known in base["files"].items()
    )


def make_base(
    folder: Path, settings: Settings, progress: Callable[[int, int, float], None] | None = None
) -> float:
    """Pre-train the base model on the texts in the folder; needs torch.

    Args:
        folder: Where :func:`make_files` has written.
        settings: How long.
        progress: Told steps done, steps in all and the loss.

    Returns:
        The loss at the end: nats for a masked token.

    Raises:
        OutputError: It cannot be written.
        TrainingError: The loss is not finite.
    """
    from xlmerge.runtime.pretraining import Pretraining, pretrain

    lines: list[str] = []
    for language in settings.read:
        text = (folder / _text_file(language)).read_text(encoding="utf-8")
        lines += text.splitlines()
    options = Pretraining(steps=settings.base_steps, seed=settings.seed)
    with staged_folder(folder / BASE) as stage:
        loss = pretrain(lines, stage, options, progress=progress)
    files = {
        path.relative_to(folder).as_posix(): _hash(path)
        for path in sorted((folder / BASE).iterdir())
    }
    record = _record(folder)
    record["base"] = {"making": _base_making(folder, settings), "files": files, "loss": loss}
    _write_record(folder, record)
    return loss


def _contents(settings: Settings) -> Iterator[tuple[str, str]]:
    """Name of each file below the folder, and its text."""
    for language in dict.fromkeys([*settings.read, *settings.languages]):
        book = Phrasebook(language)
        lines = unlabelled_lists(book, settings.lines)
        yield _text_file(language), "".join(f"{line}\n" for line in lines)
        if language in settings.languages:
            for side, most in (
                ("train", settings.train_per_kind),
                ("test", settings.test_per_kind),
            ):
                yield f"data/{language}-{side}.csv", _table(labelled_phrases(book, side, most))
    yield "recipe.yaml", recipe_text(settings)


def _table(rows: list[tuple[str, str]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([("text", "label"), *rows])
    return file.getvalue()


def _text_file(language: str) -> str:
    return f"text/{language}.txt"


def _making(settings: Settings) -> str:
    facts = {
        "edition": _EDITION,
        "babel": version("babel"),
        "recipe": recipe_text(settings),
        **asdict(settings),
    }
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _base_making(folder: Path, settings: Settings) -> str:
    files = _record(folder).get("files") or {}
    facts = {
        "edition": _EDITION,
        "texts": [files.get(_text_file(language)) for language in settings.read],
        "steps": settings.base_steps,
        "seed": settings.seed,
    }
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    replace_text(folder / RECORD, json.dumps(record, indent=2) + "\n")


def _check_ours(folder: Path, record: Mapping[str, Any]) -> None:
    """Raise if something would be lost."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder}: is a file, not a folder", hint="give another one with -o")
    if not record and any(folder.iterdir()):
        raise OutputError(
            f"{folder}: the folder is not empty, and nothing in it says that it is a demonstration",
            hint="give another one with -o, or write into this one with --force",
        )
    for name, known in (record.get("files") or {}).items():
        if (folder / name).is_file() and _hash(folder / name) != known:
            raise OutputError(
                f"{folder / name}: was changed since the demonstration wrote it",
                hint="`xlmerge run` carries out a changed recipe; --force writes everything anew",
            )


def _unchanged(folder: Path, record: Mapping[str, Any]) -> bool:
    return all(_hash(folder / name) == known for name, known in record["files"].items())


def _hash(path: Path) -> str:
    """SHA-256 of a file; empty if it is not there."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
