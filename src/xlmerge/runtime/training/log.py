"""A log that a person can plot, and TensorBoard's if it is there."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

__all__ = ["Log"]

_FIRST = ("step", "epoch", "loss", "learning_rate", "grad_norm", "seconds")


class Log:
    """``log.csv`` and ``log.jsonl`` in a folder, line by line as training goes.

    Args:
        folder: Where to; None to keep the lines in memory only.
        tensorboard: Whether event files are written, too.
    """

    def __init__(self, folder: Path | None, *, tensorboard: bool = False) -> None:
        self.lines: list[dict[str, Any]] = []
        self._folder = folder
        self._columns: tuple[str, ...] = _FIRST
        self._events: Any = None
        # torch names its writer without tensorboard, too, and fails when it is made.
        if folder is not None and tensorboard and find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(folder / "tensorboard"))

    def start(self, lines: Sequence[dict[str, Any]] = (), *, further: Collection[str] = ()) -> None:
        """Begin the files anew.

        Args:
            lines: Those of a run that is continued.
            further: Names of further columns.
        """
        self.lines = []
        self._columns = (*_FIRST, *further)
        if self._folder is not None:
            with (self._folder / "log.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerow(self._columns)
            (self._folder / "log.jsonl").write_text("", encoding="utf-8")
        for line in lines:
            self.add(line)

    def add(self, line: dict[str, Any]) -> None:
        """Write one line; keys without a column go into the JSON file only."""
        self.lines.append(line)
        if self._folder is None:
            return
        with (self._folder / "log.csv").open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow([line.get(column, "") for column in self._columns])
        with (self._folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._events is not None:
            for key, value in line.items():
                if key != "step":
                    self._events.add_scalar(key, value, line["step"])

    @property
    def events(self) -> bool:
        """Whether event files are written."""
        return self._events is not None

    def close(self) -> None:
        """Finish the event files."""
        if self._events is not None:
            self._events.close()
