"""Files with all that a table holds, for programs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlmerge.scores.table import Score, Table

__all__ = ["to_csv", "to_json"]


def to_json(table: Table) -> str:
    """Scores of each seed, means, intervals and differences; what is missing is not there."""
    document = {
        "metric": table.metric,
        "greater_is_better": table.greater_is_better,
        "baseline": table.baseline,
        "bootstrap": {
            "resamples": table.resamples,
            "seed": table.seed,
            "interval": [2.5, 97.5],
            "parallel_columns": table.parallel,
        },
        "rows": list(table.rows),
        "columns": list(table.columns),
        "scores": [
            {"row": row, "column": column, **_score(score)}
            for row in table.rows
            for column in table.columns
            if (score := table.scores.get((row, column))) is not None
        ],
        "averages": [
            {"row": row, **_score(table.averages[row])}
            for row in table.rows
            if row in table.averages
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(table: Table) -> str:
    """One line for each row, column and seed, with a header."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["row", "column", "seed", "metric", "score", "test_rows"])
    for row in table.rows:
        for column in table.columns:
            score = table.scores.get((row, column))
            if score is None:
                continue
            for seed, value in score.seeds.items():
                writer.writerow([row, column, seed, table.metric, value, score.size])
    return file.getvalue()


def _score(score: Score) -> dict[str, Any]:
    return {
        "mean": score.mean,
        "sd": score.sd,
        "seeds": dict(score.seeds),
        "test_rows": score.size,
        "interval": [score.low, score.high],
        "difference": None if score.difference is None else asdict(score.difference),
    }
