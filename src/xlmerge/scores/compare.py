"""From per-row statistics to a table with spreads, intervals and comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.errors import DataError, ParameterError
from xlmerge.recipe.wording import code, did_you_mean
from xlmerge.scores.bootstrap import interval, p_value, resampled_totals
from xlmerge.scores.table import Difference, Measured, Score, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np

__all__ = ["score_table"]


@dataclass(frozen=True, slots=True)
class _Sampled:
    """A score, and what it becomes on resampled rows (``[resamples]``)."""

    value: float
    samples: np.ndarray[Any, Any]


_BySeed: TypeAlias = Mapping[str, _Sampled]


def score_table(
    measured: Iterable[Measured],
    *,
    metric: str,
    greater_is_better: bool = True,
    baseline: str | None = None,
    parallel: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> Table:
    """Put scores together, and compare each row with the baseline.

    The numbers of a cell depend neither on the order of what is measured nor on other cells.

    Args:
        measured: All systems on all test sets, with all seeds; some may be missing.
        metric: Name of the metric.
        greater_is_better: Whether more of it is better.
        baseline: Label of a row; None for the first.
        parallel: Whether the test sets are parallel row by row. Then one draw of rows holds for
            all of them, and the interval of the average is as wide as it has to be.
        resamples: Number of bootstrap samples, at least 100.
        seed: Seed of the bootstrap, not negative.

    Raises:
        DataError: Nothing was measured, or twice; statistics are no finite ``[n, k]``; systems
            were measured on different numbers of rows; a score is not finite.
        ParameterError: ``baseline`` is no row, ``resamples`` or ``seed`` is out of range.
    """
    if resamples < 100:
        raise ParameterError(f"resamples: expected at least 100, found {resamples}")
    if seed < 0:
        raise ParameterError(f"seed: expected a number that is not negative, found {seed}")
    cells = _cells(measured)
    rows = tuple(dict.fromkeys(row for row, _ in cells))
    columns = tuple(dict.fromkeys(column for _, column in cells))
    baseline = rows[0] if baseline is None else baseline
    if baseline not in rows:
        raise ParameterError(
            f"baseline: there is no row {code(baseline)}",
            hint=did_you_mean(baseline, rows, what="rows"),
        )
    sizes = {column: _size(column, cells) for column in columns}
    if parallel and len(set(sizes.values())) > 1:
        shown = ", ".join(f"{column} {size}" for column, size in sizes.items())
        raise DataError(f"parallel test sets need the same rows, but there are: {shown}")
    sampled: dict[tuple[str, str], _BySeed] = {}
    for column in columns:
        key = [seed] if parallel else [seed, int.from_bytes(column.encode(), "big")]
        sampled.update(_sampled(column, cells, resamples, key))
    whole = {row: by_seed for row in rows if (by_seed := _averaged(row, columns, sampled))}
    return Table(
        metric=metric,
        greater_is_better=greater_is_better,
        rows=rows,
        columns=columns,
        scores={
            (row, column): _score(
                by_seed, sizes[column], None if row == baseline else sampled.get((baseline, column))
            )
            for (row, column), by_seed in sampled.items()
        },
        averages={
            row: _score(
                by_seed, sum(sizes.values()), None if row == baseline else whole.get(baseline)
            )
            for row, by_seed in whole.items()
        },
        baseline=baseline if len(rows) > 1 else None,
        resamples=resamples,
        seed=seed,
        parallel=parallel,
    )


def _cells(measured: Iterable[Measured]) -> dict[tuple[str, str], dict[str, Measured]]:
    """Row and column to seed to what was measured."""
    import numpy as np

    cells: dict[tuple[str, str], dict[str, Measured]] = {}
    for each in measured:
        where = _where(each)
        shape = np.shape(each.statistics)
        if len(shape) != 2 or 0 in shape:
            raise DataError(f"{where}: expected statistics [rows, numbers], found {list(shape)}")
        if not np.isfinite(each.statistics).all():
            raise DataError(f"{where}: the statistics are not finite")
        seeds = cells.setdefault((each.row, each.column), {})
        if (each.seed or "") in seeds:
            raise DataError(f"{where}: measured twice")
        if seeds and ("" in seeds or each.seed is None):
            raise DataError(f"{where}: measured with a seed and without one")
        seeds[each.seed or ""] = each
    if not cells:
        raise DataError("nothing was measured")
    return cells


def _size(column: str, cells: Mapping[tuple[str, str], Mapping[str, Measured]]) -> int:
    """Number of rows of a test set, which all systems must agree on."""
    sizes: dict[int, Measured] = {}
    for (_, name), seeds in cells.items():
        if name == column:
            for each in seeds.values():
                sizes.setdefault(len(each.statistics), each)
    if len(sizes) > 1:
        shown = ", ".join(f"{size} rows ({_where(each)})" for size, each in sizes.items())
        raise DataError(f"systems were measured on different rows of {code(column)}: {shown}")
    return next(iter(sizes))


def _sampled(
    column: str,
    cells: Mapping[tuple[str, str], Mapping[str, Measured]],
    resamples: int,
    key: Sequence[int],
) -> Mapping[tuple[str, str], _BySeed]:
    """Scores of a column, with what they become on rows drawn for all of its cells."""
    import numpy as np

    every = [each for at, seeds in cells.items() if at[1] == column for each in seeds.values()]
    statistics = [np.asarray(each.statistics, dtype=np.float64) for each in every]
    totals = resampled_totals(statistics, resamples=resamples, key=key)
    sampled: dict[tuple[str, str], dict[str, _Sampled]] = {}
    for each, own, total in zip(every, statistics, totals, strict=True):
        value = float(each.metric(own.sum(axis=0)))
        samples = np.asarray(each.metric(total), dtype=np.float64)
        if not (np.isfinite(value) and np.isfinite(samples).all()):
            raise DataError(
                f"{_where(each)}: the metric is not finite on all test rows, or on rows drawn "
                f"from them",
                hint="a metric must be a number for any rows, also where it would divide by 0",
            )
        sampled.setdefault((each.row, column), {})[each.seed or ""] = _Sampled(value, samples)
    return sampled


def _averaged(
    row: str, columns: Sequence[str], sampled: Mapping[tuple[str, str], _BySeed]
) -> dict[str, _Sampled]:
    """Means over columns, for the seeds that a row has in all of them; empty with one column."""
    lines = [sampled.get((row, column), {}) for column in sorted(columns)]  # sums are the same then
    if len(lines) < 2:
        return {}
    return {
        seed: _Sampled(
            fmean(line[seed].value for line in lines),
            _mean([line[seed].samples for line in lines]),
        )
        for seed in lines[0]
        if all(seed in line for line in lines)
    }


def _score(by_seed: _BySeed, size: int, baseline: _BySeed | None) -> Score:
    values = {seed: by_seed[seed].value for seed in sorted(by_seed)}
    low, high = interval(_mean([by_seed[seed].samples for seed in values]))
    return Score(
        mean=fmean(values.values()),
        sd=stdev(values.values()) if len(values) > 1 else None,
        seeds=values,
        low=low,
        high=high,
        size=size,
        difference=None if baseline is None else _difference(by_seed, baseline),
    )


def _difference(mine: _BySeed, other: _BySeed) -> Difference | None:
    """Mine minus the other, seed by seed; what has no seeds goes with each of the other's."""
    if "" in mine:
        pairs = [(mine[""], other[seed]) for seed in sorted(other)]
    elif "" in other:
        pairs = [(mine[seed], other[""]) for seed in sorted(mine)]
    else:
        pairs = [(mine[seed], other[seed]) for seed in sorted(mine.keys() & other.keys())]
    if not pairs:
        return None
    samples = _mean([one.samples - two.samples for one, two in pairs])
    low, high = interval(samples)
    return Difference(
        value=fmean(one.value - two.value for one, two in pairs),
        low=low,
        high=high,
        p=p_value(samples),
        pairs=len(pairs),
    )


def _mean(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    return sum(arrays[1:], start=arrays[0]) / len(arrays)


def _where(measured: Measured) -> str:
    parts = [code(measured.row), *([f"on {code(measured.column)}"] if measured.column else [])]
    return " ".join(parts + ([f"with seed {measured.seed}"] if measured.seed else []))
