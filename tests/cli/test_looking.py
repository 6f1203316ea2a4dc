"""``inspect``, ``diff``, ``methods``, ``plugins``, ``schema``: for people and for programs."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from xlmerge.cli.output import columns, print_json, size
from xlmerge.plugin import discover

from . import folders
from .conftest import RECIPE

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import CommandLine


def strict(text: str) -> Any:
    """JSON as the standard has it, without Python's extensions."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


# --- inspect --------------------------------------------------------------------------------------


def test_inspect(xl: CommandLine, work: Path) -> None:
    shown = xl("inspect", "en")
    assert (shown.code, shown.err) == (0, "")
    for fact in ("bottleneck + nice", "someone/tiny", "0-1", "non_linearity=relu", "invertible"):
        assert fact in shown.out
    assert max(map(len, shown.out.splitlines())) <= 120


def test_inspect_by_layer(xl: CommandLine, work: Path) -> None:
    rows = xl("inspect", "senti-id", "--layers").out.rpartition("\n\n")[2].splitlines()
    assert len(rows) == 1 + 4
    assert rows[0].split() == ["layer", "part", "site", "numbers", "norm", "rank"]
    assert rows[1].split()[:3] == ["0", "lora", "attention.self.query"]


@pytest.mark.parametrize("name", ["en", "senti-id", "ia3-emot-id", "prefix-emot-id"])
def test_inspect_json(xl: CommandLine, work: Path, name: str) -> None:
    found = strict(xl("inspect", name, "--json").out)
    assert found["base_model"] == "someone/tiny"
    assert found["layers"] == [0, 1]
    assert len(found["sites"]) >= 2


def test_inspect_names_the_head_s_keys_as_the_file_does(xl: CommandLine, work: Path) -> None:
    folders.add_flex_head(folders.language(work / "task", seed=3), "emotion")
    shown = xl("inspect", "task")
    assert "heads.emotion.1.weight 3 x 8" in shown.out
    assert "labels bad, ok" in shown.out
    assert "{name}" not in shown.out
    assert "heads.emotion.1.bias" in strict(xl("inspect", "task", "--json").out)["head"]["tensors"]


def test_inspect_several(xl: CommandLine, work: Path) -> None:
    shown = xl("inspect", "en", "senti-id", "ia3-emot-id")
    assert shown.code == 0
    header, *rows = shown.out.splitlines()
    assert header.startswith("folder")
    assert [row.split()[0] for row in rows] == ["en", "senti-id", "ia3-emot-id"]
    assert len(strict(xl("inspect", "en", "id", "--json").out)) == 2


def test_inspect_several_goes_on_after_a_broken_one(xl: CommandLine, work: Path) -> None:
    (work / "id" / "adapter.safetensors").write_bytes(b"\0" * 20)
    shown = xl("inspect", "en", "id", "jv")
    assert shown.code == 4
    assert shown.err.startswith("error: ")
    assert [row.split()[0] for row in shown.out.splitlines()[1:]] == ["en", "jv"]


def test_inspect_tells_where_a_merge_came_from(xl: CommandLine, work: Path) -> None:
    xl("run", "recipe.yaml")
    assert "english, indonesian by language_arithmetic" in xl("inspect", "recipe/bridge").out


def test_inspect_takes_any_record(xl: CommandLine, work: Path) -> None:
    (work / "en" / "xlmerge.json").write_text('{"inputs": [1]}', encoding="utf-8")
    assert "not as xlmerge writes it" in xl("inspect", "en").out


# --- diff -----------------------------------------------------------------------------------------


def test_diff(xl: CommandLine, work: Path) -> None:
    shown = xl("diff", "en", "id")
    assert (shown.code, shown.err) == (0, "")
    said, _, header, *rows = shown.out.splitlines()
    assert said == "can be merged"
    assert header.split()[-2:] == ["distance", "cosine"]
    assert [row.split()[:2] for row in rows] == [
        ["0", "bottleneck"],
        ["1", "bottleneck"],
        ["-", "invertible"],
    ]


def test_diff_of_the_same(xl: CommandLine, work: Path) -> None:
    assert xl("diff", "en", "en").out.startswith("identical\n")


def test_diff_of_what_cannot_be_merged(xl: CommandLine, work: Path) -> None:
    folders.language(work / "gelu", seed=4, non_linearity="gelu")
    shown = xl("diff", "en", "gelu")
    assert shown.code == 1
    assert "cannot be merged: different bottleneck.non_linearity" in shown.out
    found = xl("diff", "en", "gelu", "--json")
    assert found.code == 1
    assert strict(found.out)["problems"]


def test_diff_json(xl: CommandLine, work: Path) -> None:
    found = strict(xl("diff", "senti-id", "emot-id", "--json").out)
    assert [part["layer"] for part in found["parts"]] == [0, 1]
    assert all(-1 <= part["cosine"] <= 1 for part in found["parts"])


# --- methods, plugins -----------------------------------------------------------------------------


def test_methods(xl: CommandLine) -> None:
    tables = xl("methods").out.split("\n\n")
    found = discover()
    kinds = {
        "merge method": found.methods,
        "trainer": found.trainers,
        "task": found.tasks,
        "composition rule": found.composition_rules,
    }
    for table, (kind, names) in zip(tables, kinds.items(), strict=True):
        header, *rows = table.splitlines()
        assert header.startswith(kind)
        assert header.endswith("what it does")
        assert [row.split()[0] for row in rows] == sorted(names)


@pytest.mark.parametrize("name", sorted(discover().methods))
def test_methods_show(xl: CommandLine, name: str) -> None:
    method = discover().method(name).descriptor
    shown = xl("methods", "show", name).out
    for text in (method.summary, method.source, *(spec.name for spec in method.parameters)):
        assert text in shown
    assert xl("methods", name).out == shown
    assert strict(xl("methods", "show", name, "--json").out)["source"] == method.source
    example = yaml.safe_load(shown.rpartition("example\n")[2])
    assert example["steps"]["result"]["merge"] == name


def test_methods_json(xl: CommandLine) -> None:
    found = strict(xl("methods", "--json").out)
    names = {
        kind: [each["name"] for each in found if each["kind"] == kind]
        for kind in ("merge method", "trainer", "task", "composition rule")
    }
    registry = discover()
    assert names == {
        "merge method": sorted(registry.methods),
        "trainer": sorted(registry.trainers),
        "task": sorted(registry.tasks),
        "composition rule": sorted(registry.composition_rules),
    }


LIVE = [*discover().trainers, *discover().tasks, *discover().composition_rules]


@pytest.mark.parametrize("name", sorted(LIVE))
def test_show_what_runs_a_model(xl: CommandLine, name: str) -> None:
    found = discover()
    catalogues = (found.trainers, found.tasks, found.composition_rules)
    descriptor = next(each[name].descriptor for each in catalogues if name in each)
    shown = xl("methods", name)
    assert (shown.code, shown.err) == (0, "")
    for text in (descriptor.summary, descriptor.source):
        assert text in shown.out
    for spec in descriptor.parameters:
        assert f"  {spec.name}: {spec.describe()}" in shown.out
    described = strict(xl("methods", "show", name, "--json").out)
    assert [each["name"] for each in described["parameters"]] == [
        spec.name for spec in descriptor.parameters
    ]
    if getattr(descriptor, "in_recipes", True):
        step = yaml.safe_load(shown.out.rpartition("example\n")[2])["steps"]["result"]
        assert name in str(step)
    else:
        assert shown.out.endswith("for use from Python: `xlmerge.runtime.compose`\n")


def test_a_misspelt_trainer(xl: CommandLine) -> None:
    shown = xl("methods", "task_adaptr")
    assert shown.code == 2
    assert "did you mean 'task_adapter'" in shown.err


@pytest.mark.parametrize("arguments", [["show", "lineer"], ["lineer"]])
def test_an_unknown_method(xl: CommandLine, arguments: list[str]) -> None:
    shown = xl("methods", *arguments)
    assert shown.code == 2
    assert "did you mean 'linear'" in shown.err


def test_plugins(xl: CommandLine) -> None:
    shown = xl("plugins")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines()[0].split()[:3] == ["plugin", "from", "status"]
    assert "plugin API version" in shown.out
    for line in ("  trainers: task_adapter", "  composition rules: ", "  tasks: "):
        assert line in shown.out
    found = strict(xl("plugins", "--json").out)
    assert {each["name"] for each in found["plugins"]} >= {"standard", "madx"}
    standard = next(each for each in found["plugins"] if each["name"] == "standard")
    assert "task_adapter" in standard["trainers"]
    assert "stack" in standard["composition_rules"]
    assert "sequence_classification" in standard["tasks"]
    assert found["notices"] == []


def test_a_disabled_plugin(xl: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLMERGE_DISABLE_PLUGINS", "adamergex")
    assert "disabled" in xl("plugins").out
    assert "adamergex" not in xl("methods").out
    shown = xl("methods", "show", "adamergex")
    assert shown.code == 2
    assert "disabled" in shown.err


def test_a_disabled_plugin_that_is_none(xl: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLMERGE_DISABLE_PLUGINS", "adamergx")
    for arguments in (["plugins"], ["plugins", "--json"]):
        shown = xl(*arguments)
        assert shown.code == 0
        assert "adamergx" in shown.out
        assert not shown.err
    shown = xl("methods")
    assert shown.err.startswith("warning: XLMERGE_DISABLE_PLUGINS names 'adamergx'")
    monkeypatch.setenv("XLMERGE_STRICT_PLUGINS", "1")
    assert xl("plugins").code == 3


@pytest.mark.parametrize("width", ["20", "300"])
def test_tables_do_not_depend_on_the_width_of_a_terminal(
    xl: CommandLine, work: Path, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    commands = (["methods"], ["inspect", "en"], ["diff", "en", "id"], ["plugins"])
    usual = [xl(*arguments).out for arguments in commands]
    monkeypatch.setenv("COLUMNS", width)
    assert [xl(*arguments).out for arguments in commands] == usual


# --- schema ---------------------------------------------------------------------------------------


@pytest.fixture
def schema(xl: CommandLine) -> Any:
    return strict(xl("schema").out)


def test_the_schema_takes_recipes(schema: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(RECIPE), schema)


@pytest.mark.parametrize(
    ("step", "valid"),
    [
        ({"merge": "slerp", "with": {"t": 0.5}}, True),
        ({"merge": "slerp", "with": {"t": {"layers.0-1": 0, "default": 1}}}, True),
        ({"merge": "slerp", "with": {"t": 0.5, "rank": 8, "scope": "layer"}}, True),
        ({"merge": "slerp", "with": {"t": 2}}, False),
        ({"merge": "slerp", "with": {"t": {"layers.0-1": 2}}}, False),
        ({"merge": "slerp", "with": {"tt": 0.5}}, False),
        ({"merge": "slerp", "with": {"scope": "tensor"}}, False),
        ({"merge": "slerp", "with": {"seed": 1}}, False),
        ({"merge": "dare", "with": {"seed": 1}}, True),
        ({"merge": "slrep"}, False),
        ({"merge": "linear", "roles": {"initial": "a"}}, False),
        ({"merge": "task_arithmetic", "adapters": {"a": 1}, "roles": {"initial": "b"}}, True),
        ({"merge": "adamergex", "roles": {"task_in_source": "a"}}, False),
    ],
)
def test_the_schema_knows_the_methods(schema: Any, step: dict[str, Any], valid: bool) -> None:
    recipe = {"version": 1, "steps": {"a": {"adapters": ["b", "c"], **step}}}
    assert jsonschema.Draft202012Validator(schema).is_valid(recipe) == valid


# --- what they are printed with -------------------------------------------------------------------


def test_json_has_no_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [math.inf, -math.inf, math.nan, 1.5], "b": (None, "ê")})
    found = strict(capsys.readouterr().out)
    assert found == {"a": ["Infinity", "-Infinity", "NaN", 1.5], "b": [None, "ê"]}


def test_columns_line_up() -> None:
    table = columns(("name", "n", "x"), [("a", 1, 0.123456), ("bcdef", 12345, "-")])
    assert table == "name        n       x\na           1  0.1235\nbcdef  12,345       -"


def test_columns_without_rows() -> None:
    assert columns(("a", "b"), []) == "a  b"


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 B"), (999, "999 B"), (29_600_000, "29.6 MB"), (5e12, "5000.0 GB")]
)
def test_sizes(number: float, said: str) -> None:
    assert size(number) == said
