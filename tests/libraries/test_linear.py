"""A weighted sum of two adapters of `adapters` does in the model what the sum by hand does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from . import tiny  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# Not summing to 1, one of them negative: nothing is normalised behind the user's back.
WEIGHTS = {"one": 0.7, "two": -0.4}


def _pair(architecture: str, configs: Mapping[str, Any], folder: Path) -> Any:
    """A model with the adapters `one` and `two`, saved."""
    model = tiny.head_model(architecture)
    for seed, (name, config) in enumerate(configs.items(), start=1):
        tiny.add_adapter(model, name, config, seed=seed)
        model.save_adapter(str(folder / name), name)
    return model


def _merged(architecture: str, folder: Path, weights: Mapping[str, float] = WEIGHTS) -> Any:
    """Last hidden states of a plain model under the merge."""
    out = tiny.merge(
        "linear", [folder / name for name in weights], list(weights.values()), folder / "merged"
    )
    plain = tiny.head_model(architecture)
    plain.set_active_adapters(tiny.load(plain, out))
    return _hidden(plain)


def _hidden(model: Any) -> Any:
    with torch.no_grad():
        return model.eval().base_model(**tiny.INPUTS).last_hidden_state


def _by_hand(model: Any, config: Any, combine: Callable[[list[Any]], Any]) -> Any:
    """Last hidden states with a third adapter, whose tensors combine those of the others."""
    model.add_adapter("sum", config=config)
    state = model.state_dict()
    for key in state:
        if ".sum." in key:
            parts = [state[key.replace(".sum.", f".{name}.")] for name in WEIGHTS]
            state[key] = combine(parts)
    model.load_state_dict(state)
    model.set_active_adapters("sum")
    return _hidden(model)


def _weighted(parts: list[Any]) -> Any:
    return sum(weight * part for weight, part in zip(WEIGHTS.values(), parts, strict=True))


PLAIN = ["seq_bn", "seq_bn_inv", "double_seq_bn", "double_seq_bn_inv", "par_bn", "prefix_flat"]


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("kind", PLAIN)
def test_plain_tensors_are_summed(architecture: str, kind: str, tmp_path: Path) -> None:
    """Bottlenecks, couplings and prefixes live around zero: the tensors are summed."""
    config = tiny.KINDS[kind]
    model = _pair(architecture, {name: config() for name in WEIGHTS}, tmp_path)
    expected = _by_hand(model, config(), _weighted)
    tiny.close(_merged(architecture, tmp_path), expected)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("kind", ["ia3", "ia3_alpha"])
def test_scaling_vectors_are_summed_around_one(
    architecture: str, kind: str, tmp_path: Path
) -> None:
    """(IA)³ does nothing where alpha times the vector is one, so that is what is weighted."""
    config = tiny.KINDS[kind]
    alpha = config().alpha
    model = _pair(architecture, {name: config() for name in WEIGHTS}, tmp_path)

    def around_one(parts: Sequence[Any]) -> Any:
        wide = 1 + _weighted([alpha * part.double() - 1 for part in parts])
        return (wide / alpha).float()

    expected = _by_hand(model, config(), around_one)
    tiny.close(_merged(architecture, tmp_path), expected)


def _add_deltas(model: Any, weights: Mapping[str, float]) -> Any:
    """Last hidden states with ``sum_i w_i alpha_i / r_i B_i A_i`` added to the weights."""
    model.set_active_adapters(None)
    for module in model.modules():
        if not hasattr(module, "loras"):
            continue
        for name, weight in weights.items():
            if name in module.loras:
                lora = module.loras[name]
                module.weight.data += weight * lora.scaling * lora.lora_B.data @ lora.lora_A.data
    return _hidden(model)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("kind", ["lora", "lora_all"])
def test_low_rank_deltas_are_summed(architecture: str, kind: str, tmp_path: Path) -> None:
    config = tiny.KINDS[kind]
    model = _pair(architecture, {name: config() for name in WEIGHTS}, tmp_path)
    tiny.close(_merged(architecture, tmp_path), _add_deltas(model, WEIGHTS), 1e-5)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_low_rank_deltas_of_different_ranks_and_alphas_are_summed(
    architecture: str, tmp_path: Path
) -> None:
    from adapters import LoRAConfig

    configs = {"one": LoRAConfig(r=2, alpha=6), "two": LoRAConfig(r=5, alpha=1)}
    model = _pair(architecture, configs, tmp_path)
    tiny.close(_merged(architecture, tmp_path), _add_deltas(model, WEIGHTS), 1e-5)


def test_factors_are_summed_one_by_one_where_the_recipe_asks_for_it(tmp_path: Path) -> None:
    """What the papers' code does, with its cross terms."""
    config = tiny.KINDS["lora"]
    model = _pair("xlmr", {name: config() for name in WEIGHTS}, tmp_path)
    expected = _by_hand(model, config(), _weighted)
    out = tiny.merge(
        "linear",
        [tmp_path / name for name in WEIGHTS],
        list(WEIGHTS.values()),
        tmp_path / "merged",
        parameters={"elements": "factors"},
    )
    plain = tiny.head_model("xlmr")
    plain.set_active_adapters(tiny.load(plain, out))
    tiny.close(_hidden(plain), expected)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_reparametrised_prefixes_are_summed_not_their_networks(
    architecture: str, tmp_path: Path
) -> None:
    config = tiny.KINDS["prefix"]
    model = _pair(architecture, {name: config() for name in WEIGHTS}, tmp_path)
    for name in WEIGHTS:
        _eject(model, name)
    flat = config().replace(flat=True)
    expected = _by_hand(model, flat, _weighted)
    tiny.close(_merged(architecture, tmp_path), expected, 1e-5)


def _eject(model: Any, name: str) -> None:
    """`eject_prefix_tuning`, which forgets the width of grouped keys (adapters 1.3.0)."""
    from adapters.methods.prefix_tuning import FlatPrefixTuning

    group = model.base_model.prefix_tuning.prefix_tunings[name]
    [(place, prefix)] = group.items()
    tokens = prefix.wte.weight
    flat = FlatPrefixTuning(
        prefix.n_layers,
        prefix.n_heads,
        prefix.input_size,
        prefix.config.replace(flat=True),
        prefix.n_embd_per_head,
    )
    flat.control_trans.data = prefix.control_trans(tokens).reshape(-1).detach()
    group[place] = flat


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("left_out", [[0], [1], [0, 2]])
@pytest.mark.parametrize("flat", [True, False])
def test_prefixes_keep_their_layers(
    architecture: str, left_out: list[int], flat: bool, tmp_path: Path
) -> None:
    """A weight for one layer alone reaches that layer and no other."""
    from adapters import PrefixTuningConfig

    config = PrefixTuningConfig(flat=flat, prefix_length=3, bottleneck_size=4, leave_out=left_out)
    model = _pair(architecture, {"one": config}, tmp_path)
    kept = [layer for layer in range(tiny.LAYERS) if layer not in left_out]
    layer = kept[-1]
    if not flat:
        _eject(model, "one")
    [prefix] = model.base_model.prefix_tuning.prefix_tunings["one"].values()
    by_layer = prefix.control_trans.data.view(3, len(kept), 2, -1)
    by_layer[:, kept.index(layer)] *= 0.25
    model.set_active_adapters("one")
    expected = _hidden(model)

    out = tiny.merge(
        "linear",
        [tmp_path / "one"],
        [{f"layers.{layer}": 0.25, "default": 1.0}],
        tmp_path / "merged",
    )

    plain = tiny.head_model(architecture)
    plain.set_active_adapters(tiny.load(plain, out))
    tiny.close(_hidden(plain), expected, 1e-5)


@pytest.mark.parametrize("part", ["invertible", "bottleneck"])
def test_a_weight_for_one_part_alone(part: str, tmp_path: Path) -> None:
    """What `language_arithmetic` offers for the coupling: a weight of its own."""
    config = tiny.KINDS["seq_bn_inv"]
    model = _pair("xlmr", {name: config() for name in WEIGHTS}, tmp_path)
    model.add_adapter("sum", config=config())
    state = model.state_dict()
    for key in state:
        if ".sum." in key:
            weight = 0.25 if ("invertible" in key) == (part == "invertible") else 0.6
            one, two = (state[key.replace(".sum.", f".{name}.")] for name in WEIGHTS)
            state[key] = weight * one + (1 - weight) * two
    model.load_state_dict(state)
    model.set_active_adapters("sum")
    weights = [{part: 0.25, "default": 0.6}, {part: 0.75, "default": 0.4}]
    out = tiny.merge(
        "language_arithmetic", [tmp_path / name for name in WEIGHTS], weights, tmp_path / "merged"
    )
    plain = tiny.head_model("xlmr")
    plain.set_active_adapters(tiny.load(plain, out))
    tiny.close(_hidden(plain), _hidden(model))


def test_of_several_heads_the_recipe_says_which(tmp_path: Path) -> None:
    model = tiny.head_model("xlmr")
    for seed, name in enumerate(WEIGHTS, start=1):
        tiny.add_adapter(model, name, tiny.KINDS["seq_bn"](), seed=seed, labels=3)
        model.save_adapter(str(tmp_path / name), name)
    model.set_active_adapters("two")
    expected = {
        "from two": [
            model.heads["two"].state_dict()[key] for key in model.heads["two"].state_dict()
        ],
        "mean": [
            (one + two) / 2
            for one, two in zip(
                model.heads["one"].state_dict().values(),
                model.heads["two"].state_dict().values(),
                strict=True,
            )
        ],
    }
    for policy, tensors in expected.items():
        out = tiny.merge(
            "linear",
            [tmp_path / name for name in WEIGHTS],
            [0.5, 0.5],
            tmp_path / policy.split()[0],
            heads=policy,
        )
        plain = tiny.head_model("xlmr")
        name = tiny.load(plain, out)
        for got, wanted in zip(plain.heads[name].state_dict().values(), tensors, strict=True):
            tiny.close(got, wanted)
