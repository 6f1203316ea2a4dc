"""The whole one-step hypergradient of any model, against central differences."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.libraries

RATE = 0.3


def losses() -> tuple[Any, ...]:
    """Two layers, and a network between them for source rows; three losses of random rows."""
    draw = torch.Generator().manual_seed(4)

    def random(*shape: int) -> Any:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    theta = {"first": random(5, 4), "second": random(3, 5)}
    phi = {"matrix": 0.3 * random(5, 5), "bias": 0.3 * random(5)}
    rows = {name: (random(6, 4), torch.arange(6) % 3) for name in ("source", "target", "held")}

    def logits(theta: Any, inputs: Any, phi: Any = None) -> Any:
        states = torch.tanh(inputs @ theta["first"].T)
        if phi is not None:
            states = states + torch.tanh(states @ phi["matrix"].T + phi["bias"])
        return states @ theta["second"].T

    def loss(name: str, theta: Any, phi: Any = None) -> Any:
        inputs, labels = rows[name]
        return torch.nn.functional.cross_entropy(logits(theta, inputs, phi), labels)

    return (
        theta,
        phi,
        lambda main, networks: loss("source", main, networks),
        lambda main: loss("target", main),
        lambda main: loss("held", main),
    )


@pytest.mark.parametrize("along", ["double_backward", "forward_over_reverse"])
@pytest.mark.parametrize("with_training", [False, True])
def test_it_is_the_derivative_of_the_loss_after_the_step(along: str, with_training: bool) -> None:
    import xlmerge_metaxl

    theta, phi, source, training, evaluation = losses()
    training = training if with_training else None
    found = xlmerge_metaxl.one_step_hypergradient(
        source,
        evaluation,
        theta,
        phi,
        rate=RATE,
        training=training,
        along=getattr(xlmerge_metaxl, along),
    )

    def after(changed: Any) -> float:
        main = {name: tensor.clone().requires_grad_() for name, tensor in theta.items()}
        total = source(main, changed) + (training(main) if training else 0)
        gradients = torch.autograd.grad(total, list(main.values()))
        pairs = zip(main.items(), gradients, strict=True)
        return float(evaluation({name: t.detach() - RATE * g for (name, t), g in pairs}))

    error = size = 0.0
    for name, tensor in phi.items():
        for at in range(tensor.numel()):
            values = []
            for sign in (1, -1):
                changed = {key: value.clone() for key, value in phi.items()}
                changed[name].view(-1)[at] += sign * 1e-5
                values.append(after(changed))
            difference = (values[0] - values[1]) / 2e-5
            error = max(error, abs(difference - RATE * float(found[name].view(-1)[at])))
            size = max(size, abs(difference))
    assert size > 1e-3
    assert error < 1e-7 * size


def test_nothing_that_is_passed_in_changes() -> None:
    from xlmerge_metaxl import one_step_hypergradient

    theta, phi, source, training, evaluation = losses()
    before = {name: tensor.clone() for name, tensor in {**theta, **phi}.items()}
    one_step_hypergradient(source, evaluation, theta, phi, rate=RATE, training=training)
    for name, tensor in {**theta, **phi}.items():
        assert torch.equal(tensor, before[name])
        assert tensor.grad is None
        assert not tensor.requires_grad
