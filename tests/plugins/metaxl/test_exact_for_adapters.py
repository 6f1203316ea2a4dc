"""The hypergradient is the derivative of the evaluation loss, whatever the main parameters are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import bilevel, tiny_training  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 0.3


def _known(name: str) -> bool:
    try:
        tiny_training.named_config(name)
    except KeyError:
        return False
    return True


ADAPTERS = [
    "seq_bn",
    "lora",
    "ia3",
    pytest.param(
        "full",
        marks=pytest.mark.skipif(not _known("full"), reason="no architecture has the name full"),
    ),
    pytest.param(None, id="whole_model"),
]


@pytest.mark.parametrize("stop_gradient", [True, False])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_algorithm_gives_the_central_difference(
    made: Callable[..., Any], adapter: str | None, stop_gradient: bool
) -> None:
    case = made(adapter=adapter, layers=(1,), stop_gradient=stop_gradient)
    expected = case.differences(case.looked_ahead(RATE))
    assert bilevel.flat(expected).norm() > 1e-2
    for algorithm in bilevel.ALGORITHMS:
        found = case.hypergradient(algorithm, rate=RATE)
        scaled = [RATE * h for h in found.values()]
        assert bilevel.error(scaled, expected) < 1e-7, algorithm


@pytest.mark.parametrize("adapter", ["lora", None], ids=["lora", "whole_model"])
def test_another_rate_gives_another_hypergradient(
    made: Callable[..., Any], adapter: str | None
) -> None:
    """The rate is in it twice: as a factor, which is left out, and in where the step arrives."""
    case = made(adapter=adapter)
    found = {}
    for rate in (0.1, 0.5):
        expected = case.differences(case.looked_ahead(rate))
        found[rate] = case.hypergradient(rate=rate)
        assert bilevel.error([rate * h for h in found[rate].values()], expected) < 1e-7
    assert bilevel.error(found[0.1], found[0.5]) > 1e-2
