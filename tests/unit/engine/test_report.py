"""What was measured, as data."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import xlmerge
from builders import make, registry
from xlmerge.engine.report import MergeReport

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_facts_are_summed_up_in_the_order_of_names() -> None:
    report = MergeReport()
    for name, value in (("b", 2.0), ("a", 1.0), ("b", 2.0)):
        report.observer(name)("discarded", value)
    assert report.summary() == {
        "discarded": {"parameters": 2, "sum": 3.0, "mean": 1.5, "least": 1.0, "most": 2.0}
    }
    assert list(report.as_data()["by_parameter"]["discarded"]) == ["a", "b"]


def test_what_no_json_number_is_does_not_spoil_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An infinite condition number must not make the output look like somebody else's."""
    real = MergeReport.as_data

    def as_data(self: MergeReport) -> dict[str, object]:
        self.observer("x")("condition_number", math.inf)
        return real(self)

    monkeypatch.setattr(MergeReport, "as_data", as_data)
    folder = make(tmp_path / "a", "seq_bn")
    for status in ("merged", "up to date"):
        result = xlmerge.merge(
            "linear", {folder: 1.0}, output=tmp_path / "out", registry=registry()
        )
        assert result.status == status
    record = json.loads((tmp_path / "out" / "xlmerge.json").read_text())
    assert record["report"]["measured"]["condition_number"]["most"] is None
