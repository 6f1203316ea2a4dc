"""The couplings as functions: what they compute, and how exactly their inverses give it back.

Errors are the largest difference in float32 over the largest entry of the input.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from adapters.methods.modeling import Adapter, NICECouplingBlock  # noqa: E402

from xlmerge_madx._modules.affine import AffineCoupling  # noqa: E402
from xlmerge_madx._modules.coupling import (  # noqa: E402
    affine_forward,
    affine_inverse,
    bounded,
    nice_forward,
    nice_inverse,
)

EXACT = 1e-6
WIDTHS = (768, 16, 17, 2)
KINDS = ("nice", "affine")


def inputs(*shape: int, size: float = 1.0) -> Any:
    return size * torch.randn(shape, generator=torch.Generator().manual_seed(7))


def filled(module: Any, seed: int, size: float | None = None) -> Any:
    """Weights as they start (None), or random ones that matter: of this size over sqrt(in)."""
    torch.manual_seed(seed)
    module.apply(Adapter.init_bert_weights)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape)
            width = parameter.shape[1] if parameter.ndim == 2 else 4
            if size is not None:
                parameter.copy_(noise * size / width**0.5)
    return module.eval()


def coupling(kind: str, width: int, seed: int, size: float | None = None) -> Any:
    if kind == "nice":
        return filled(NICECouplingBlock([[width]], reduction_factor=1), seed, size)
    return filled(AffineCoupling(width, "relu", 1), seed, size)


def both_ways(kind: str, module: Any) -> tuple[Any, Any]:
    """The pure functions of a module's networks."""
    if kind == "nice":
        networks = (module.F, module.G)
        pair = nice_forward, nice_inverse
    else:
        networks = ((module.S1, module.S2), (module.T1, module.T2))
        pair = affine_forward, affine_inverse
    return tuple(lambda x, way=way: way(*networks, x) for way in pair)


def merged(kind: str, width: int, share: float, size: float | None = None) -> Any:
    """Interpolated weights; also beyond the two."""
    a, b, out = (coupling(kind, width, seed, size) for seed in (1, 2, 3))
    with torch.no_grad():
        for x, y, z in zip(a.parameters(), b.parameters(), out.parameters(), strict=True):
            z.copy_(share * x + (1 - share) * y)
    return out


def error(found: Any, expected: Any) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("size", [None, 0.5], ids=["as it starts", "large"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_inverse_gives_the_input_back(kind: str, width: int, size: float | None) -> None:
    forward, inverse = both_ways(kind, coupling(kind, width, 1, size))
    x = inputs(2, 5, width)
    assert error(inverse(forward(x)), x) < EXACT
    assert error(forward(inverse(x)), x) < EXACT
    assert error(forward(x), x) > (0 if size is None else 0.1)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_merged_weights_stay_invertible(kind: str, share: float) -> None:
    forward, inverse = both_ways(kind, merged(kind, 768, share, 0.5))
    x = inputs(3, 7, 768)
    assert error(inverse(forward(x)), x) < EXACT


@pytest.mark.parametrize("size", [1e-3, 30.0])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_small_and_large_inputs_come_back_too(kind: str, size: float) -> None:
    module = coupling(kind, 64, 1, 0.5)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.mul_(min(size, 1))  # what is added must not drown the input
    forward, inverse = both_ways(kind, module)
    x = inputs(4, 64, size=size)
    assert error(inverse(forward(x)), x) < EXACT


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_inverse_of_another_language_is_none(kind: str) -> None:
    ours, theirs = (coupling(kind, 16, seed, 0.5) for seed in (1, 2))
    x = inputs(2, 5, 16)
    there_and_elsewhere = both_ways(kind, theirs)[1](both_ways(kind, ours)[0](x))
    assert error(there_and_elsewhere, x) > 0.1


@pytest.mark.parametrize("width", WIDTHS)
@torch.no_grad()
def test_nice_is_the_library_s(width: int) -> None:
    module = coupling("nice", width, 1, 0.5)
    forward, inverse = both_ways("nice", module)
    x = inputs(2, 5, width)
    assert torch.equal(forward(x), module(x))
    assert torch.equal(inverse(x), module(x, rev=True))


@pytest.mark.parametrize("shape", [(16,), (5, 16), (2, 5, 16), (2, 3, 5, 16)])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_any_leading_axes(kind: str, shape: tuple[int, ...]) -> None:
    forward, inverse = both_ways(kind, coupling(kind, 16, 1, 0.5))
    x = inputs(*shape)
    assert forward(x).shape == x.shape
    assert error(inverse(forward(x)), x) < EXACT
    torch.testing.assert_close(forward(x).flatten(), forward(x.reshape(-1, 16)).flatten())


@torch.no_grad()
def test_without_scales_the_affine_coupling_is_nice() -> None:
    affine, nice = coupling("affine", 17, 1, 0.5), coupling("nice", 17, 2)
    for network in (affine.S1, affine.S2):
        for parameter in network.parameters():
            parameter.zero_()
    nice.F.load_state_dict(affine.T1.state_dict())
    nice.G.load_state_dict(affine.T2.state_dict())
    x = inputs(2, 5, 17)
    for rev in (False, True):
        assert torch.equal(affine(x, rev=rev), nice(x, rev=rev))


@torch.no_grad()
def test_by_hand() -> None:
    def scale(x: Any) -> Any:
        return x

    def first(x: Any) -> Any:
        return x + 1

    def second(x: Any) -> Any:
        return x - 1

    x = torch.tensor([2.0, 3.0], dtype=torch.float64)
    out = affine_forward((scale, scale), (first, second), x)
    o1 = 2 * math.exp(math.tanh(3)) + (3 + 1)
    assert out.tolist() == pytest.approx([o1, 3 * math.exp(math.tanh(o1)) + (o1 - 1)], rel=1e-12)
    assert nice_forward(first, second, x).tolist() == [6.0, 8.0]
    assert nice_inverse(first, second, torch.tensor([6.0, 8.0])).tolist() == [2.0, 3.0]


def test_a_scale_is_bounded() -> None:
    huge = torch.tensor([-1e9, -3.0, 0.0, 3.0, 1e9])
    assert bounded(huge).abs().max() <= 1
    assert bounded(huge)[2] == 0


@torch.no_grad()
def test_it_starts_about_as_near_to_nothing_as_nice() -> None:
    x = inputs(2, 5, 768)
    moved = {kind: float((coupling(kind, 768, 1)(x) - x).std()) for kind in KINDS}
    assert 0 < moved["affine"] < 2 * moved["nice"] < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_tensor(kind: str) -> None:
    module = coupling(kind, 16, 1)
    x = inputs(2, 5, 16)
    module(x).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in module.parameters())
