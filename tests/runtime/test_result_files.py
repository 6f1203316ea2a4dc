"""Names of the files that an evaluation leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytestmark = pytest.mark.libraries
pytest.importorskip("torch")
pytest.importorskip("datasets")

if TYPE_CHECKING:
    from pathlib import Path


def _written(labels: list[str], folder: Path, **cell: Any) -> dict[str, str]:
    """Label to the file with its predictions, which are the label itself."""
    from datasets import Dataset

    from xlmerge.plan.orders import CellOrder
    from xlmerge.plan.request import DataRequest
    from xlmerge.plugin.trees import Leaf
    from xlmerge.runtime.kept_cells import KeptCell
    from xlmerge.runtime.result_files import row_names, write_predictions

    names, rows = row_names(labels), Dataset.from_dict({"text": ["t"]})
    found = {}
    for label in labels:
        order = CellOrder(
            row=label,
            tree=Leaf("a"),
            folders={},
            data=DataRequest(name="d", path="d", start=folder),
            head=None,
            key="k",
            **{"column": "", "seed": None, **cell},
        )
        kept = KeptCell(labels=(), predictions=[label], statistics=np.zeros((1, 1)))
        found[label] = write_predictions(order, kept, rows, folder, row_name=names[label])
    return found


@pytest.mark.parametrize(
    "labels",
    [
        ["target .25", "target .5", "target"],
        [".5 target", "5 target", "5-target"],
        ["own", "Own", "own-2"],
        ["?", "!"],
        ["x" * 300 + "a", "x" * 300 + "b"],
    ],
)
@pytest.mark.parametrize("cell", [{}, {"column": "mad/x", "seed": "0"}])
def test_every_row_has_a_file_of_its_own(labels: list[str], cell: Any, tmp_path: Path) -> None:
    for label, file in _written(labels, tmp_path, **cell).items():
        assert json.loads((tmp_path / file).read_text("utf-8"))["prediction"] == label


def test_the_names_are_those_of_rows_columns_and_seeds(tmp_path: Path) -> None:
    found = _written(["target .5"], tmp_path, column="mad/x", seed="0")
    assert found == {"target .5": "predictions/target-.5/mad/x/seed-0.jsonl"}
    assert _written(["target .5"], tmp_path) == {"target .5": "predictions/target-.5.jsonl"}
