"""``xlmerge merge``: one line for every method, and a plain answer to every slip."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import xlmerge
from xlmerge.plugin import discover

from . import folders

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import CommandLine

TASK = ("task_in_source=senti-id", "reference_in_source=emot-id", "reference_in_target=emot-jv")

# Every method by name; a new one needs a line here.
ONE_LINERS = {
    "adamergex": [word for role in TASK for word in ("--role", role)],
    "dare": ["en", "id", "--weights", "0.5,0.5", "--with", "drop_rate=0.5", "--with", "seed=3"],
    "language_arithmetic": ["en", "id", "--weights", "0.4,0.6"],
    "linear": ["en", "id", "jv", "--weights", "1,-1,1e-1"],
    "slerp": ["en", "id", "--with", "t=0.3"],
    "task_arithmetic": ["en", "id", "--weights", "1,-1", "--role", "initial=jv"],
    "ties": ["senti-id", "emot-id", "--with", "density=0.5", "--with", "rank=2"],
}


def record(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "xlmerge.json").read_text(encoding="utf-8"))
    return content


def parameters(folder: Path) -> dict[str, Any]:
    with xlmerge.load(folder) as adapter:
        return {name: adapter.dense(name) for name in adapter}


def test_there_is_a_line_for_every_method() -> None:
    assert sorted(ONE_LINERS) == sorted(discover().methods)


@pytest.mark.parametrize("method", ONE_LINERS)
def test_one_liners(xl: CommandLine, work: Path, method: str) -> None:
    shown = xl("merge", method, *ONE_LINERS[method], "-o", "out")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("out: merged ")
    assert not shown.err
    assert record(work / "out")["method"]["name"] == method
    assert parameters(work / "out")


@pytest.mark.parametrize("kind", ["", "ia3-", "prefix-"])
def test_roles_on_every_kind(xl: CommandLine, work: Path, kind: str) -> None:
    roles = [role.replace("=", f"={kind}") for role in TASK]
    shown = xl(
        *("merge", "adamergex", "--with", "t=0.5", "-o", "out"),
        *(word for role in roles for word in ("--role", role)),
    )
    assert shown.code == 0, shown.err
    inputs = {item["role"]: item["name"] for item in record(work / "out")["inputs"]}
    assert inputs["task_in_source"] == f"{kind}senti-id"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["t=0.25"], 0.25),
        (["t=1e-1"], 0.1),
        (["t={layers.0-1: 0.2, default: 1}"], {"layers.0-1": 0.2, "default": 1.0}),
        (['t."layers.0-1"=0.2', "t.default=1"], {"layers.0-1": 0.2, "default": 1.0}),
        (["t.layers.0-1=0.2", "t.default=1"], {"layers.0-1": 0.2, "default": 1.0}),
        (["t.bottleneck=0", "t.invertible=1"], {"bottleneck": 0.0, "invertible": 1.0}),
    ],
)
def test_forms_of_with(xl: CommandLine, work: Path, values: list[str], expected: Any) -> None:
    options = [word for value in values for word in ("--with", value)]
    shown = xl("merge", "slerp", "en", "id", *options, "-o", "out")
    assert shown.code == 0, shown.err
    assert record(work / "out")["parameters"]["t"] == expected


def test_weights_by_part(xl: CommandLine, work: Path) -> None:
    weights = "{default: 1, invertible: 0}, {default: 0, invertible: 1}"
    assert xl("merge", "linear", "en", "id", "--weights", weights, "-o", "out").code == 0
    merged, en, id_ = (parameters(work / name) for name in ("out", "en", "id"))
    for name, value in merged.items():
        expected = id_ if name.startswith("invertible") else en
        np.testing.assert_array_equal(value, expected[name])


@pytest.mark.parametrize(
    "weights", ["a,b", "0.5;0.5", "0.5,", ",", "", "0.5,nan", "1,.inf", "{},1"]
)
def test_malformed_weights(xl: CommandLine, work: Path, weights: str) -> None:
    shown = xl("merge", "linear", "en", "id", "--weights", weights, "-o", "out")
    assert shown.code == 2
    assert "--weights" in shown.err or "weights" in shown.err
    assert not (work / "out").exists()


def test_too_few_weights(xl: CommandLine, work: Path) -> None:
    shown = xl("merge", "linear", "en", "id", "--weights", "0.5", "-o", "out")
    assert shown.code == 2
    assert "2 adapters" in shown.err
    assert "1 weight" in shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lineer", "en", "id", "--weights", "1,1"], "did you mean 'linear'"),
        (["slerp", "en", "id", "--with", "tt=1"], "did you mean `t`"),
        (["slerp", "en", "id", "--with", "t=3"], "[0, 1]"),
        (["slerp", "en", "id", "--with", "t=x"], "found 'x'"),
        (["slerp", "en", "id", "--with", "t="], "no value"),
        (["slerp", "en", "id", "--with", "t"], "`=` is missing"),
        (["slerp", "en", "id", "--with", "t={"], "--with t={"),
        (["slerp", "en", "id", "--with", "t=1", "--with", "t=0"], "given twice"),
        (["slerp", "en", "id", "--with", "t=1", "--with", "t.default=0"], "given twice"),
        (["slerp", "en", "id", "--with", "t={layers.9: 1, default: 0}"], "layers.9"),
        (["slerp", "en", "id", "jv"], "exactly 2"),
        (["slerp", "en", "id", "--weights", "1,1"], "takes no weights"),
        (["linear", "en", "id"], "add --weights 0.5,0.5"),
        (["linear"], "at least 1"),
        (["linear", "en", "id", "--weights", "1,1", "--role", "initial=jv"], "no role `initial`"),
        (
            ["linear", "en", "nowhere", "--weights", "1,1"],
            "error: nowhere: nowhere: no such folder",
        ),
        (["linear", "en", "./jvv", "--weights", "1,1"], "did you mean jv?"),
        (["linear", "en", "sub/jvv", "--weights", "1,1"], "did you mean jv?"),
        (["linear", "en", "senti-id", "--weights", "1,1"], "adapters"),
        (["linear", "en", "id", "--weights", "1,1", "--base-model", "other/model"], "someone/tiny"),
        (["linear", "en", "id", "--weights", "1,1", "--heads", "keep"], "'keep'"),
        (["linear", "en", "id", "--weights", "1,1", "--dtype", "int8"], "--dtype"),
        (["adamergex", "en"], "adamergex"),
        (["adamergex", "--role", "task=en"], "no role `task`"),
        (["adamergex", "--role", "task_in_source"], "expects ROLE=ADAPTER"),
        (["adamergex", "--role", "=en"], "expects ROLE=ADAPTER"),
        (["adamergex", "--role", "task_in_sorce=en"], "did you mean `task_in_source`"),
        (["adamergex", "--role", "task_in_source=en", "--role", "task_in_source=id"], "twice"),
        (["ties", "senti-id", "emot-id"], "--with rank=16"),
        (["ties", "senti-id", "emot-id", "--with", "rank=2", "--with", "energy=0.5"], "rank"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_slips(xl: CommandLine, work: Path, arguments: list[str], said: str) -> None:
    folders.language(work / "sub" / "jv", seed=1)
    shown = xl("merge", *arguments, "-o", "out")
    assert shown.code == 2
    assert said in shown.err
    assert not shown.out
    assert not (work / "out").exists()


def test_two_heads_are_asked_about_in_options(xl: CommandLine, work: Path) -> None:
    folders.lora(work / "other", seed=5, head=True)
    arguments = ("merge", "linear", "senti-id", "other", "--weights", "1,1", "-o", "out")
    shown = xl(*arguments)
    assert shown.code == 2
    assert "--heads mean" in shown.err
    assert "--heads 'from" in shown.err
    for heads in ("drop", "mean", "from other"):
        assert xl(*arguments, "--heads", heads, "--force").code == 0, heads


def test_dry_run_writes_nothing(xl: CommandLine, work: Path) -> None:
    before = sorted(work.rglob("*"))
    shown = xl("merge", "linear", "en", "id", "--weights", "1,1", "-o", "a/b/out", "--dry-run")
    assert shown.code == 0
    assert "linear(" in shown.out
    assert "-> a/b/out" in shown.out
    assert "nothing was written" in shown.out
    assert sorted(work.rglob("*")) == before


def test_quiet(xl: CommandLine, work: Path) -> None:
    shown = xl("merge", "linear", "en", "id", "--weights", "1,1", "-o", "out", "-q")
    assert (shown.code, shown.out, shown.err) == (0, "", "")


def test_what_is_there_is_replaced_only_when_asked(xl: CommandLine, work: Path) -> None:
    arguments = ("merge", "linear", "en", "id", "--weights", "1,1", "-o", "out")
    assert "merged" in xl(*arguments).out
    assert "up to date" in xl(*arguments).out
    shown = xl("merge", "slerp", "jv", "id", "-o", "out")
    assert shown.code == 2
    assert "--force" in shown.err
    assert record(work / "out")["method"]["name"] == "linear"
    assert xl("merge", "slerp", "jv", "id", "-o", "out", "--force").code == 0
    assert record(work / "out")["method"]["name"] == "slerp"


def test_dtype_and_format(xl: CommandLine, work: Path) -> None:
    shown = xl(
        *("merge", "linear", "en", "id", "--weights", "1,1", "-o", "out"),
        *("--dtype", "bfloat16", "--format", "bin", "--base-model", "other"),
        *("--base-model-alias", "someone/tiny"),
    )
    assert shown.code == 0, shown.err
    assert (work / "out" / "pytorch_adapter.bin").is_file()
    with xlmerge.load(work / "out") as adapter:
        assert {each.dtype for each in adapter.header.tensors.values()} == {"bfloat16"}


def test_spaces_and_other_scripts_in_paths(xl: CommandLine, work: Path) -> None:
    folders.language(work / "bahasa indonesia", seed=7)
    folders.language(work / "ꦧꦱꦗꦮ", seed=8)
    shown = xl("merge", "slerp", "bahasa indonesia", "ꦧꦱꦗꦮ", "-o", "hasil ê/out put")
    assert shown.code == 0, shown.err
    assert (work / "hasil ê" / "out put" / "xlmerge.json").is_file()
    assert [item["reference"] for item in record(work / "hasil ê" / "out put")["inputs"]] == [
        "bahasa indonesia",
        "ꦧꦱꦗꦮ",
    ]


def test_a_measured_loss_is_told(xl: CommandLine, work: Path) -> None:
    shown = xl("merge", *("ties", "senti-id", "emot-id", "--with", "rank=1"), "-o", "out")
    assert "discarded by the lower rank" in shown.out
