"""What holds to the last bit, or by the form of the hypergradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import bilevel  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

STEPS = 4
RATE = 1e-2


def _equal(found: Iterable[Any], expected: Iterable[Any]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


# --- joint training where the networks do nothing -----------------------------------------------


def _trained(case: Any, step: Callable[[Any, int], None], *, dropout: bool) -> list[Any]:
    """Main parameters after some steps of AdamW."""
    case.live.model.train(dropout)
    optimizer = case.optimizer(RATE, meta_rate=0.0)
    torch.manual_seed(3)
    before = [p.detach().clone() for p in case.theta.values()]
    for number in range(STEPS):
        step(optimizer, number)
        optimizer.step()
        optimizer.zero_grad()
    after = [p.detach().clone() for p in case.theta.values()]
    assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) > len(after) / 2
    return after


def _plain(case: Any, *, dropout: bool) -> list[Any]:
    """A loop as anybody would write it: two mean losses, added."""

    def step(optimizer: Any, number: int) -> None:
        (case.cross_entropy("source") + case.cross_entropy("target")).backward()

    return _trained(case, step, dropout=dropout)


def _without_networks(case: Any, *, dropout: bool) -> list[Any]:
    """The plugin's own joint training."""
    from xlmerge_metaxl.trainers._modules.bilevel import Joint
    from xlmerge_metaxl.trainers._modules.losses import Losses

    joint = Joint(Losses(case.work, case.run, ()), case.theta, {})
    return _trained(case, lambda _, __: joint(case.parts(), None), dropout=dropout)


def _bilevel(case: Any, algorithm: str, *, dropout: bool, **options: bool) -> list[Any]:
    carried_out = case.step(algorithm, **options)
    before = [p.detach().clone() for p in case.phi.values()]

    def step(optimizer: Any, number: int) -> None:
        carried_out(case.parts(), RATE, optimizer, number)
        assert options.get("fresh") or any(p.grad.any() for p in case.phi.values())

    found = _trained(case, step, dropout=dropout)
    assert _equal(case.phi.values(), before)
    return found


@pytest.mark.parametrize("stop_gradient", [True, False])
@pytest.mark.parametrize("algorithm", bilevel.ALGORITHMS)
def test_networks_that_add_nothing_and_never_move_leave_joint_training(
    made: Callable[..., Any], base_with_dropout: Path, algorithm: str, stop_gradient: bool
) -> None:
    """To the last bit, over several steps of AdamW, with dropout."""
    fields: dict[str, Any] = {"init": "identity", "dtype": "float32", "layers": (1,)}
    fields["stop_gradient"] = stop_gradient
    found = _bilevel(made(base_with_dropout, **fields), algorithm, dropout=True)
    assert _equal(found, _plain(made(base_with_dropout, **fields), dropout=True))
    assert _equal(found, _without_networks(made(base_with_dropout, **fields), dropout=True))


@pytest.mark.parametrize("option", ["fresh", "adam", "normalize"])
def test_no_option_of_the_networks_changes_joint_training(
    made: Callable[..., Any], option: str
) -> None:
    fields: dict[str, Any] = {"init": "identity", "dtype": "float32", "adapter": "lora"}
    found = _bilevel(made(**fields), "double_backward", dropout=False, **{option: True})
    assert _equal(found, _plain(made(**fields), dropout=False))


def test_networks_that_move_change_the_training(made: Callable[..., Any]) -> None:
    """So the tests above compare what could be different."""
    case = made(init="identity", dtype="float32", layers=(1,))
    expected = _without_networks(case, dropout=False)
    case = made(init="identity", dtype="float32", layers=(1,))
    optimizer = case.optimizer(RATE)
    step = case.step()
    for number in range(STEPS):
        step(case.parts(), RATE, optimizer, number)
        optimizer.step()
    assert not _equal(case.theta.values(), expected)


# --- by its form ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", bilevel.ALGORITHMS)
def test_it_is_zero_where_no_row_has_a_network(made: Callable[..., Any], algorithm: str) -> None:
    case = made(layers=(1,))
    source = {**case.batches["source"], "source": torch.full((4,), -1)}
    found = case.hypergradient(algorithm, batches={"source": source})
    assert not bilevel.flat(found).any()
    assert bilevel.flat(case.hypergradient(algorithm)).any()


@pytest.mark.parametrize("algorithm", bilevel.ALGORITHMS)
def test_it_is_linear_in_the_direction(made: Callable[..., Any], algorithm: str) -> None:
    case = made(layers=(1,))
    draw = torch.Generator().manual_seed(5)
    shapes = [p.shape for p in case.theta.values()]
    one, other = (
        [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes]
        for _ in range(2)
    )

    def along(direction: Any) -> Any:
        made_by = case.algorithm(algorithm)
        made_by.source(case.parts()["source"])
        return bilevel.flat(made_by.along(direction))

    assert not along([torch.zeros_like(v) for v in one]).any()
    for scale in (1e-6, -3.0, 1e6):
        found = along([scale * v for v in one])
        torch.testing.assert_close(found, scale * along(one), rtol=1e-6, atol=1e-9 * abs(scale))
    both = along([2 * a - b for a, b in zip(one, other, strict=True)])
    torch.testing.assert_close(both, 2 * along(one) - along(other), rtol=1e-6, atol=1e-8)


def test_the_target_rows_to_train_on_are_in_the_direction_alone(made: Callable[..., Any]) -> None:
    """Their loss does not depend on the networks, so it need not be differentiated twice."""
    from xlmerge_metaxl._modules.hypergradient import double_backward

    case = made(layers=(1,))
    draw = torch.Generator().manual_seed(5)
    direction = {
        name: torch.randn(p.shape, generator=draw, dtype=p.dtype) for name, p in case.theta.items()
    }

    def source(theta: Any, phi: Any) -> Any:
        return case.losses.at({**theta, **phi}, case.batches["source"], source=True)[0]

    def both(theta: Any, phi: Any) -> Any:
        more, _ = case.losses.at({**theta, **phi}, case.batches["target"], source=False)
        return source(theta, phi) + more

    found = [double_backward(loss, case.theta, case.phi, direction) for loss in (source, both)]
    assert bilevel.flat(found[0]).any()
    assert _equal(found[0].values(), found[1].values())


def test_small_rates_leave_the_inner_product_of_gradients_at_one_point(
    made: Callable[..., Any],
) -> None:
    """``-grad_phi <g_S, grad L_E(theta)>``, approached in proportion to the rate."""
    case = made(layers=(1,))
    v = bilevel.flat(case.gradient(case.cross_entropy("meta")))
    expected = case.differences(lambda: -float(bilevel.flat(case.source_gradient()) @ v))
    assert bilevel.error(case.hypergradient(rate=0.0), expected) < 1e-7
    errors = [bilevel.error(case.hypergradient(rate=rate), expected) for rate in (1e-2, 1e-3, 1e-4)]
    assert errors[0] > 1e-4
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.1)


# --- what a step leaves alone -----------------------------------------------------------------


@pytest.mark.parametrize("algorithm", bilevel.ALGORITHMS)
@pytest.mark.parametrize("parts", [1, 2])
def test_a_step_changes_nothing_but_gradients(
    made: Callable[..., Any], base_with_dropout: Path, algorithm: str, parts: int
) -> None:
    """Parameters, buffers, random state and the optimizer's state, to the last bit."""
    from xlmerge_metaxl._modules import stopping
    from xlmerge_metaxl.trainers._modules.bilevel import Joint

    case = made(base_with_dropout, layers=(1,))
    model = case.live.model.train()
    optimizer = case.optimizer(RATE)
    case.step()(case.parts(), RATE, optimizer)
    optimizer.step()
    optimizer.zero_grad()
    rows = case.parts(parts)

    torch.manual_seed(9)
    Joint(case.losses, case.theta, case.phi)(rows, None)
    drawn = torch.get_rng_state()
    joint = [p.grad.clone() for p in case.theta.values()]
    optimizer.zero_grad()

    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    state = [x for slot in optimizer.state.values() for x in slot.values()]
    before = [x.detach().clone() for x in (*tensors.values(), *state)]
    torch.manual_seed(9)
    case.step(algorithm, adam=True, normalize=True)(rows, RATE, optimizer)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert _equal((*tensors.values(), *state), before)
    assert _equal([p.grad for p in case.theta.values()], joint)
    trained = {*case.theta, *case.phi}
    assert [n for n, p in model.named_parameters() if (p.grad is None) == (n in trained)] == []
    assert not stopping._Stop.is_open


# --- rows without a network ---------------------------------------------------------------------


@pytest.mark.parametrize("layers", [(0,), (1,), (-1,), (0, 1, 2)], ids=str)
def test_rows_of_the_target_are_as_without_networks(
    made: Callable[..., Any], layers: tuple[int, ...]
) -> None:
    """To the last bit, beside rows of sources in one batch; and after it all is as before."""
    from xlmerge_metaxl._modules.attaching import attached

    case = made(layers=layers, dtype="float32")
    mixed = {**case.batches["source"], "source": torch.tensor([-1, 0, 1, -1])}
    no_column = {name: column for name, column in mixed.items() if name != "source"}

    def logits(batch: Any, *, networks: bool) -> Any:
        with torch.no_grad():
            if not networks:
                return case.run(batch)["logits"]
            with attached(case.live, case.networks):
                return case.run(batch)["logits"]

    plain, found = logits(mixed, networks=False), logits(mixed, networks=True)
    assert torch.equal(found[[0, 3]], plain[[0, 3]])
    assert not (found[[1, 2]] == plain[[1, 2]]).any()
    assert torch.equal(logits(no_column, networks=True), plain)
    assert torch.equal(logits(mixed, networks=False), plain)
    swapped = {**mixed, "source": torch.tensor([-1, 1, 0, -1])}
    assert not (logits(swapped, networks=True)[[1, 2]] == found[[1, 2]]).any()
