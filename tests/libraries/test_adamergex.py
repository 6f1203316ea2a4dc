"""AdaMergeX on files of both libraries, against its formulas in float64 on the stored tensors.

Zhao et al. 2024, arXiv 2402.18913, section 3.3, each structure in its own arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
peft = pytest.importorskip("peft")

from . import tiny, tiny_peft  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROLES = ("task_in_source", "reference_in_source", "reference_in_target")
T = 0.6
Tensors = dict[str, Any]


def _adapters(kind: str, folder: Path) -> list[Tensors]:
    """Three adapters of `adapters`: the task's head has three classes, the references' five."""
    model = tiny.head_model("xlmr")
    for seed, role in enumerate(ROLES, start=1):
        labels = 3 if role == "task_in_source" else 5
        tiny.add_adapter(model, role, tiny.KINDS[kind](), seed=seed, labels=labels)
        model.save_adapter(str(folder / role), role)
    return [_read(folder / role, role) for role in ROLES]


def _read(folder: Path, name: str) -> Tensors:
    """The stored tensors as float64, the adapter's name taken out of the keys."""
    if (folder / "pytorch_adapter.bin").exists():
        stored = torch.load(folder / "pytorch_adapter.bin", weights_only=True)
    else:
        stored = peft.load_peft_weights(str(folder))
    return {
        key.replace(f".{name}.", "."): tensor.double()
        for key, tensor in stored.items()
        if "pool" not in key and "classifier" not in key
    }


def _merge(folder: Path, **parameters: Any) -> Path:
    return tiny.merge(
        "adamergex",
        [],
        None,
        folder / "merged",
        roles={role: str(folder / role) for role in ROLES},
        parameters={"t": T, **parameters},
    )


def _each(
    found: Tensors, inputs: list[Tensors], formula: Callable[[Any, Any, Any], Any], tolerance: float
) -> None:
    task, source, target = inputs
    assert found.keys() == task.keys()
    for key, tensor in found.items():
        tiny.close(tensor, formula(task[key], source[key], target[key]), tolerance)


@pytest.mark.parametrize("kind", ["seq_bn_inv", "double_seq_bn", "par_bn"])
def test_bottlenecks_are_additive(kind: str, tmp_path: Path) -> None:
    """Not in the paper; the plain difference."""
    inputs = _adapters(kind, tmp_path)
    merged = _read(_merge(tmp_path), "merged")
    _each(merged, inputs, lambda task, rs, rt: task + T * (rt - rs), 1e-6)


def _ridge(task: Any, rs: Any, rt: Any) -> Any:
    """``T (1 + t (ratio - 1))``, the ratio with a ridge of a thousandth of the median."""
    ridge = (1e-3 * _median(rs.abs())) ** 2
    return task * (1 + T * ((rt * rs + ridge) / (rs * rs + ridge) - 1))


def _median(values: Any) -> float:
    """Of an even number of values the mean of the middle two, where torch takes the lower one."""
    return float(values.flatten().quantile(0.5))


@pytest.mark.parametrize("alpha", [1, 2])
def test_scaling_vectors_are_multiplied_by_the_ratio(alpha: int, tmp_path: Path) -> None:
    inputs = _adapters("ia3" if alpha == 1 else "ia3_alpha", tmp_path)
    merged = _read(_merge(tmp_path), "merged")
    # The formula is of degree one in the task, so alpha drops out of it.
    _each(merged, inputs, _ridge, 1e-6)


@pytest.mark.parametrize("feedforward", [False, True])
def test_scaling_vectors_of_peft(feedforward: bool, tmp_path: Path) -> None:
    kind = tiny_peft.KINDS["ia3_feedforward" if feedforward else "ia3"]
    for seed, role in enumerate(ROLES, start=1):
        tiny_peft.adapted("xlmr", kind("xlmr"), seed=seed).save_pretrained(str(tmp_path / role))
    inputs = [_read(tmp_path / role, role) for role in ROLES]
    _each(_read(_merge(tmp_path), "merged"), inputs, _ridge, 1e-6)


def _deltas(tensors: Tensors, scale: float) -> Tensors:
    downs = {key: tensor for key, tensor in tensors.items() if "lora_A" in key}
    return {
        key.partition("lora_A")[0]: scale * tensors[key.replace("lora_A", "lora_B")] @ down
        for key, down in downs.items()
    }


@pytest.mark.parametrize("kind", ["lora", "lora_all"])
def test_low_rank_deltas_are_added_exactly(kind: str, tmp_path: Path) -> None:
    config = tiny.KINDS[kind]()
    inputs = [_deltas(tensors, config.alpha / config.r) for tensors in _adapters(kind, tmp_path)]
    out = _merge(tmp_path)
    merged = _read(out, "merged")
    ranks = {tensor.shape[0] for key, tensor in merged.items() if "lora_A" in key}
    assert ranks == {3 * config.r}
    found = _deltas(merged, config.alpha / config.r)
    _each(found, inputs, lambda task, rs, rt: task + T * (rt - rs), 1e-6)


def test_low_rank_factors_are_added_one_by_one_on_request(tmp_path: Path) -> None:
    """What the published code does."""
    inputs = _adapters("lora", tmp_path)
    merged = _read(_merge(tmp_path, elements="factors"), "merged")
    _each(merged, inputs, lambda task, rs, rt: task + T * (rt - rs), 1e-6)


def test_low_rank_deltas_cut_to_a_rank_are_the_best_of_that_rank(tmp_path: Path) -> None:
    """Eckart and Young 1936: the error is that of the singular values left out."""
    config = tiny.KINDS["lora"]()
    task, rs, rt = (_deltas(x, config.alpha / config.r) for x in _adapters("lora", tmp_path))
    merged = _read(_merge(tmp_path, rank=config.r), "merged")
    found = _deltas(merged, config.alpha / config.r)
    for key, delta in found.items():
        exact = task[key] + T * (rt[key] - rs[key])
        values = torch.linalg.svdvals(exact)
        error = torch.linalg.norm(exact - delta)
        torch.testing.assert_close(
            error, values[config.r :].square().sum().sqrt(), rtol=1e-5, atol=0
        )


def _matrices(tensors: Tensors, length: int) -> list[Any]:
    """Keys and values of each layer, p x d."""
    [flat] = tensors.values()
    return list(flat.view(length, -1, tiny.HIDDEN).unbind(1))


@pytest.mark.parametrize("kind", ["prefix_flat", "prefix"])
def test_prefixes_are_carried_over_by_the_pseudo_inverse(kind: str, tmp_path: Path) -> None:
    config = tiny.KINDS[kind]()
    inputs = _adapters(kind, tmp_path)
    if kind == "prefix":
        inputs = [{"flat": _flattened(tensors)} for tensors in inputs]
    merged = _matrices(_read(_merge(tmp_path), "merged"), config.prefix_length)
    matrices = [_matrices(tensors, config.prefix_length) for tensors in inputs]
    assert len(merged) == 2 * (tiny.LAYERS - 1)
    for found, task, rs, rt in zip(merged, *matrices, strict=True):
        step = rt @ torch.linalg.pinv(rs)
        tiny.close(found, (1 - T) * task + T * step @ task, 1e-5)


def _flattened(tensors: Tensors) -> Any:
    """The prefix that the network produces."""
    parts = {key.partition("self_prefix.")[2]: tensor for key, tensor in tensors.items()}
    hidden = parts["wte.weight"] @ parts["control_trans.0.weight"].T + parts["control_trans.0.bias"]
    out = torch.tanh(hidden) @ parts["control_trans.2.weight"].T + parts["control_trans.2.bias"]
    return out.reshape(-1)


@pytest.mark.parametrize("kind", ["seq_bn", "lora", "ia3", "prefix_flat"])
def test_the_head_is_the_tasks(kind: str, tmp_path: Path) -> None:
    """The references have heads too, of other sizes."""
    _adapters(kind, tmp_path)
    plain = tiny.head_model("xlmr")
    name = tiny.load(plain, _merge(tmp_path))
    head = torch.load(tmp_path / "task_in_source" / "pytorch_model_head.bin", weights_only=True)
    found = plain.heads[name].state_dict()
    assert len(head) == len(found)
    assert all(torch.equal(head[f"heads.task_in_source.{key}"], found[key]) for key in found)
    assert tiny.outputs(plain, name).shape == (2, 3)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_equal_references_give_the_task_back_only_if_they_are_different_files(
    kind: str, tmp_path: Path
) -> None:
    """PEFT overwrites an adapter of the same name: T + t (R - R) is a mistake, not a merge."""
    import shutil

    import xlmerge

    _adapters(kind, tmp_path)
    shutil.rmtree(tmp_path / "reference_in_target")
    shutil.copytree(tmp_path / "reference_in_source", tmp_path / "reference_in_target")
    with pytest.raises(xlmerge.XLMergeError, match="identical"):
        _merge(tmp_path)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_no_step_gives_the_task_back(kind: str, tmp_path: Path) -> None:
    _adapters(kind, tmp_path)
    folder = tmp_path / "task_in_source"
    identity = _read(tiny.merge("linear", [folder], [1.0], tmp_path / "identity"), "identity")
    merged = _read(_merge(tmp_path, t=0.0), "merged")
    assert merged.keys() == identity.keys()
    for key, tensor in merged.items():
        torch.testing.assert_close(tensor, identity[key], rtol=0, atol=0)
