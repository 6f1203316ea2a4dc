"""The network is the paper's formula, and sits where it is told to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from xlmerge.errors import ModelError

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.libraries

from xlmerge_metaxl._modules import attaching, transformation  # noqa: E402
from xlmerge_metaxl.architectures.rtn import layers_of  # noqa: E402

WIDTH, INNER = 6, 4


def _network(*, gate: bool = True, stop_gradient: bool = True, paper: bool = True) -> Any:
    torch.manual_seed(1)
    network = transformation.Transformation(
        WIDTH, INNER, gate=gate, stop_gradient=stop_gradient, paper=paper, lowest=True
    ).double()
    if paper:
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter)
    return network


def _states(*shape: int) -> Any:
    draw = torch.Generator().manual_seed(2)
    return torch.randn(*shape, WIDTH, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("gate", [True, False])
def test_it_is_the_formula(gate: bool) -> None:
    network, states = _network(gate=gate), _states(2, 3)
    maps = (network.down.weight, network.down.bias, network.up.weight, network.up.bias)
    w1, b1, w2, b2 = (p.detach().numpy() for p in maps)
    expected = np.empty((2, 3, WIDTH))
    for at in np.ndindex(2, 3):
        out = w2 @ np.maximum(w1 @ states[at].numpy() + b1, 0) + b2
        assert out.shape == (WIDTH + gate,)
        expected[at] = out[:WIDTH] / (1 + np.exp(-out[WIDTH])) if gate else out
    np.testing.assert_allclose(network(states).detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("gate", [True, False])
def test_an_identity_start_adds_zero(gate: bool) -> None:
    network = _network(gate=gate, paper=False)
    assert network.down.weight.any()
    assert not network(_states(5)).any()


def test_the_papers_start_is_xavier_normal_with_biases_of_zero() -> None:
    torch.manual_seed(0)
    network = transformation.Transformation(
        768, 384, gate=True, stop_gradient=True, paper=True, lowest=True
    )
    assert not network.down.bias.any()
    assert not network.up.bias.any()
    for weight, ends in ((network.down.weight, 768 + 384), (network.up.weight, 384 + 769)):
        assert float(weight.detach().std()) == pytest.approx((2 / ends) ** 0.5, rel=0.01)
        assert abs(float(weight.detach().mean())) < 1e-3
    assert sum(p.numel() for p in network.parameters()) == 384 * 768 + 384 + 769 * 384 + 769
    assert 0.585e6 < sum(p.numel() for p in network.parameters()) < 0.595e6


@pytest.mark.parametrize("lowest", [True, False])
@pytest.mark.parametrize("stop_gradient", [True, False])
def test_its_input_is_a_constant_if_it_is_said(stop_gradient: bool, lowest: bool) -> None:
    """The residual beside it never is: its gradient is exactly one."""
    network = _network(stop_gradient=stop_gradient)
    network.lowest = lowest
    states = _states(1, 2).requires_grad_()
    source = torch.zeros(1, dtype=torch.long)
    out = attaching.transformed(states, source, [network])
    [slope] = torch.autograd.grad(out.sum(), states)
    assert torch.equal(slope, torch.ones_like(slope)) == stop_gradient


def test_a_stopped_gradient_is_open_for_the_second_time_alone() -> None:
    from xlmerge_metaxl._modules.stopping import open_again, stopped

    x = torch.tensor(3.0, requires_grad=True)
    value = stopped(x) * x
    [first] = torch.autograd.grad(value, x, create_graph=True)
    assert first.item() == 3.0
    assert torch.autograd.grad(first, x, retain_graph=True, allow_unused=True) == (None,)
    with open_again():
        [second] = torch.autograd.grad(first, x)
        with open_again():
            pass
        [both] = torch.autograd.grad(stopped(x), x)
    assert (float(second), float(both)) == (1.0, 1.0)
    assert torch.autograd.grad(stopped(x), x, allow_unused=True) == (None,)


# --- places -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "expected"),
    [([-1], (12,)), ([0], (0,)), ([12, 0, 6], (0, 6, 12)), ([-13, -1], (0, 12)), ([-2], (11,))],
)
def test_layers_are_counted_from_the_embeddings_or_from_the_end(
    layers: list[int], expected: tuple[int, ...]
) -> None:
    assert layers_of(layers, 12) == expected


@pytest.mark.parametrize(
    ("layers", "found"),
    [([13], "13"), ([-14], "-14"), ([3, 99], "99"), ([-1, 12], r"\[-1, 12\]"), ([], r"\[\]")],
)
def test_a_layer_that_is_none_or_comes_twice_is_refused(layers: list[int], found: str) -> None:
    with pytest.raises(ModelError, match=f"each once; found {found}"):
        layers_of(layers, 12)


def _model(**config: Any) -> Any:
    pytest.importorskip("adapters")
    return SimpleNamespace(
        config=SimpleNamespace(hidden_size=8, num_hidden_layers=2, **config),
        iter_layers=lambda: enumerate("ab"),
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"reduction_factor": 0}, "above 0 and at most 8; found 0"),
        ({"reduction_factor": 9}, "at most 8; found 9"),
        ({"reduction_factor": "4"}, "at most 8; found 4"),
        ({"init": "zero"}, "identity or paper; found 'zero'"),
        ({"layers": [3]}, "0 .* to 2, each once; found 3"),
    ],
)
def test_fields_without_a_meaning_are_refused(fields: dict[str, Any], message: str) -> None:
    from xlmerge_metaxl.architectures.rtn import FIELDS

    with pytest.raises(ModelError, match=message):
        transformation.make(_model(), {**FIELDS, **fields})


def test_a_model_with_a_decoder_is_refused() -> None:
    pytest.importorskip("adapters")
    import transformers
    from adapters import BartAdapterModel

    config = transformers.BartConfig(
        vocab_size=20,
        d_model=8,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        max_position_embeddings=10,
    )
    model = BartAdapterModel(config)
    with (
        pytest.raises(ModelError, match="the model has two"),
        attaching.at_places(model, {1: lambda states: states}),
    ):
        pass


# --- rows ---------------------------------------------------------------------------------------


def test_each_row_goes_through_the_network_of_its_source() -> None:
    networks = [_network(), None, _network(gate=False)]
    states = _states(5, 2)
    found = attaching.transformed(states, torch.tensor([2, -1, 0, 1, 2]), networks)
    for row, network in enumerate((networks[2], None, networks[0], None, networks[2])):
        expected = states[row] if network is None else states[row] + network(states[row])
        torch.testing.assert_close(found[row], expected, rtol=1e-12, atol=0)
    assert torch.equal(found[[1, 3]], states[[1, 3]])


@pytest.mark.parametrize("number", [-1, 0, 1])
def test_rows_of_one_source_alone_are_as_in_a_mixed_batch(number: int) -> None:
    networks, states = [_network(), None], _states(2, 3)
    found = attaching.transformed(states, torch.tensor([number, number]), networks)
    expected = states if number else states + networks[0](states)
    assert torch.equal(found, expected)


def test_inputs_with_several_rows_keep_them_together() -> None:
    """Choices: three rows for each of two inputs."""
    states = _states(6, 2)
    found = attaching.transformed(states, torch.tensor([-1, 0]), [_network()])
    assert torch.equal(found[:3], states[:3])
    assert not torch.equal(found[3:], states[3:])


@pytest.mark.parametrize(
    ("source", "message"),
    [([0, 1, 0], "source 1 has no network; there are 1"), ([0, 0], "3 rows .* 2 inputs")],
)
def test_rows_that_have_no_network_are_refused(source: list[int], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        attaching.transformed(_states(3, 2), torch.tensor(source), [_network()])
