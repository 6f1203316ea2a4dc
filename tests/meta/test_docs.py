"""The documentation is true: what can be run in it is run, and nothing is left out of it."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import jsonschema
import pytest

import xlmerge
import xlmerge.plugin
import xlmerge.runtime
import xlmerge.testing
from xlmerge import errors
from xlmerge.cli import COMMANDS, cli
from xlmerge.cli.method_schema import schema_with_methods
from xlmerge.plan.adapter_configs import known_configs
from xlmerge.plan.live_values import EVALUATION_OPTIONS
from xlmerge.plugin import discover, spec
from xlmerge.recipe import (
    Dataset,
    EvaluateStep,
    Head,
    MergeStep,
    Recipe,
    TrainStep,
    recipe_from_data,
    recipe_from_text,
)
from xlmerge.recipe.yaml_loader import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"

pytestmark = pytest.mark.skipif(
    not (DOCS / "index.md").is_file(), reason="the documentation is not beside the tests"
)

# Made by the tutorial, or put together at a release.
_NOT_OURS = {"first-merge", "changelog"}
PAGES = sorted(
    page
    for page in (*DOCS.rglob("*.md"), *ROOT.glob("plugins/*/README.md"), ROOT / "README.md")
    if page.is_file() and not _NOT_OURS.intersection(page.parts)
)
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks(*kinds: str) -> list[Block]:
    return [block for page in PAGES for block in _blocks(page) if block.kind in kinds]


def _blocks(page: Path) -> Iterator[Block]:
    content = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(content):
        indent = len(found["indent"])
        text = "\n".join(line[indent:] for line in found["text"].splitlines()) + "\n"
        yield Block(page, content.count("\n", 0, found.start()) + 1, found["kind"], text)


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


# Steps to copy, and what they take for granted.
REFERENCE_OF_STEPS = ("methods.md", "compositions.md", "trainers.md", "tasks.md")
EXAMPLES = [REFERENCE / name for name in REFERENCE_OF_STEPS]
THERE = {
    "adapters": {
        **dict.fromkeys(("one", "two", "adapter_1", "adapter_2", "adapter_3"), "./folder"),
        **dict.fromkeys(("language", "language_adapter", "task_adapter"), "./folder"),
    },
    "datasets": {"texts": "./texts"},
}


# --- recipes --------------------------------------------------------------------------------------


@cache
def schema() -> Any:
    return schema_with_methods(discover())


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_recipes(block: Block) -> None:
    data = parse_yaml(block.text, "block").data
    if not isinstance(data, dict) or "steps" not in data:
        return
    whole = "version" in data
    jsonschema.validate(data if whole else {"version": 1, **data}, schema())
    if whole:
        recipe_from_text(block.text, str(block))
    elif block.page in EXAMPLES:
        recipe_from_data({"version": 1, **THERE, **data}, filename=str(block))


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.name)
def test_every_section_has_an_example(page: Path) -> None:
    """A method, rule, trainer or task that the test above reads the example of."""
    sections = re.split(r"^## (?=\w+$)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    missing = [text.split("\n")[0] for text in sections if "```yaml" not in text]
    assert sections
    assert not missing


def test_the_tutorial_s_recipe() -> None:
    text = (DOCS / "tutorial" / "first-merge.yaml").read_text(encoding="utf-8")
    jsonschema.validate(parse_yaml(text, "recipe").data, schema())
    recipe_from_text(text, "first-merge.yaml")


# --- snippets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_snippets_compile(block: Block) -> None:
    compile(block.text, str(block), "exec")


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every ``xlmerge ...`` in a shell script."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        end = next((i for i, word in enumerate(words) if word in {"|", ">", ">>", "&&"}), None)
        if words[:1] == ["xlmerge"]:
            yield words[1:end]


def parse(arguments: list[str]) -> None:
    """Take a command line apart as click does, without running it."""
    command: click.Command = cli
    context = cli.make_context("xlmerge", list(arguments))
    while isinstance(command, click.Group) and (rest := _rest(context)):
        _, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = command.make_context(command.name, rest, parent=context)


def _rest(context: click.Context) -> list[str]:
    """What a group leaves to its commands; click keeps the first word apart."""
    known = vars(context)  # a property of the second name warns
    first = known.get("_protected_args", known.get("protected_args", []))
    return [*first, *context.args]


def shell_commands() -> list[tuple[str, list[str]]]:
    found = [
        (f"{block}: {' '.join(arguments)}", arguments)
        for block in blocks("sh")
        for arguments in commands(block.text)
    ]
    for page in PAGES:
        for quoted in re.findall(r"(?<!`)`(xlmerge [^`]+)`(?!`)", prose(page)):
            line = " ".join(quoted.split())
            # Patterns of a command line, not a command line.
            if "..." not in line and "COMMAND" not in line:
                found += [(f"{page.name}: {line}", each) for each in commands(line)]
    return found


@pytest.mark.parametrize(
    "arguments", [pair[1] for pair in shell_commands()], ids=[pair[0] for pair in shell_commands()]
)
def test_commands_parse(arguments: list[str]) -> None:
    try:
        parse(arguments)
    except click.MissingParameter:
        # A command mentioned by its name and an option, in the middle of a sentence.
        assert len(arguments) <= 2
    except click.exceptions.Exit as end:
        assert end.exit_code == 0  # noqa: PT017 - --help ends the program


def test_the_test_of_commands_is_one() -> None:
    assert len(shell_commands()) > 50
    for wrong in (["merge", "linear", "-o"], ["inspect", "a", "--layer", "x"], ["no"]):
        with pytest.raises(click.UsageError):
            parse(wrong)


# --- links ----------------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """A heading's anchor, as code hosts make it."""
    text = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(found) for found in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)}


def links() -> list[tuple[Path, str]]:
    pattern = r"\]\(([^)\s]+)\)"
    return [(page, target) for page in PAGES for target in re.findall(pattern, prose(page))]


@pytest.mark.parametrize(
    ("page", "target"), links(), ids=[f"{page.name} -> {target}" for page, target in links()]
)
def test_links(page: Path, target: str) -> None:
    if target.startswith("https://"):
        return
    path, _, anchor = target.partition("#")
    goal = (page.parent / path).resolve() if path else page
    assert goal.exists(), f"{page}: {target}"
    assert goal.is_relative_to(ROOT)
    if anchor:
        assert anchor in anchors(goal)


def test_every_page_is_linked() -> None:
    reached = {(page.parent / target.partition("#")[0]).resolve() for page, target in links()}
    unreached = {page for page in PAGES if page.is_relative_to(DOCS)} - reached
    assert unreached <= {DOCS / "index.md"}


# --- the reference is complete --------------------------------------------------------------------


@cache
def generator() -> ModuleType:
    found = importlib.util.spec_from_file_location("generate", REFERENCE / "generate.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REFERENCE))  # the modules beside it
        found.loader.exec_module(module)
    return module


def generated_pages() -> list[Path]:
    return [page for page in PAGES if "<!-- generated: " in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", generated_pages(), ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert generator().updated(text) == text, "run python docs/reference/generate.py"


def test_every_generated_part_is_somewhere() -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in generated_pages())
    assert set(re.findall(r"<!-- generated: (\w+) -->", texts)) == set(generator().PARTS)


def options() -> list[str]:
    found = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        found += [opt for each in command.params for opt in each.opts if opt.startswith("--")]
    return found


MENTIONED = {
    "hooks.md": [
        *spec.HOOKS,
        *xlmerge.plugin.__all__,
        *xlmerge.runtime.__all__,
        *(name for name in xlmerge.testing.__all__ if name.endswith("Suite")),
    ],
    "methods.md": list(discover().methods),
    "compositions.md": list(discover().composition_rules),
    "trainers.md": list(discover().trainers),
    "tasks.md": [*discover().tasks, *(each.name for each in EVALUATION_OPTIONS)],
    "adapter-kinds.md": [*discover().architectures, *known_configs(discover())],
    "errors.md": [
        name for name in errors.__all__ if issubclass(getattr(errors, name), errors.XLMergeError)
    ],
    "cli.md": [
        *(f"xlmerge {name}" for name in COMMANDS),
        *options(),
        "XLMERGE_DISABLE_PLUGINS",
        "XLMERGE_STRICT_PLUGINS",
    ],
    "python.md": sorted(set(xlmerge.__all__) - {"__version__", "XLMergeError"}),
    "recipe.md": [
        field.alias or name
        for model in (Recipe, MergeStep, TrainStep, EvaluateStep, Dataset, Head)
        for name, field in model.model_fields.items()
    ],
}


@pytest.mark.parametrize(
    ("page", "name"),
    [(page, name) for page, names in MENTIONED.items() for name in names],
    ids=str,
)
def test_the_reference_mentions(page: str, name: str) -> None:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text), f"{page} lacks {name}"


def test_exit_codes_are_listed() -> None:
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    codes = {getattr(errors, name).exit_code for name in MENTIONED["errors.md"]} | {0, 130}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes


# --- the tutorial ---------------------------------------------------------------------------------


@pytest.mark.libraries
def test_the_tutorial_shows_what_the_script_prints(tmp_path: Path) -> None:
    pytest.importorskip("adapters")
    pytest.importorskip("peft")
    folder = tmp_path / "docs" / "tutorial"
    folder.mkdir(parents=True)
    for name in ("first_merge.py", "first-merge.yaml"):
        shutil.copy(DOCS / "tutorial" / name, folder)
    done = subprocess.run(
        [sys.executable, str(folder / "first_merge.py")],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    printed = masked(done.stdout)
    shown = [block for block in _blocks(DOCS / "tutorial" / "index.md") if block.text[0].isdigit()]
    assert len(shown) == 3
    for block in shown:
        assert masked(block.text) in printed, str(block)


def masked(text: str) -> str:
    """A text without its numbers, which differ between machines and versions."""
    return re.sub(r"\d[\d.e+-]*", "#", text)


# --- nothing of the workshop ----------------------------------------------------------------------

_SKIPPED = {"__pycache__", "first-merge"}
_TEXTS = {".md", ".py", ".toml", ".ini", ".txt", ".yaml", ".yml", ".cfg", ".json", ""}


def our_files() -> Iterator[Path]:
    for entry in ROOT.iterdir():
        if entry.is_file() and entry.suffix in _TEXTS:
            yield entry
    for name in ("src", "plugins", "tests", "docs", ".ci"):
        for folder, folders, files in os.walk(ROOT / name):
            folders[:] = [each for each in folders if each not in _SKIPPED and each[0] != "."]
            yield from (Path(folder, file) for file in files if Path(file).suffix in _TEXTS)


def test_no_path_of_a_machine_and_no_package_host() -> None:
    # Written so that this file does not find itself.
    places = "work|root|home/[a-z]+|Users/[A-Za-z]+"
    hosts = r"pypi[.]org|pythonhosted[.]org|download[.]pytorch[.]org"
    pattern = re.compile(rf"(?<![\w.~:-])/(?:{places})/|{hosts}")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in our_files()
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        )
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)
