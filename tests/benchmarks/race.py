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
    """Runs cases; what peers did once is not repeated, since they take long.

    Attributes:
        folder: Where results may lie for a moment.
        effort: How often.
    """

    folder: Path
    effort: Effort
    _known: dict[str, Result] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def run(self, case: Case) -> list[Result]:
        """All contenders, round after round, so that a busy minute of the machine meets them all."""
        racing = [contender for contender in case.contenders if self._takes_part(contender)]
        fresh = [contender for contender in racing if self._key(case, contender) not in self._known]
        if self.effort.warm_up:
            for contender in fresh:
                if not contender.seldom:
                    self._launch(contender)
        runs: dict[str, list[Run]] = {contender.name: [] for contender in fresh}
        for turn in range(self.effort.runs):
            for contender in fresh:
                if turn < self._runs(contender):
                    runs[contender.name].append(self._launch(contender))
        truth = case.truth.as_data()
        outputs = [str(self._output(contender) / contender.below) for contender in fresh]
        if fresh:
            found = json.loads(tool("exact.py", json.dumps({"truth": truth, "outputs": outputs})))
            for contender, error in zip(fresh, found, strict=True):
                self._known[self._key(case, contender)] = Result(
                    contender.name,
                    contender.role,
                    summary(runs[contender.name]),
                    error["max"],
                    error["relative"],
                )
        results = [self._known[self._key(case, contender)] for contender in racing]
        for contender in fresh:
            shutil.rmtree(self._output(contender).parent)
            if contender.role != "peer":
                del self._known[self._key(case, contender)]
        return results

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

    def _key(self, case: Case, contender: Contender) -> str:
        return json.dumps([contender.command(Path("merged")), case.truth.as_data()])

    def _output(self, contender: Contender) -> Path:
        return self.folder / contender.name.replace(" ", "-") / "merged"

    def _launch(self, contender: Contender) -> Run:
        out = self._output(contender)
        shutil.rmtree(out.parent, ignore_errors=True)
        out.parent.mkdir(parents=True)
        return launch(contender.command(out), self.folder)
