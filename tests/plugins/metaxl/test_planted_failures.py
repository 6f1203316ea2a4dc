"""What looks like the hypergradient and is none; the central difference tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import bilevel  # noqa: E402
from libraries.defects import known_defect  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 0.3


def _wrong(found: Any, expected: Any) -> float:
    return bilevel.error([RATE * h for h in found.values()], expected)


def test_detaching_the_input_of_a_network_above_another_is_wrong(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its value depends on the network below, and with it the source gradient does."""
    from xlmerge_metaxl._modules import transformation

    case = made(layers=(1, 2))
    expected = case.differences(case.looked_ahead(RATE))
    assert _wrong(case.hypergradient(rate=RATE), expected) < 1e-7
    monkeypatch.setattr(transformation, "stopped", lambda states: states.detach())
    for algorithm in ("double_backward", "split_forward", "split_difference"):
        assert _wrong(case.hypergradient(algorithm, rate=RATE), expected) > 1e-3, algorithm


class _ReverseOverForward:
    """An algorithm in the wrong order: the derivative along the direction first."""

    def __init__(self, case: Any) -> None:
        self._case, self._losses = case, case.losses
        self._first = case.algorithm()

    def source(self, batches: Any) -> Any:
        [self._batch] = batches
        return self._first.source(batches)

    def along(self, direction: Any) -> Any:
        case = self._case
        theta = {name: p.detach() for name, p in case.theta.items()}

        def loss(main: Any) -> Any:
            value, _ = self._losses.at({**main, **case.phi}, self._batch, source=True)
            return value

        tangents = dict(zip(theta, direction, strict=True))
        _, slope = torch.func.jvp(loss, (theta,), (tangents,))
        return [-g for g in torch.autograd.grad(slope, list(case.phi.values()))]


def test_reverse_over_forward_is_wrong_through_layer_norm(made: Callable[..., Any]) -> None:
    """The layer above the network ends in two of them, and torch says nothing."""
    case = made(layers=(1,))
    expected = case.differences(case.looked_ahead(RATE))
    error = _wrong(case.hypergradient(_ReverseOverForward(case), rate=RATE), expected)
    with known_defect("reverse over forward through torch's layer_norm (torch 2.13)"):
        assert error < 1e-7
    assert error > 1e-2


def test_reverse_over_forward_is_right_without_a_layer_norm(made: Callable[..., Any]) -> None:
    """So the order alone is what is wrong above: after the last layer none follows."""
    case = made(layers=(-1,))
    found = case.hypergradient(_ReverseOverForward(case), rate=RATE)
    assert bilevel.error(found, case.hypergradient(rate=RATE)) < 1e-12


def test_a_hypergradient_without_second_derivatives_is_zero(made: Callable[..., Any]) -> None:
    """There is no first-order MetaXL: the networks are in the evaluation loss by the step alone."""
    case = made()
    target = case.cross_entropy("meta")
    found = torch.autograd.grad(target, list(case.phi.values()), allow_unused=True)
    assert all(g is None for g in found)
    assert bilevel.flat(case.hypergradient()).norm() > 1e-2
