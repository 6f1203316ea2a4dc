"""The contenders of a case, run in turn and checked."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from cases import Case, Contender
from measure import Measurement, Run, launch, summary, tool

__all__ = ["Effort", "Race", "Result"]


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each contender runs.

    Attributes:
        runs: Of xlmerge and the bare scripts.
        peer_runs: Of other libraries, which take seconds each.
        warm_up: Whether a run that does not count comes first.
        peers: Whether other libraries take part.
        seldom: Whether those do that take minutes.
        once: Whether what imports torch runs for one case only.
    """

    runs: int
    peer_runs: int
    warm_up: bool
    peers: bool
    seldom: bool
    once: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came out for one contender of one case."""

    name: str
    role: str
    measured: Measurement
    largest: float
    relative: float


@dataclass(slots=True)
class Race:
    """Runs cases.

    Attributes:
        folder: Where results may lie for a moment.
        effort: How often.
    """

    folder: Path
    effort: Effort
    _seen: set[str] = field(default_factory=set)

    def run(self, case: Case) -> list[Result]:
        """All contenders, round after round, so that a busy minute of the machine meets them all."""
        racing = [contender for contender in case.contenders if self._takes_part(contender)]
        if self.effort.warm_up:
            for contender in racing:
                if not contender.seldom:
                    self._launch(contender)
        runs: dict[str, list[Run]] = {contender.name: [] for contender in racing}
        for turn in range(self.effort.runs):
            for contender in racing:
                if turn < self._runs(contender):
                    runs[contender.name].append(self._launch(contender))
        outputs = [str(self._output(contender) / contender.below) for contender in racing]
        request = {"truth": case.truth.as_data(), "outputs": outputs}
        errors = json.loads(tool("exact.py", json.dumps(request)))
        for contender in racing:
            shutil.rmtree(self._output(contender).parent)
        return [
            Result(each.name, each.role, summary(runs[each.name]), error["max"], error["relative"])
            for each, error in zip(racing, errors, strict=True)
        ]

    def _takes_part(self, contender: Contender) -> bool:
        if not contender.installed or (
            self.effort.once and contender.needs and contender.name in self._seen
        ):
            return False
        self._seen.add(contender.name)
        return contender.role != "peer" or (
            self.effort.peers and (self.effort.seldom or not contender.seldom)
        )

    def _runs(self, contender: Contender) -> int:
        if contender.role != "peer":
            return self.effort.runs
        return 1 if contender.seldom else self.effort.peer_runs

    def _output(self, contender: Contender) -> Path:
        return self.folder / contender.name.replace(" ", "-") / "merged"

    def _launch(self, contender: Contender) -> Run:
        out = self._output(contender)
        shutil.rmtree(out.parent, ignore_errors=True)
        out.parent.mkdir(parents=True)
        return launch(contender.command(out), self.folder)
