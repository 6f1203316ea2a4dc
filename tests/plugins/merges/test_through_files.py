"""What users of the methods meet: folders in, a folder or an error out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import xlmerge
from xlmerge.errors import MergeError, RecipeError, XLMergeError
from xlmerge.testing import write_adapters_folder, write_peft_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

np = pytest.importorskip("numpy")

QUERY = "base_model.model.roberta.encoder.layer.{layer}.attention.self.query."
OUTPUT = "roberta.encoder.layer.{layer}.output.adapters.{name}."
SHAPES = {
    "adapter_down.0.weight": (4, 8),
    "adapter_down.0.bias": (4,),
    "adapter_up.weight": (8, 4),
    "adapter_up.bias": (8,),
}


def bottleneck(folder: Path, seed: int, *, inverse: bool = False) -> Path:
    rng = np.random.default_rng(seed)
    config: dict[str, Any] = {
        "mh_adapter": False,
        "output_adapter": True,
        "reduction_factor": 2,
        "non_linearity": "relu",
    }
    shapes = {
        OUTPUT.format(layer=n, name="{name}") + k: s for n in (0, 1) for k, s in SHAPES.items()
    }
    if inverse:
        config |= {"inv_adapter": "nice", "inv_adapter_reduction_factor": 2}
        nice = {"0.weight": (2, 4), "0.bias": (2,), "2.weight": (4, 2), "2.bias": (4,)}
        shapes |= {
            f"roberta.invertible_adapters.{{name}}.{net}.{k}": s
            for net in "FG"
            for k, s in nice.items()
        }
    tensors = {key: rng.standard_normal(shape, np.float32) for key, shape in shapes.items()}
    return write_adapters_folder(folder, config, tensors, name=folder.name)


def lora(folder: Path, seed: int, rank: int = 2) -> Path:
    rng = np.random.default_rng(seed)
    tensors = {
        QUERY.format(layer=layer) + key: rng.standard_normal(shape, np.float32)
        for layer in (0, 1)
        for key, shape in {"lora_A.weight": (rank, 8), "lora_B.weight": (8, rank)}.items()
    }
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 4, "target_modules": ["query"]}
    return write_peft_folder(folder, config, tensors)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def dense(folder: Path) -> dict[str, Any]:
    with xlmerge.load(folder) as state:
        return {name: state.dense(name) for name in state}


ROLES = ("task_in_source", "reference_in_source", "reference_in_target")


@pytest.mark.parametrize("write", [bottleneck, lora])
def test_identical_references_are_refused(
    tmp_path: Path, out: Path, write: Callable[[Path, int], Path]
) -> None:
    folders = [write(tmp_path / role, seed) for role, seed in zip(ROLES, (0, 1, 1), strict=True)]
    with pytest.raises(MergeError, match="identical"):
        xlmerge.merge("adamergex", roles=dict(zip(ROLES, folders, strict=True)), output=out)
    assert not out.exists()


def test_a_gap_of_loras_of_other_ranks(tmp_path: Path, out: Path) -> None:
    folders = [lora(tmp_path / role, at, rank=at + 1) for at, role in enumerate(ROLES)]
    roles = dict(zip(ROLES, folders, strict=True))
    xlmerge.merge("adamergex", roles=roles, parameters={"t": 0.5}, output=out)
    task, source, target = (dense(folder) for folder in folders)
    for name, found in dense(out).items():
        expected = task[name] + 0.5 * (target[name] - source[name])
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_factors_of_other_ranks_are_refused(tmp_path: Path, out: Path) -> None:
    folders = [lora(tmp_path / role, at, rank=at + 1) for at, role in enumerate(ROLES)]
    roles = dict(zip(ROLES, folders, strict=True))
    with pytest.raises(XLMergeError, match="rank"):
        xlmerge.merge("adamergex", roles=roles, parameters={"elements": "factors"}, output=out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("method", "parameters", "works"),
    [
        ("linear", {}, True),
        ("task_arithmetic", {}, True),
        ("language_arithmetic", {}, True),
        ("slerp", {}, False),
        ("ties", {}, False),
        ("ties", {"density": 1.0}, True),
        ("dare", {}, False),
        ("dare", {"drop_rate": 0.0}, True),
    ],
)
def test_one_adapter_comes_back_or_is_refused(
    tmp_path: Path, out: Path, method: str, parameters: dict[str, Any], works: bool
) -> None:
    folder = bottleneck(tmp_path / "a", 1, inverse=True)
    weights = None if method in {"slerp", "ties"} else [1.0]

    def merge() -> None:
        xlmerge.merge(method, [folder], weights=weights, parameters=parameters, output=out)

    if not works:
        with pytest.raises(RecipeError, match="adapter"):
            merge()
        assert not out.exists()
        return
    merge()
    before, after = dense(folder), dense(out)
    assert {name: array.tolist() for name, array in after.items()} == {
        name: array.tolist() for name, array in before.items()
    }


def test_the_invertible_part_has_a_weight_of_its_own(tmp_path: Path, out: Path) -> None:
    a, b = (bottleneck(tmp_path / name, at, inverse=True) for at, name in enumerate("ab"))
    shares = {"default": 0.25, "invertible": 1.0}
    rest = {"default": 0.75, "invertible": 0.0}
    xlmerge.merge("language_arithmetic", {str(a): shares, str(b): rest}, output=out)
    first, second = dense(a), dense(b)
    for name, found in dense(out).items():
        share = 1.0 if "invertible" in name else 0.25
        np.testing.assert_allclose(
            found, share * first[name] + (1 - share) * second[name], atol=1e-6
        )


def test_weights_that_sum_to_1_for_some_parameters_only(tmp_path: Path, out: Path) -> None:
    a, b = (bottleneck(tmp_path / name, at, inverse=True) for at, name in enumerate("ab"))
    shares = {"default": 0.25, "invertible": 0.5}
    with pytest.raises(RecipeError, match=r"0.5, 0.75 sum to 1.25"):
        xlmerge.merge("language_arithmetic", {str(a): shares, str(b): 0.75}, output=out)
    assert not out.exists()


@pytest.mark.parametrize("method", ["ties", "slerp"])
def test_weights_are_refused_where_there_are_none(tmp_path: Path, out: Path, method: str) -> None:
    folders = [bottleneck(tmp_path / name, at) for at, name in enumerate("ab")]
    with pytest.raises(RecipeError, match="takes no weights"):
        xlmerge.merge(method, folders, weights=[0.5, 0.5], output=out)


@pytest.mark.parametrize("method", ["ties", "dare"])
def test_elementwise_methods_ask_how_to_compress(tmp_path: Path, out: Path, method: str) -> None:
    folders = [lora(tmp_path / name, at) for at, name in enumerate("ab")]
    weights = [1.0, 1.0] if method == "dare" else None
    with pytest.raises(RecipeError, match="rank") as caught:
        xlmerge.merge(method, folders, weights=weights, output=out)
    assert "tolerance" in str(caught.value)
    result = xlmerge.merge(
        method, folders, weights=weights, parameters={"tolerance": 0.3}, output=out
    )
    assert 0 < result.report["measured"]["discarded"]["most"] <= 0.3


def test_ties_over_the_whole_adapter_or_each_parameter(tmp_path: Path) -> None:
    folders = [bottleneck(tmp_path / name, at) for at, name in enumerate("ab")]
    inputs = [dense(folder) for folder in folders]
    names = sorted(inputs[0])
    sizes = {name: inputs[0][name].size for name in names}

    def kept(arrays: list[Any], count: int) -> list[Any]:
        flat = np.sort(np.concatenate([abs(array).ravel() for array in arrays]))
        return [abs(array) >= flat[-count] for array in arrays]

    for scope in ("adapter", "parameter"):
        out = tmp_path / scope
        values = {"density": 0.25, "scope": scope}
        xlmerge.merge("ties", folders, parameters=values, output=out)
        masks = []
        for state in inputs:
            if scope == "adapter":
                total = round(0.25 * sum(sizes.values()))
                whole = kept([state[name] for name in names], total)
                masks.append(dict(zip(names, whole, strict=True)))
            else:
                masks.append({n: kept([state[n]], round(0.25 * sizes[n]))[0] for n in names})
        found = dense(out)
        for name in names:
            nonzero = masks[0][name] | masks[1][name]
            assert np.array_equal(found[name] != 0, nonzero), (scope, name)


def test_the_order_of_adapters_gives_the_same_bytes(tmp_path: Path) -> None:
    a, b, c = (bottleneck(tmp_path / name, at) for at, name in enumerate("abc"))
    for method in ("linear", "dare"):
        results = []
        for at, folders in enumerate(({a: 0.2, b: 0.3, c: 0.4}, {c: 0.4, a: 0.2, b: 0.3})):
            out = tmp_path / f"{method}{at}" / "merged"
            adapters = {str(folder): weight for folder, weight in folders.items()}
            xlmerge.merge(method, adapters, output=out)
            [file] = out.glob("adapter.*")
            results.append(file.read_bytes())
        assert results[0] == results[1]
