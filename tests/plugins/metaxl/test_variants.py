"""Inner steps scaled like Adam's, and the cosine as objective, against derivatives by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import bilevel  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RATE = 0.02
"""Of Adam's step, in which each number moves so far."""


def _joint_gradient(case: Any) -> list[Any]:
    pairs = zip(case.source_gradient(), case.target_gradient(), strict=True)
    return [a + b for a, b in pairs]


def _with_state(case: Any) -> Any:
    """AdamW after some steps along other gradients."""
    optimizer = case.optimizer(1e-3)
    draw = torch.Generator().manual_seed(4)
    for _ in range(3):
        for p in case.theta.values():
            noise = torch.randn(p.shape, generator=draw, dtype=p.dtype)
            p.grad = 0.1 * noise
        optimizer.step()
        optimizer.zero_grad()
    return optimizer


def _factor(case: Any, optimizer: Any) -> list[Any]:
    """``1 / (sqrt(v) + eps)``, v as in algorithm 1 of Kingma and Ba."""
    if not optimizer.state:
        return [1 / (g.abs() + 1e-8) for g in _joint_gradient(case)]
    found = []
    for p in case.theta.values():
        state = optimizer.state[p]
        found.append(1 / ((state["exp_avg_sq"] / (1 - 0.999 ** int(state["step"]))) ** 0.5 + 1e-8))
    return found


def _evaluation_gradient(case: Any, rate: float, factor: Sequence[Any] | None = None) -> list[Any]:
    """At where the step arrives."""
    change = _joint_gradient(case)
    if factor is not None:
        change = [f * c for f, c in zip(factor, change, strict=True)]
    with case.moved(change, rate):
        return case.gradient(case.cross_entropy("meta"))


@pytest.mark.parametrize("started", [False, True], ids=["first_step", "with_state"])
@pytest.mark.parametrize("adapter", ["seq_bn", "lora"])
def test_a_step_scaled_like_adams(made: Callable[..., Any], adapter: str, started: bool) -> None:
    """The scale is held constant: it is known when the step is made."""
    case = made(adapter=adapter, layers=(1,))
    optimizer = _with_state(case) if started else case.optimizer(RATE)
    factor = _factor(case, optimizer)
    expected = case.differences(case.looked_ahead(RATE, factor))
    for algorithm in bilevel.ALGORITHMS:
        found = case.hypergradient(algorithm, rate=RATE, optimizer=optimizer, adam=True)
        assert bilevel.error([RATE * h for h in found.values()], expected) < 1e-7, algorithm
    plain = case.hypergradient(rate=RATE, optimizer=optimizer)
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(bilevel.flat(plain), bilevel.flat(found), 0) < 0.999


@pytest.mark.parametrize("adam", [False, True], ids=["sgd", "adam"])
def test_the_cosine_of_source_and_target_gradient(made: Callable[..., Any], adam: bool) -> None:
    case = made(layers=(1,))
    rate = RATE if adam else 0.3
    optimizer = _with_state(case)
    factor = _factor(case, optimizer) if adam else None
    target = _evaluation_gradient(case, rate, factor)
    if factor is not None:
        target = [f * v for f, v in zip(factor, target, strict=True)]
    v = bilevel.flat(target)

    def objective() -> float:
        g = bilevel.flat(case.source_gradient())
        return -float((g @ v) / (g.norm() * v.norm()))

    expected = case.differences(objective)
    for algorithm in bilevel.ALGORITHMS:
        found = case.hypergradient(
            algorithm, rate=rate, optimizer=optimizer, adam=adam, normalize=True
        )
        assert bilevel.error(found, expected) < 1e-7, algorithm


def test_the_inner_product_can_be_raised_by_length_and_the_cosine_cannot() -> None:
    from xlmerge_metaxl._modules.direction import cosine_direction

    draw = torch.Generator().manual_seed(2)
    g, v = ([torch.randn(n, generator=draw, dtype=torch.float64) for n in (3, 5)] for _ in range(2))
    assert abs(bilevel.flat(g) @ bilevel.flat(v)) > 0.1
    assert abs(bilevel.flat(g) @ bilevel.flat(cosine_direction(g, v))) < 1e-15
    zero = [torch.zeros_like(x) for x in g]
    for pair in ((g, zero), (zero, v)):
        assert not bilevel.flat(cosine_direction(*pair)).any()


def test_what_is_logged_is_what_is_measured_by_hand(made: Callable[..., Any]) -> None:
    case = made(layers=(1,))
    rate = 0.3
    batches = case.parts()
    logged = {name: float(x) for name, x in case.step()(batches, rate).items()}
    hyper = bilevel.flat([p.grad for p in case.phi.values()])
    source = float(case.cross_entropy("source", networks=True).detach())
    target = float(case.cross_entropy("target").detach())
    g, v = bilevel.flat(case.source_gradient()), bilevel.flat(_evaluation_gradient(case, rate))
    change = _joint_gradient(case)
    with case.moved(change, rate):
        meta = float(case.cross_entropy("meta").detach())
    for p, expected in zip(case.theta.values(), change, strict=True):
        torch.testing.assert_close(p.grad, expected, rtol=1e-10, atol=1e-13)
    share = logged.pop("network_share")
    assert 1e-3 < share < 1
    assert logged == pytest.approx(
        {
            "loss": source + target,
            "source_loss": source,
            "target_loss": target,
            "meta_loss": meta,
            "hypergradient_norm": float(hyper.norm()),
            "gradient_cosine": float(g @ v / (g.norm() * v.norm())),
        },
        rel=1e-10,
    )
