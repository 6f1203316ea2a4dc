"""Direct sums stream: one member in memory, nothing computed before it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from xlmerge.errors import SpaceError
from xlmerge.spaces import (
    AdditiveSpace,
    Compression,
    DirectSum,
    LazyMapping,
    LowRankSpace,
    MultiplicativeSpace,
    PrefixSpace,
)

if TYPE_CHECKING:
    from tests.unit.spaces.conftest import Draw


SPACE = DirectSum({"a": AdditiveSpace(), "b": AdditiveSpace()})


def counted(values: dict[str, np.ndarray]) -> tuple[LazyMapping, list[str]]:
    reads: list[str] = []

    def read(name: str) -> np.ndarray:
        reads.append(name)
        return values[name]

    return LazyMapping(list(values), read), reads


def test_a_lazy_mapping_computes_only_what_is_asked_for() -> None:
    values, reads = counted({"a": np.ones(1), "b": np.ones(2)})
    assert (list(values), len(values), "a" in values, "c" in values) == (["a", "b"], 2, True, False)
    assert repr(values) == "LazyMapping(['a', 'b'])"
    assert reads == []
    assert values["b"] is values["b"]
    assert reads == ["b", "b"]
    with pytest.raises(KeyError, match="c"):
        values["c"]


def test_nothing_is_read_before_a_member_is() -> None:
    values, reads = counted({"a": np.ones(1), "b": np.ones(2)})
    delta = SPACE.delta(values)
    dense = SPACE.dense(SPACE.lincomb([1.0, 2.0], [delta, delta]))
    result = SPACE.restore(SPACE.undense(SPACE.elementwise(lambda d: 2 * d, dense)))
    moved = SPACE.transport(result, values, dense, 0.5)
    assert reads == []
    assert result["a"].tolist() == [6.0]
    assert set(reads) == {"a"}
    assert moved["a"].tolist() == [6.0 + 0.5 * (3.0 - 1.0)]


def test_the_same_operand_is_read_once() -> None:
    values, reads = counted({"a": np.ones(1), "b": np.ones(2)})
    _ = SPACE.lincomb([1.0, 1.0], [values, values])["a"]
    assert reads == ["a"]


def test_transport_of_nothing_reads_only_x_and_gives_it_back() -> None:
    x = {"a": np.ones(1), "b": np.ones(2)}
    source, source_reads = counted(x)
    target, target_reads = counted(x)
    assert SPACE.transport(x, source, target, 0.0)["a"] is x["a"]
    assert SPACE.transport(x, source, source, 1.0)["b"] is x["b"]
    assert source_reads == target_reads == []


def test_sums_run_over_all_members() -> None:
    dense = {"a": np.asarray([1.0, -4.0]), "b": np.asarray([[3.0], [2.0]])}
    assert SPACE.inner(dense, dense) == 30.0
    assert SPACE.size(dense) == 4
    assert [SPACE.kth_magnitude(dense, k) for k in (1, 2, 3, 4)] == [4.0, 3.0, 2.0, 1.0]


def test_direct_sums_nest() -> None:
    space = DirectSum({"layer": SPACE, "head": AdditiveSpace()})
    x = {"layer": {"a": np.asarray([1.0]), "b": np.asarray([5.0])}, "head": np.asarray([-3.0])}
    assert (space.kth_magnitude(x, 2), space.size(x), space.inner(x, x)) == (3.0, 3, 35.0)
    assert space.lincomb([2.0], [x])["layer"]["b"].tolist() == [10.0]


@pytest.mark.parametrize(
    ("members", "reaches"),
    [
        ([AdditiveSpace(), LowRankSpace(), MultiplicativeSpace()], True),
        ([AdditiveSpace(), PrefixSpace()], False),
    ],
)
def test_the_target_is_reached_if_all_members_reach_it(members: list, reaches: bool) -> None:
    assert DirectSum(dict(zip("abc", members, strict=False))).reaches_target is reaches


def test_members_are_those_of_each_by_itself(draw: Draw) -> None:
    space = LowRankSpace(Compression(rank=2))
    points = [{"q": draw.lora(), "v": draw.lora(out=4)} for _ in range(3)]
    found = DirectSum({"q": space, "v": space}).transport(*points, 0.5)
    for name in ("q", "v"):
        alone = space.transport(*(x[name] for x in points), 0.5)
        assert found[name].left.tobytes() == alone.left.tobytes()
        assert found[name].right.tobytes() == alone.right.tobytes()


@pytest.mark.parametrize("operand", [{"a": 1}, {"a": 1, "b": 2, "c": 3}, {"c": 1}])
@pytest.mark.parametrize(
    "operation",
    [
        "delta",
        "restore",
        "lincomb",
        "inner",
        "dense",
        "undense",
        "elementwise",
        "kth",
        "size",
        "move",
    ],
)
def test_members_must_agree(operand: dict, operation: str) -> None:
    whole = {"a": 1, "b": 2}
    with pytest.raises(SpaceError, match=r"missing .*, unknown"):
        {
            "delta": lambda: SPACE.delta(operand),
            "restore": lambda: SPACE.restore(operand),
            "lincomb": lambda: SPACE.lincomb([1.0, 1.0], [whole, operand]),
            "inner": lambda: SPACE.inner(whole, operand),
            "dense": lambda: SPACE.dense(operand),
            "undense": lambda: SPACE.undense(operand),
            "elementwise": lambda: SPACE.elementwise(abs, operand),
            "kth": lambda: SPACE.kth_magnitude(operand, 1),
            "size": lambda: SPACE.size(operand),
            "move": lambda: SPACE.transport(whole, whole, operand, 0.0),
        }[operation]()


def test_an_empty_direct_sum_is_refused() -> None:
    with pytest.raises(SpaceError, match="at least one member"):
        DirectSum({})


def test_weights_and_deltas_must_pair_up_at_once() -> None:
    with pytest.raises(SpaceError, match="2 weights and 1 deltas"):
        SPACE.lincomb([1.0, 2.0], [{"a": 1, "b": 2}])
