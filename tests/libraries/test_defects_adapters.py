"""Merging in `adapters` 1.3.0 where it goes wrong, and beside it the merge that xlmerge writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from . import tiny  # noqa: E402
from .defects import known_defect  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMES = ("one", "two")


def _model(kind: str, folder: Path, config: Any = None) -> Any:
    """A model with a head class and two adapters without heads, saved."""
    model = tiny.head_model("xlmr")
    for seed, name in enumerate(NAMES, start=1):
        tiny.add_adapter(model, name, config or tiny.KINDS[kind](), seed=seed)
        model.save_adapter(str(folder / name), name)
    return model


def _ours(folder: Path, weights: Sequence[float], names: Sequence[str] = NAMES) -> dict[str, Any]:
    """Tensors of the merge, the name taken out."""
    out = tiny.merge("linear", [folder / name for name in names], list(weights), folder / "ours")
    return _tensors(out, "ours")


def _tensors(folder: Path, name: str) -> dict[str, Any]:
    stored = torch.load(folder / "pytorch_adapter.bin", weights_only=True)
    return {key.replace(f".{name}.", "."): tensor for key, tensor in stored.items()}


def _theirs(model: Any, name: str, folder: Path) -> dict[str, Any]:
    model.save_adapter(str(folder / name), name)
    return _tensors(folder / name, name)


def _sum(folder: Path, weights: Sequence[float]) -> dict[str, Any]:
    one, two = (_tensors(folder / name, name) for name in NAMES)
    return {key: weights[0] * one[key] + weights[1] * two[key] for key in one}


def _equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor)


def test_the_invertible_part_is_merged(tmp_path: Path) -> None:
    """D1, D2: called on a model with a head, `average_adapter` leaves the coupling random."""
    model = _model("seq_bn_inv", tmp_path)
    expected = _sum(tmp_path, [0.4, 0.6])
    _equal(_ours(tmp_path, [0.4, 0.6]), expected)
    model.average_adapter("theirs", list(NAMES), weights=[0.4, 0.6])
    with known_defect("D1: average_adapter merges the invertible adapter (adapters 1.3.0)"):
        _equal(_theirs(model, "theirs", tmp_path), expected)
    # Where it works:
    model.base_model.average_adapter("right", list(NAMES), weights=[0.4, 0.6])
    _equal(_theirs(model, "right", tmp_path), expected)


def test_what_such_a_merge_saves_is_refused(tmp_path: Path) -> None:
    """D2: the library would load it with a random coupling, another one every time."""
    import xlmerge

    model = _model("seq_bn_inv", tmp_path)
    model.average_adapter("theirs", list(NAMES), weights=[0.4, 0.6])
    with known_defect("D2: a saved average has its invertible adapter (adapters 1.3.0)"):
        assert any("invertible" in key for key in _theirs(model, "theirs", tmp_path))
    with pytest.raises(xlmerge.XLMergeError, match="declares an invertible adapter") as error:
        xlmerge.load(tmp_path / "theirs")
    assert "average_adapter" in str(error.value)


def test_an_adapter_merged_with_itself_is_itself(tmp_path: Path) -> None:
    """D4: names are the keys of a dictionary, so one of two equal ones is lost."""
    model = _model("seq_bn", tmp_path)
    expected = _tensors(tmp_path / "one", "one")
    _equal(_ours(tmp_path, [0.5, 0.5], ["one", "one"]), expected)
    model.average_adapter("theirs", ["one", "one"], weights=[0.5, 0.5])
    with known_defect("D4: average_adapter counts an adapter given twice twice (adapters 1.3.0)"):
        _equal(_theirs(model, "theirs", tmp_path), expected)


def test_an_input_is_no_output(tmp_path: Path) -> None:
    """D6: the target is deleted first, and a fresh random adapter of its name is averaged."""
    import xlmerge

    model = _model("seq_bn", tmp_path)
    expected = _sum(tmp_path, [0.5, 0.5])
    before = (tmp_path / "one" / "pytorch_adapter.bin").read_bytes()
    with pytest.raises(xlmerge.XLMergeError, match="overlap"):
        tiny.merge(
            "linear", [tmp_path / name for name in NAMES], [0.5, 0.5], tmp_path / "one", force=True
        )
    assert (tmp_path / "one" / "pytorch_adapter.bin").read_bytes() == before
    model.average_adapter("one", list(NAMES), weights=[0.5, 0.5], overwrite_ok=True)
    with known_defect("D6: average_adapter reads its inputs before it overwrites (adapters 1.3.0)"):
        _equal(_theirs(model, "one", tmp_path), expected)


def test_weights_of_any_sum(tmp_path: Path) -> None:
    """D7: by default the weights are divided by their sum, be it negative or zero."""
    model = _model("seq_bn", tmp_path)
    _equal(_ours(tmp_path, [1, -2]), _sum(tmp_path, [1, -2]))
    model.average_adapter("theirs", list(NAMES), weights=[1, -2])
    with known_defect("D7: average_adapter takes weights as they are (adapters 1.3.0)"):
        _equal(_theirs(model, "theirs", tmp_path), _sum(tmp_path, [1, -2]))
    _equal(
        _tensors(
            tiny.merge("linear", [tmp_path / name for name in NAMES], [1, -1], tmp_path / "zero"),
            "zero",
        ),
        _sum(tmp_path, [1, -1]),
    )
    with known_defect("D7: weights that sum to 0 (adapters 1.3.0)", ZeroDivisionError):
        model.average_adapter("difference", list(NAMES), weights=[1, -1])
    with known_defect("D7: nothing half-made stays (adapters 1.3.0)"):
        assert "difference" not in model.adapters_config.adapters


def test_as_many_weights_as_adapters(tmp_path: Path) -> None:
    """D5: what has no weight is left out in silence."""
    import xlmerge

    model = _model("seq_bn", tmp_path)
    with pytest.raises(xlmerge.XLMergeError, match="2 adapters and 1 weights"):
        _ours(tmp_path, [1.0])
    model.average_adapter("theirs", list(NAMES), weights=[1.0])
    with known_defect("D5: average_adapter counts its weights (adapters 1.3.0)"):
        assert "theirs" not in model.adapters_config.adapters


def test_the_average_of_two_equal_adapters_is_either(tmp_path: Path) -> None:
    """D9: the composition block divides twice, by weights that sum to 1 and by their number."""
    from adapters.composition import Average

    model = _model("par_bn", tmp_path)
    model.load_adapter(str(tmp_path / "one"), load_as="twin")
    expected = _hidden(model, "one")
    out = tiny.merge(
        "linear", [tmp_path / "one", tmp_path / "one"], [0.5, 0.5], tmp_path / "merged"
    )
    tiny.close(_hidden(model, tiny.load(model, out)), expected)
    with known_defect("D9: Average is the mean of its children (adapters 1.3.0)"):
        tiny.close(_hidden(model, Average("one", "twin")), expected)


def _hidden(model: Any, setup: Any) -> Any:
    model.set_active_adapters(setup)
    with torch.no_grad():
        return model.eval().base_model(**tiny.INPUTS).last_hidden_state


def _deltas(tensors: dict[str, Any], scale: float) -> dict[str, Any]:
    return {
        key: scale * tensors[key.replace("lora_A", "lora_B")] @ tensor
        for key, tensor in tensors.items()
        if "lora_A" in key
    }


@pytest.mark.parametrize("rank", [2, 4])
@pytest.mark.parametrize("strategy", ["linear", "lora_linear_only_negate_b", "lora_delta_w_svd"])
def test_the_sum_of_low_rank_deltas(strategy: str, rank: int, tmp_path: Path) -> None:
    """D8 and cross terms: of the library's strategies only the SVD at the inputs' rank is sound."""
    config = tiny.KINDS["lora"]()
    model = _model("lora", tmp_path)
    scale = config.alpha / config.r
    one, two = (_deltas(_tensors(tmp_path / name, name), scale) for name in NAMES)
    exact = {key: 0.5 * one[key] + 0.5 * two[key] for key in one}
    best = {key: _cut(delta, rank) for key, delta in exact.items()}

    folders = [tmp_path / name for name in NAMES]
    ours = tiny.merge("linear", folders, [0.5, 0.5], tmp_path / "ours", parameters={"rank": rank})
    _equal_within(_deltas(_tensors(ours, "ours"), scale), best)

    svd = strategy == "lora_delta_w_svd"
    more = {"svd_rank": rank} if svd else {}
    model.average_adapter(
        "theirs", list(NAMES), weights=[0.5, 0.5], combine_strategy=strategy, **more
    )
    theirs = _theirs(model, "theirs", tmp_path)
    new_rank = next(tensor.shape[0] for key, tensor in theirs.items() if "lora_A" in key)
    found = _deltas(theirs, config.alpha / new_rank)
    if svd and rank == config.r:
        _equal_within(found, best)
        return
    with known_defect(f"{strategy} gives the sum of deltas (adapters 1.3.0)"):
        _equal_within(found, best)


def _cut(matrix: Any, rank: int) -> Any:
    left, values, right = torch.linalg.svd(matrix.double())
    return left[:, :rank] @ values[:rank].diag() @ right[:rank]


def _equal_within(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for key, delta in expected.items():
        torch.testing.assert_close(found[key].double(), delta, rtol=0, atol=1e-5)


def test_the_average_of_reparametrised_prefixes(tmp_path: Path) -> None:
    """Weights of two networks averaged are not the average of what they produce."""
    model = _model("prefix", tmp_path)
    out = tiny.merge("linear", [tmp_path / name for name in NAMES], [0.5, 0.5], tmp_path / "ours")
    ours = tiny.load(model, out)
    model.average_adapter("theirs", list(NAMES), weights=[0.5, 0.5])
    tunings = model.base_model.prefix_tuning.prefix_tunings

    def keys(name: str) -> Any:
        with torch.no_grad():
            return torch.stack(list(tunings[name](1)["self_prefix"]))

    expected = 0.5 * keys("one") + 0.5 * keys("two")
    tiny.close(keys(ours), expected)
    with known_defect("average_adapter averages prefixes (adapters 1.3.0)"):
        tiny.close(keys("theirs"), expected)


def test_scaling_vectors_around_one(tmp_path: Path) -> None:
    """(IA)³ plus (IA)³ minus (IA)³: the library's sum of vectors is 0, which silences the layer."""
    model = _model("ia3", tmp_path)
    expected = {key: torch.ones_like(tensor) for key, tensor in _sum(tmp_path, [1, 0]).items()}
    _equal(_ours(tmp_path, [1, -1], ["one", "one"]), expected)
    tiny.add_adapter(model, "twin", tiny.KINDS["ia3"](), seed=1)  # the same numbers as `one`
    model.average_adapter("theirs", ["one", "twin"], weights=[1, -1], normalize_weights=False)
    with known_defect("average_adapter sums (IA)³ around one (adapters 1.3.0)"):
        _equal(_theirs(model, "theirs", tmp_path), expected)


def test_a_flattened_prefix_with_grouped_keys() -> None:
    """`eject_prefix_tuning` takes the model's width for its keys'; xlmerge goes by the layers."""
    model = tiny.head_model("llama")
    tiny.add_adapter(model, "one", tiny.KINDS["prefix"](), seed=1)
    with known_defect("eject_prefix_tuning with grouped keys (adapters 1.3.0)", RuntimeError):
        model.base_model.eject_prefix_tuning("one")
