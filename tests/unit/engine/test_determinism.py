"""The same recipe gives the same bytes, whatever order things come in and whatever runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import xlmerge.engine.threads
from builders import edit_tensors, make, merge, snapshot, write_recipe

if TYPE_CHECKING:
    from pathlib import Path

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("linear", "seq_bn_inv", {}),
    ("linear", "lora", {"rank": 2}),
    ("linear", "peft_lora_patterns", {"tolerance": 0.1}),
    ("dare", "seq_bn_inv", {"seed": 3, "drop_rate": 0.5}),
    ("dare", "peft_lora", {"seed": 3, "rank": 2}),
    ("ties", "seq_bn_inv", {"density": 0.3}),
    ("ties", "peft_lora", {"density": 0.3, "rank": 2}),
    ("ties", "prefix", {"scope": "layer"}),
    ("slerp", "seq_bn_inv", {"scope": "adapter", "t": 0.3}),
]
CASE = pytest.mark.parametrize(("method", "kind", "parameters"), CASES)


def step_of(method: str, names: str, parameters: dict[str, Any]) -> dict[str, Any]:
    weighted = method in {"linear", "dare"}
    weights = {"a": 0.3, "b": 0.7}
    adapters: Any = {name: weights[name] for name in names} if weighted else list(names)
    return {"merge": method, "adapters": adapters, "with": parameters}


def bytes_of(folder: Path, method: str, parameters: dict[str, Any], names: str = "ab") -> Any:
    from builders import run

    out = folder.parent / f"out-{len(list(folder.parent.iterdir()))}"
    recipe = write_recipe(
        folder, {name: f"./{name}" for name in "ab"}, {"out": step_of(method, names, parameters)}
    )
    run(recipe, output=out)
    return snapshot(out / "out")


def inputs(folder: Path, kind: str) -> Path:
    for seed, name in enumerate("ab"):
        make(folder / name, kind, seed=seed)
    return folder


@CASE
def test_the_order_of_adapters(
    tmp_path: Path, method: str, kind: str, parameters: dict[str, Any]
) -> None:
    folder = inputs(tmp_path / "in", kind)
    forth, back = (bytes_of(folder, method, parameters, names) for names in ("ab", "ba"))
    assert (forth == back) == (method != "slerp")


@CASE
def test_the_order_of_keys(
    tmp_path: Path, method: str, kind: str, parameters: dict[str, Any]
) -> None:
    first = bytes_of(inputs(tmp_path / "one" / "in", kind), method, parameters)
    folder = inputs(tmp_path / "two" / "in", kind)
    for name in "ab":
        edit_tensors(folder / name, lambda arrays: dict(reversed(arrays.items())))
    second = bytes_of(folder, method, parameters)
    for name in sorted(first):
        if name not in {"xlmerge.json", "README.md"}:  # they hold the hashes of the inputs
            assert first[name] == second[name], name


@CASE
def test_the_number_of_threads(
    tmp_path: Path,
    method: str,
    kind: str,
    parameters: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = inputs(tmp_path / "in", kind)
    found = []
    for count in (1, 2, 7):
        monkeypatch.setattr(xlmerge.engine.threads, "workers", lambda count=count: count)
        found.append(bytes_of(folder, method, parameters))
    assert found[0] == found[1] == found[2]


SCRIPT = """
import sys, xlmerge
folder, out = sys.argv[1:]
xlmerge.run(folder + "/recipe.yaml", output=out)
"""


def test_the_hash_seed(tmp_path: Path) -> None:
    folder = inputs(tmp_path / "in", "peft_lora_patterns")
    for name in "cd":
        make(folder / name, "seq_bn_inv", seed=ord(name))
    write_recipe(
        folder,
        {name: f"./{name}" for name in "abcd"},
        {
            "drawn": step_of("dare", "ab", {"rank": 2, "seed": 1}),
            "voted": {"merge": "ties", "adapters": ["c", "d"]},
        },
    )
    found = []
    for seed in ("0", "1", "4711"):
        out = tmp_path / f"out{seed}"
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", SCRIPT, str(folder), str(out)]
        subprocess.run(command, env=environment, check=True, timeout=120)
        found.append({**snapshot(out / "drawn"), **snapshot(out / "voted")})
    assert found[0] == found[1] == found[2]


def test_seeds_and_names_make_the_draws(tmp_path: Path) -> None:
    folder = inputs(tmp_path / "in", "seq_bn")
    one, again, two = (
        bytes_of(folder, "dare", {"seed": seed, "drop_rate": 0.5}) for seed in (1, 1, 2)
    )
    assert one == again
    assert one["pytorch_adapter.bin"] != two["pytorch_adapter.bin"]


def test_python_and_recipes_agree(tmp_path: Path) -> None:
    folder = inputs(tmp_path / "in", "seq_bn_inv")
    recipe = bytes_of(folder, "linear", {})
    weights = {folder / "b": 0.7, folder / "a": 0.3}
    called = merge("linear", weights, output=tmp_path / "called" / "out")
    assert snapshot(called)["pytorch_adapter.bin"] == recipe["pytorch_adapter.bin"]
    assert snapshot(called)["adapter_config.json"] == recipe["adapter_config.json"]
