"""LoRA written: exact sums, ranks and scales as the configuration of each library tells them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import xlmerge
from builders import config, make, merge, tensors

if TYPE_CHECKING:
    from pathlib import Path


def deltas(folder: Path, name: str | None = None) -> dict[str, Any]:
    """``scale * B @ A`` of every module in float64, worked out from the files alone."""
    settings, arrays = config(folder), tensors(folder)
    found = {}
    for key, left in arrays.items():
        if "lora_B" not in key:
            continue
        right = arrays[key.replace("lora_B", "lora_A")]
        if "peft_type" in settings:
            module = key.removesuffix(".lora_B.weight").removeprefix("base_model.model.")
            scale = peft_scale(settings, module)
        else:
            module = key.removesuffix(f".loras.{name or folder.name}.lora_B")
            scale = settings["alpha"] / settings["r"]
            assert right.shape[0] == settings["r"], module
        found[module] = scale * left.astype(np.float64) @ right.astype(np.float64)
    return found


def peft_scale(settings: dict[str, Any], module: str) -> float:
    """As PEFT resolves it, with PEFT's own function where it is installed."""
    other = pytest.importorskip("peft.utils.other")
    rank, alpha = (
        settings[pattern].get(other.get_pattern_key(settings[pattern].keys(), module), default)
        for pattern, default in (
            ("rank_pattern", settings["r"]),
            ("alpha_pattern", settings["lora_alpha"]),
        )
    )
    return float(alpha / (np.sqrt(rank) if settings["use_rslora"] else rank))


def assert_sum(out: Path, terms: dict[Path, float], rtol: float = 1e-5) -> None:
    inputs = [(weight, deltas(folder)) for folder, weight in terms.items()]
    for module, delta in deltas(out).items():
        expected = sum(weight * found[module] for weight, found in inputs)
        np.testing.assert_allclose(delta, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


LIBRARIES = pytest.mark.parametrize("kind", ["lora", "peft_lora"])


@LIBRARIES
@pytest.mark.parametrize("weights", [(0.4, 0.6), (1.0, -1.0), (2.0, 0.0), (-0.3, 1e-3)])
def test_ranks_add_up_and_sums_are_exact(
    tmp_path: Path, kind: str, weights: tuple[float, ...]
) -> None:
    terms = {
        make(tmp_path / name, kind, seed=i): weight
        for i, (name, weight) in enumerate(zip("ab", weights, strict=True))
    }
    out = merge("linear", terms, output=tmp_path / "out")
    assert_sum(out, terms)
    assert config(out)["r"] == 2 * sum(weight != 0 for weight in weights)


@LIBRARIES
def test_different_ranks_and_alphas(tmp_path: Path, kind: str) -> None:
    alpha = "alpha" if kind == "lora" else "lora_alpha"
    terms = {
        make(tmp_path / "a", kind, **{"r": 2, alpha: 4}): 0.5,
        make(tmp_path / "b", kind, seed=1, **{"r": 3, alpha: 16}): 0.25,
        make(tmp_path / "c", kind, seed=2, **{"r": 1, alpha: 1}): -1.0,
    }
    out = merge("linear", terms, output=tmp_path / "out")
    assert_sum(out, terms)
    assert config(out)["r"] == 6


def test_rank_stabilised_and_plain(tmp_path: Path) -> None:
    terms = {
        make(tmp_path / "a", "peft_lora"): 0.5,
        make(tmp_path / "b", "peft_rslora", seed=1): 0.5,
    }
    out = merge("linear", terms, output=tmp_path / "out")
    assert_sum(out, terms)
    assert config(out)["use_rslora"] is False


@pytest.mark.parametrize("kind", ["peft_rslora", "peft_lora_patterns"])
@pytest.mark.parametrize("model", ["xlmr", "llama"])
def test_sums_of_scaled_and_patterned(tmp_path: Path, kind: str, model: str) -> None:
    terms = {
        make(tmp_path / name, kind, seed=i, model=model): weight
        for i, (name, weight) in enumerate({"a": 0.4, "b": 0.6}.items())
    }
    assert_sum(merge("linear", terms, output=tmp_path / "out"), terms)


@LIBRARIES
def test_weights_by_pattern(tmp_path: Path, kind: str) -> None:
    """Where the second adapter has weight 0 the rank stays; `adapters` wants one rank for all."""
    first, second = (make(tmp_path / name, kind, seed=i) for i, name in enumerate("ab"))
    weights: dict[Path, Any] = {first: 1.0, second: {"layers.0": 0.0, "default": 0.5}}
    out = merge("linear", weights, output=tmp_path / "out")
    mine, one, two = deltas(out), deltas(first), deltas(second)
    for module, delta in mine.items():
        expected = one[module] + (0.0 if ".0." in module else 0.5) * two[module]
        np.testing.assert_allclose(delta, expected, rtol=1e-5, atol=1e-6)
    ranks = {array.shape[0] for key, array in tensors(out).items() if "lora_A" in key}
    assert ranks == ({4} if kind == "lora" else {2, 4})


@LIBRARIES
@pytest.mark.parametrize(
    ("option", "bound"), [({"tolerance": 0.3}, 0.3), ({"energy": 0.9}, np.sqrt(0.1))]
)
def test_smallest_ranks_within_an_error(
    tmp_path: Path, kind: str, option: dict[str, float], bound: float
) -> None:
    """Ranks come out different; `adapters` gets the largest, filled up with zeros."""
    terms = {make(tmp_path / name, kind, seed=i): 0.5 for i, name in enumerate("abcd")}
    result = xlmerge.merge("linear", terms, output=tmp_path / "out", parameters=option)
    inputs = [deltas(folder) for folder in terms]
    for module, delta in deltas(result.folder).items():
        exact = sum(0.5 * found[module] for found in inputs)
        error = np.linalg.norm(delta - exact) / np.linalg.norm(exact)
        assert error <= bound * (1 + 1e-5)
        name = module.removeprefix("roberta.")
        reported = result.report["by_parameter"]["discarded"][name]
        assert reported == pytest.approx(error, abs=1e-5)
    assert result.report["measured"]["rank"]["most"] < 8


@LIBRARIES
def test_a_rank_is_kept_to(tmp_path: Path, kind: str) -> None:
    terms = {make(tmp_path / name, kind, seed=i): 0.5 for i, name in enumerate("abc")}
    out = merge("linear", terms, output=tmp_path / "out", parameters={"rank": 3})
    assert config(out)["r"] == 3
    inputs = [deltas(folder) for folder in terms]
    for module, delta in deltas(out).items():
        exact = sum(0.5 * found[module] for found in inputs)
        left, values, right = np.linalg.svd(exact)
        best = (left[:, :3] * values[:3]) @ right[:3]
        np.testing.assert_allclose(delta, best, atol=1e-5)


@LIBRARIES
def test_ranks_by_pattern(tmp_path: Path, kind: str) -> None:
    terms = {make(tmp_path / name, kind, seed=i): 0.5 for i, name in enumerate("ab")}
    rank = {"layers.0": 1, "default": 3}
    out = merge("linear", terms, output=tmp_path / "out", parameters={"rank": rank})
    for module, delta in deltas(out).items():
        assert np.linalg.matrix_rank(delta, tol=1e-4) == (1 if ".0." in module else 3)


def test_factors_only_by_name(tmp_path: Path) -> None:
    """The papers' code: A and B each for itself, cross terms and all."""
    first, second = (make(tmp_path / name, "lora", seed=i) for i, name in enumerate("ab"))
    out = merge(
        "linear",
        {first: 0.5, second: 0.5},
        output=tmp_path / "out",
        parameters={"elements": "factors"},
    )
    for key, array in tensors(out).items():
        left, right = (
            tensors(folder)[key.replace(".out.", f".{folder.name}.")] for folder in (first, second)
        )
        np.testing.assert_allclose(array, (left + right) / 2, rtol=1e-5, atol=1e-6)
    assert config(out) == config(first)


@LIBRARIES
def test_half_precision_keeps_its_dtype(tmp_path: Path, kind: str) -> None:
    terms = {
        make(tmp_path / name, kind, seed=i, dtype="bfloat16"): 0.5 for i, name in enumerate("ab")
    }
    out = merge("linear", terms, output=tmp_path / "out", parameters={"tolerance": 0.2})
    assert {array.dtype.name for array in tensors(out).values()} == {"bfloat16"}
    assert_sum(out, terms, rtol=0.25)


def test_the_configuration_is_plain_data(tmp_path: Path) -> None:
    terms = {make(tmp_path / name, "peft_lora", seed=i): 0.5 for i, name in enumerate("ab")}
    out = merge("linear", terms, output=tmp_path / "out")
    settings = json.loads((out / "adapter_config.json").read_text())
    assert (settings["r"], settings["lora_alpha"]) == (4, 8)
    assert type(settings["r"]) is int
    assert type(settings["lora_alpha"]) is int
    assert (settings["rank_pattern"], settings["alpha_pattern"]) == ({}, {})
