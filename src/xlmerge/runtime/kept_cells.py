"""Finished scores, kept beside an evaluation so that a killed one goes on where it was."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["KeptCell", "keep", "kept"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCell:
    """One score.

    Attributes:
        labels: Names of the classes.
        predictions: One a row.
        statistics: What metrics are computed from, ``[rows, k]``.
    """

    labels: tuple[str, ...]
    predictions: list[Any]
    statistics: np.ndarray


def keep(folder: Path, key: str, cell: KeptCell) -> None:
    """Write a score down, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "labels": list(cell.labels),
        "predictions": cell.predictions,
        # Exact: Python writes floats so that they read back as they were.
        "statistics": cell.statistics.tolist(),
    }
    path = folder / f"{key}.json"
    half = path.with_suffix(f".{os.getpid()}.half")
    half.write_text(json.dumps(content), encoding="utf-8")
    half.replace(path)


def kept(folder: Path, key: str) -> KeptCell | None:
    """A score that was written down; None without one, or if it cannot be read."""
    try:
        content = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        return KeptCell(
            labels=tuple(content["labels"]),
            predictions=content["predictions"],
            statistics=np.asarray(content["statistics"], dtype=np.float64),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
