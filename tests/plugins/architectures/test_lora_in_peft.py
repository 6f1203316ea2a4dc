"""Rank and scale of a module in PEFT, read from a configuration and written into one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from xlmerge_standard.architectures.lora.in_peft import in_peft

CONFIG: dict[str, Any] = {"peft_type": "LORA", "r": 2, "lora_alpha": 6}


def _lora(*modules: str, rank: int = 2) -> dict[str, tuple[int, ...]]:
    factors = {"A": (rank, 4), "B": (5, rank)}
    return {f"{m}.lora_{f}.weight": shape for m in modules for f, shape in factors.items()}


def _parameters(claim: Any) -> dict[str, Any]:
    return {p.name: p for bundle in claim.bundles for p in bundle.parameters}


@pytest.mark.parametrize(
    ("settings", "rank", "scale"),
    [
        ({}, 2, 3.0),
        ({"use_rslora": True}, 2, 6 / math.sqrt(2)),
        ({"rank_pattern": {"q_proj": 3}}, 3, 2.0),
        ({"rank_pattern": {"v_proj": 3}}, 2, 3.0),
        ({"rank_pattern": {"proj": 3}}, 2, 3.0),  # not a whole component
        ({"rank_pattern": {"layers.1.self_attn.q_proj": 3}}, 3, 2.0),
        ({"rank_pattern": {"layers.11.self_attn.q_proj": 3}}, 2, 3.0),
        ({"rank_pattern": {r"model\.layers\.\d+\..*q_proj": 3}}, 3, 2.0),
        ({"rank_pattern": {"^model.layers.1.self_attn.q_proj": 3}}, 3, 2.0),
        ({"rank_pattern": {".*": 4, "q_proj": 3}}, 4, 1.5),  # the first that matches
        ({"alpha_pattern": {"q_proj": 1}}, 2, 0.5),
        ({"alpha_pattern": {"q_proj": 9}, "rank_pattern": {"q_proj": 3}}, 3, 3.0),
    ],
)
def test_patterns_match_the_end_of_the_path_in_the_base_model(
    settings: dict[str, Any], rank: int, scale: float, header: Any
) -> None:
    module = "layers.1.self_attn.q_proj"
    folder = header(
        "peft", CONFIG | settings, _lora(module, rank=rank), prefix="base_model.model.model."
    )
    parameter = _parameters(in_peft.claim(folder))[module]
    assert parameter.attributes == {"rank": rank, "scale": pytest.approx(scale)}
    assert (parameter.layer, parameter.site) == (1, "self_attn.q_proj")
    assert parameter.shape == (5, 4)


@pytest.mark.parametrize(
    "written",
    [
        {"layers.0.q": (4, 3.0), "layers.0.v": (4, 3.0)},
        {"layers.0.q": (4, 3.0), "layers.0.v": (2, 3.0), "layers.1.q": (2, 0.5)},
        # A name that ends like another: as a pattern the short one would match both.
        {"dense": (4, 3.0), "classifier.dense": (2, 3.0), "x.dense": (2, 1.0)},
        {"dense": (2, 3.0), "classifier.dense": (4, 3.0), "x.classifier.dense": (2, 3.0)},
        {"layers.1.q": (4, 3.0), "layers.11.q": (2, 3.0), "layers.2.q": (2, 1.0)},
    ],
)
@pytest.mark.parametrize("rank_stabilised", [False, True])
def test_what_is_written_is_read_back(
    written: dict[str, tuple[int, float]], rank_stabilised: bool, header: Any
) -> None:
    attributes = {
        name: {"rank": float(rank), "scale": scale} for name, (rank, scale) in written.items()
    }
    config = in_peft.configure(CONFIG | {"use_rslora": rank_stabilised}, attributes)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (rank, _) in written.items():
        shapes |= _lora(name, rank=rank)
    read = _parameters(in_peft.claim(header("peft", config, shapes, prefix="base_model.model.")))
    assert {name: dict(parameter.attributes) for name, parameter in read.items()} == attributes


def test_a_configuration_that_is_still_true_stays() -> None:
    config = CONFIG | {"use_rslora": True, "init_lora_weights": "gaussian"}
    assert in_peft.configure(config, {"q": {"rank": 2.0, "scale": 6 / math.sqrt(2)}}) == config


@pytest.mark.parametrize(
    ("layers", "fits"), [(None, True), ([], True), (0, False), ([0, 2], True), ([0, 1], False)]
)
def test_layers_to_transform(layers: Any, fits: bool, header: Any) -> None:
    shapes = _lora("layers.0.q", "layers.2.q")
    folder = header("peft", CONFIG | {"layers_to_transform": layers}, shapes)
    if fits:
        assert in_peft.claim(folder) is not None
    else:
        with pytest.raises(ValueError, match=r"the file holds \[0, 2\]"):
            in_peft.claim(folder)
