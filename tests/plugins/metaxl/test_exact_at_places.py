"""The hypergradient is exact for networks at any layer, at several, and for shared ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import ModelError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import bilevel  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 0.3
PLACES = [(-1,), (0,), (1, 2), (0, 2)]


def _errors(case: Any, algorithms: Any, expected: Any) -> dict[str, float]:
    found = {name: case.hypergradient(name, rate=RATE) for name in algorithms}
    return {
        name: bilevel.error([RATE * h for h in hyper.values()], expected)
        for name, hyper in found.items()
    }


@pytest.mark.parametrize("stop_gradient", [True, False])
@pytest.mark.parametrize("layers", PLACES, ids=str)
def test_every_algorithm_gives_the_central_difference(
    made: Callable[..., Any], layers: tuple[int, ...], stop_gradient: bool
) -> None:
    case = made(layers=layers, stop_gradient=stop_gradient)
    algorithms = list(bilevel.ALGORITHMS)
    if stop_gradient and len(layers) > 1:
        algorithms.remove("forward_over_reverse")
        with pytest.raises(ModelError, match="hypergradient cannot be computed"):
            case.hypergradient("forward_over_reverse")
    expected = case.differences(case.looked_ahead(RATE))
    errors = _errors(case, algorithms, expected)
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("layers", [(1,), (1, 2)], ids=str)
def test_sources_may_share_a_network(made: Callable[..., Any], layers: tuple[int, ...]) -> None:
    own = made(layers=layers)
    case = made(layers=layers, shared=True)
    assert len(bilevel.flat(case.phi)) * 2 == len(bilevel.flat(own.phi))
    expected = case.differences(case.looked_ahead(RATE))
    errors = _errors(case, {*bilevel.ALGORITHMS} - {"forward_over_reverse"}, expected)
    assert max(errors.values()) < 1e-7, errors


def test_source_rows_without_a_network_are_in_the_step_and_not_in_the_slope(
    made: Callable[..., Any],
) -> None:
    case = made(layers=(1,))
    source = {**case.batches["source"], "source": torch.tensor([0, -1, 1, -1])}
    case = replace(case, batches={**case.batches, "source": source})
    expected = case.differences(case.looked_ahead(RATE))
    errors = _errors(case, bilevel.ALGORITHMS, expected)
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("layers", [(1,), (2,)], ids=str)
def test_a_stopped_gradient_changes_the_hypergradient(
    made: Callable[..., Any], layers: tuple[int, ...]
) -> None:
    """Through the main parameters below: those of the first layer here."""
    stopped = made(layers=layers).hypergradient()
    passing = made(layers=layers, stop_gradient=False).hypergradient()
    assert bilevel.error(stopped, passing) > 1e-2


def test_a_source_without_rows_has_no_hypergradient(made: Callable[..., Any]) -> None:
    case = made()
    source = {**case.batches["source"], "source": torch.zeros(4, dtype=torch.long)}
    for algorithm in bilevel.ALGORITHMS:
        found = case.hypergradient(algorithm, batches={"source": source})
        for name, tensor in found.items():
            assert bool(tensor.any()) == (".first." in name), (algorithm, name)
