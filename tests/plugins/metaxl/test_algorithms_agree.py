"""The ways to a hypergradient give the same one, with dropout too, and say what they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import ModelError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import bilevel  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXACT = ("forward_over_reverse", "split_forward")
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
CLOSE = {name: 1e-8 if name == "split_difference" else 1e-12 for name in bilevel.ALGORITHMS}


def _drawn(case: Any, algorithm: str, **options: Any) -> dict[str, Any]:
    """A hypergradient with the dropout of one seed."""
    torch.manual_seed(7)
    found: dict[str, Any] = case.hypergradient(algorithm, **options)
    return found


@pytest.mark.parametrize("stop_gradient", [True, False])
@pytest.mark.parametrize("layers", [(-1,), (0,), (1, 2)], ids=str)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_exact_algorithms_agree(
    made: Callable[..., Any], dtype: str, layers: tuple[int, ...], stop_gradient: bool
) -> None:
    case = made(dtype=dtype, layers=layers, stop_gradient=stop_gradient, reduction_factor=2)
    expected = case.hypergradient()
    for algorithm in EXACT:
        if algorithm == "forward_over_reverse" and stop_gradient and len(layers) > 1:
            continue
        found = case.hypergradient(algorithm)
        assert bilevel.error(found, expected) < TOLERANCE[dtype], algorithm


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("adapter", ["seq_bn", "lora"])
def test_the_difference_is_as_good_as_it_says(
    made: Callable[..., Any], adapter: str, dtype: str
) -> None:
    case = made(adapter=adapter, dtype=dtype, reduction_factor=2)
    algorithm = case.algorithm("split_difference")
    assert algorithm.error is None
    found = bilevel.error(case.hypergradient(algorithm), case.hypergradient())
    assert found <= 3 * algorithm.error
    assert algorithm.error < {"float64": 1e-9, "float32": 1e-2}[dtype]


@pytest.mark.parametrize("algorithm", bilevel.ALGORITHMS)
def test_parts_do_not_matter(made: Callable[..., Any], algorithm: str) -> None:
    """Sums over rows: as many items are in a step, however it is cut."""
    case = made(layers=(1,))
    whole = case.hypergradient(algorithm)
    for parts in (2, 3):  # three are not alike
        found = case.hypergradient(algorithm, parts=parts)
        assert bilevel.error(found, whole) < CLOSE[algorithm]


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("layers", [(-1,), (1,), (0,)], ids=str)
def test_dropout_is_drawn_again_alike(
    made: Callable[..., Any], base_with_dropout: Path, layers: tuple[int, ...], parts: int
) -> None:
    case = made(base_with_dropout, layers=layers)
    case.live.model.train()
    expected = _drawn(case, "double_backward", parts=parts)
    for algorithm in bilevel.ALGORITHMS[1:]:
        found = _drawn(case, algorithm, parts=parts)
        assert bilevel.error(found, expected) < CLOSE[algorithm], algorithm
    case.live.model.eval()
    assert bilevel.error(_drawn(case, "double_backward", parts=parts), expected) > 1e-2


@pytest.mark.parametrize("algorithm", bilevel.ALGORITHMS)
def test_parts_computed_again_have_the_dropout_of_the_source_gradient(
    made: Callable[..., Any], base_with_dropout: Path, algorithm: str
) -> None:
    """Against graphs of all parts that are kept, each with the dropout that it drew."""
    case = made(base_with_dropout, layers=(1,))
    case.live.model.train()
    batches = case.parts(2)["source"]
    direction = [torch.ones_like(p) for p in case.theta.values()]
    torch.manual_seed(7)
    graphs = [
        torch.autograd.grad(
            case.losses(batch, source=True)[0],
            list(case.theta.values()),
            create_graph=True,
            allow_unused=True,
        )
        for batch in batches
    ]
    slope = sum(g.sum() for graph in graphs for g in graph if g is not None)
    expected = [-g for g in torch.autograd.grad(slope, list(case.phi.values()))]
    torch.manual_seed(7)
    made_by = case.algorithm(algorithm)
    gradients = made_by.source(batches).gradients
    torch.rand(3)  # the target rows draw in between
    assert bilevel.error(made_by.along(direction), expected) < CLOSE[algorithm]
    kept = [sum(pieces) for pieces in zip(*graphs, strict=True) if pieces[0] is not None]
    assert bilevel.error(gradients, kept) < 1e-14


# --- attention kernels without second derivatives ---------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "layers"),
    [
        ("double_backward", (1,)),
        ("forward_over_reverse", (1,)),
        ("split_difference", (1,)),
        ("split_forward", (-1,)),
    ],
)
def test_a_kernel_without_second_derivatives_is_refused(
    made: Callable[..., Any], algorithm: str, layers: tuple[int, ...]
) -> None:
    case = made(attention="sdpa", layers=layers)
    assert case.live.model.config._attn_implementation == "sdpa"
    with pytest.raises(ModelError, match="hypergradient cannot be computed") as error:
        case.hypergradient(algorithm)
    assert "`attention: eager`" in str(error.value)
    assert "`algorithm: split_difference`" in str(error.value)


def test_the_difference_needs_no_second_derivatives_below(made: Callable[..., Any]) -> None:
    expected = made(attention="eager").hypergradient()
    case = made(attention="sdpa")
    found = case.hypergradient("split_difference")
    assert bilevel.error(list(found.values()), list(expected.values())) < 1e-8
    differences = case.differences(case.looked_ahead(0.3))
    assert bilevel.error([0.3 * h for h in found.values()], differences) < 1e-7
