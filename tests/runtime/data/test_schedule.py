"""What training sees, and when."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import pytest

from xlmerge.errors import DataError, ParameterError
from xlmerge.runtime.data import Schedule, keyed, sampling_weights
from xlmerge.runtime.data.order import Mixture


def features(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Features of different lengths, each with a name."""
    return [{"name": first + n, "input_ids": [0] * (1 + n * 7 % 13)} for n in range(count)]


def seen(schedule: Schedule, *, start: int = 0) -> list[int]:
    return [schedule[position]["name"] for position in range(start, len(schedule))]


def schedule(*counts: int, steps: int = 30, batch: int = 8, **options: Any) -> Schedule:
    sources = [features(count, first=1000 * n) for n, count in enumerate(counts)]
    return Schedule(sources, steps=steps, batch=batch, **{"seed": 0, **options})


KINDS = [
    ((50,), {}),
    ((50,), {"by_length": True}),
    ((3,), {"by_length": True}),
    ((50, 20), {"weights": [1.0, 3.0]}),
    ((50, 20, 7), {"by_length": True}),
]


@pytest.mark.parametrize("epoch", range(3))
def test_an_epoch_holds_every_row_once(epoch: int) -> None:
    made = schedule(50, steps=20, batch=8)
    names = [made[position]["name"] for position in range(epoch * 50, epoch * 50 + 50)]
    assert sorted(names) == list(range(50))
    assert names != list(range(50))


def test_epochs_and_seeds_differ() -> None:
    names = seen(schedule(50))
    assert names[:50] != names[50:100]
    assert names != seen(schedule(50, seed=1))
    assert names == seen(schedule(50))


@pytest.mark.parametrize(("counts", "options"), KINDS)
def test_it_can_be_entered_anywhere(counts: tuple[int, ...], options: dict[str, Any]) -> None:
    whole = seen(schedule(*counts, **options))
    for start in (1, 49, 50, 51, 130):
        assert seen(schedule(*counts, **options), start=start) == whole[start:]
    made = schedule(*counts, **options)
    backwards = [made[position]["name"] for position in reversed(range(len(made)))]
    assert backwards[::-1] == whole


@pytest.mark.parametrize(("counts", "options"), KINDS)
def test_it_does_not_depend_on_the_number_of_steps(
    counts: tuple[int, ...], options: dict[str, Any]
) -> None:
    short = seen(schedule(*counts, steps=7, **options))
    assert short == seen(schedule(*counts, steps=90, **options))[: len(short)]


@pytest.mark.parametrize(("counts", "options"), KINDS)
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_a_step(
    counts: tuple[int, ...], options: dict[str, Any], processes: int
) -> None:
    made = schedule(*counts, **options)
    for step in range(made.steps):
        alone = [made[position] for position in made.positions(step)]
        shares = [
            [made[position] for position in made.positions(step, process=p, processes=processes)]
            for p in range(processes)
        ]
        assert [item for share in shares for item in share] == alone
        assert {len(share) for share in shares} == {made.batch // processes}


def test_a_position_is_told_with_its_feature() -> None:
    made = schedule(5)
    assert [made[position]["position"] for position in range(12)] == list(range(12))
    assert "position" not in made._sources[0][0]  # the feature itself is left as it is


def test_rows_of_like_length_come_together() -> None:
    made = schedule(5000, steps=64, batch=8, by_length=True)
    plain = schedule(5000, steps=64, batch=8)
    assert sorted(seen(made)) == sorted(seen(plain))  # two whole windows

    def padding(one: Schedule) -> int:
        lengths = [len(one[position]["input_ids"]) for position in range(len(one))]
        batches = [lengths[at : at + 8] for at in range(0, len(one), 8)]
        return sum(max(batch) * 8 - sum(batch) for batch in batches)

    assert padding(made) < padding(plain) / 10
    longest = [max(len(made[p]["input_ids"]) for p in made.positions(step)) for step in range(32)]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


def test_weights_say_how_often() -> None:
    made = schedule(40, 10, steps=1000, weights=[1.0, 3.0])
    names = seen(made)
    share = sum(name >= 1000 for name in names) / len(names)
    assert share == pytest.approx(0.75, abs=0.02)
    second = Counter(name for name in names if name >= 1000)
    assert max(second.values()) - min(second.values()) <= 1  # each its own epochs


def test_each_data_set_has_an_order_of_its_own() -> None:
    names = seen(schedule(30, 30, steps=8))
    first = [name for name in names if name < 1000][:20]
    second = [name - 1000 for name in names if name >= 1000][:20]
    assert first != second


def test_without_weights_a_large_data_set_comes_more_often() -> None:
    names = seen(schedule(80, 20, steps=1000))
    assert sum(name >= 1000 for name in names) / len(names) == pytest.approx(0.2, abs=0.02)


def test_blocks_of_draws_do_not_show() -> None:
    """Far beyond the first block, and back, the n-th draw of a data set is its n-th row."""
    mixture = Mixture([5, 3], [0.5, 0.5], seed=4)
    far = [mixture.place(position) for position in range(65_000, 66_000)]
    fresh = Mixture([5, 3], [0.5, 0.5], seed=4)
    every = [fresh.place(position) for position in range(66_000)]
    assert every[65_000:] == far
    for source, size in ((0, 5), (1, 3)):
        rows = [row for drawn, row in every if drawn == source]
        epochs = [rows[at : at + size] for at in range(0, len(rows) - size, size)]
        assert all(sorted(epoch) == list(range(size)) for epoch in epochs)


def test_sampling_weights() -> None:
    assert sampling_weights([30, 10]) == pytest.approx([0.75, 0.25])
    assert sampling_weights([100, 4], temperature=2) == pytest.approx([10 / 12, 2 / 12])
    assert sampling_weights([10**9, 1], temperature=1e9) == pytest.approx([0.5, 0.5])
    assert sampling_weights([10**9, 1], temperature=1e-3) == pytest.approx([1.0, 0.0])


def test_keys_tell_streams_apart() -> None:
    def draw(*key: str | int) -> float:
        return float(keyed(*key).random())

    assert draw(0, "mask", 7) == draw(0, "mask", 7)
    assert len({draw(0, "mask", 7), draw(1, "mask", 7), draw(0, "mask", 8), draw(0, "m", 7)}) == 4
    assert draw(1, 11) != draw(11, 1)


def test_it_goes_to_other_processes() -> None:
    made = schedule(50, 20, by_length=True)
    names = seen(made)
    assert seen(pickle.loads(pickle.dumps(made))) == names


@pytest.mark.parametrize("position", [-1, 240])
def test_positions_that_there_are_not(position: int) -> None:
    with pytest.raises(IndexError):
        schedule(50)[position]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: schedule(5, steps=0), ParameterError, "steps: expected at least 1, found 0"),
        (lambda: schedule(5, batch=0), ParameterError, "batch: expected at least 1, found 0"),
        (lambda: schedule(5, 0), DataError, r"at least 1 row each, found \[5, 0\]"),
        (schedule, DataError, "at least 1 row each"),
        (lambda: schedule(5, 5, weights=[1.0]), DataError, "1 sampling weights for 2 data sets"),
        (lambda: schedule(5, 5, weights=[1.0, 0.0]), DataError, "above 0, found"),
        (lambda: schedule(5, 5, weights=[1.0, float("nan")]), DataError, "above 0, found"),
        (lambda: sampling_weights([5], 0), ParameterError, "temperature: .* above 0, found 0"),
        (
            lambda: schedule(5, batch=6).positions(0, processes=4),
            ParameterError,
            "6 features cannot be divided among 4",
        ),
    ],
)
def test_what_cannot_be(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(("rows", "weights"), [((100,), None), ((90, 400), (1.0, 1.0))])
def test_rows_of_like_length_do_not_lie_beside_themselves(
    rows: tuple[int, ...], weights: tuple[float, ...] | None
) -> None:
    """With few rows, sorting over several passes would fill batches with one row several times."""
    sources = [[{"input_ids": [0] * (3 + at * 7 % 60)} for at in range(size)] for size in rows]
    order = Schedule(sources, steps=200, batch=8, seed=3, weights=weights, by_length=True)
    batches = [[order.place(step * 8 + at) for at in range(8)] for step in range(200)]
    twice = sum(len(batch) - len(set(batch)) for batch in batches)
    assert twice < 0.03 * 200 * 8
    lengths = [[len(sources[s][i]["input_ids"]) for s, i in batch] for batch in batches]
    padded = sum(8 * max(batch) for batch in lengths) / sum(map(sum, lengths))
    assert padded < 1.35  # 1.75 in random order
