"""One plugin is broken: it says so, contributes nothing, and the others go on working."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from xlmerge.errors import ParameterError, PluginError, PluginLoadError
from xlmerge.plugin import discover

if TYPE_CHECKING:
    from conftest import Install


@dataclass(frozen=True)
class Fault:
    """A broken plugin, and what xlmerge has to say of it."""

    stage: str
    error: type[BaseException]
    words: tuple[str, ...]


CALL = "calling xlmerge_{}"
CHECK = "checking what xlmerge_{} returned"
VERSION = "checking its xlmerge_api_version"
HOOKS = "reading its hooks"

FAULTS = {
    "import_error": Fault(
        "importing it", ModuleNotFoundError, ("ModuleNotFoundError", "module_that_is_not_there")
    ),
    "exit": Fault("importing it", SystemExit, ("SystemExit", "usage: acme FILE")),
    "unreadable_annotation": Fault(
        "importing it", TypeError, ("first", "'Sequence' is not defined", "run time")
    ),
    "no_version": Fault(
        VERSION, PluginError, ("provides plugin API 0", "write `xlmerge_api_version = 0` into")
    ),
    "other_version": Fault(
        VERSION, PluginError, ("plugin API 7", "provides plugin API 0", "a newer xlmerge")
    ),
    "unknown_hook": Fault(
        HOOKS,
        PluginError,
        ("xlmerge_soup_kitchens", "newer xlmerge", "misspelt", "xlmerge_adapter_architectures"),
    ),
    "misspelt_hook": Fault(
        HOOKS, PluginError, ("'xlmerge_merge_method'", "did you mean 'xlmerge_merge_methods'?")
    ),
    "unmarked_hook": Fault(HOOKS, PluginError, ("xlmerge_merge_methods", "@hookimpl")),
    "no_hook": Fault(HOOKS, PluginError, ("implements no hook", "xlmerge_merge_methods")),
    "wrong_arguments": Fault(
        HOOKS, PluginError, ("xlmerge_merge_methods", "recipe", "take no arguments")
    ),
    "raising_hook": Fault(
        CALL.format("merge_methods"), RuntimeError, ("RuntimeError: no licence file in the home",)
    ),
    "generator": Fault(CALL.format("adapter_architectures"), KeyError, ("KeyError: 'second'",)),
    "not_a_list": Fault(
        CHECK.format("merge_methods"), PluginError, ("found MergeMethod", "return a list")
    ),
    "bad_descriptor": Fault(
        CHECK.format("merge_methods"),
        PluginError,
        ("forgotten_decorator", "of type function", "@merge_method"),
    ),
    "bad_name": Fault(
        CHECK.format("merge_methods"), PluginError, ("'Bad-Name'", "lower-case words")
    ),
    "bad_rule": Fault(
        CHECK.format("composition_rules"),
        PluginError,
        ("above", "expected a list of CompositionRule", "@composition_rule"),
    ),
    "rule_without_children": Fault(
        "importing it", TypeError, ("nothing", "takes no children", "declare a `Child`")
    ),
    "rule_with_untyped_child": Fault("importing it", TypeError, ("upper",)),
    "bad_trainer": Fault(
        CHECK.format("trainers"),
        PluginError,
        ("'good_trainer'", "optional_data names the unknown role 'dev'"),
    ),
    "trainer_arguments": Fault(
        HOOKS, PluginError, ("xlmerge_trainers", "model", "take no arguments")
    ),
    "bad_task": Fault(
        CHECK.format("tasks"),
        PluginError,
        ("'good_task'", "'stance', which is none of its columns", "it names no metric"),
    ),
    "tasks_elsewhere": Fault(
        CHECK.format("tasks"), PluginError, ("expected a list of Task", "of type Trainer")
    ),
    "unreadable_option": Fault(
        CHECK.format("adapter_architectures"),
        PluginError,
        ("'ridged'", "peft half", "'Annotated' is not defined"),
    ),
}


def install_beside_good(install: Install, fault: str) -> str:
    """Install a broken plugin and, before and after it in the order of names, a good one."""
    install("acme-xlmerge-good", {"good": "acme_xlmerge_good"})
    install(f"acme-{fault.replace('_', '-')}", {fault: f"acme_xlmerge_{fault}"})
    return f"acme-{fault.replace('_', '-')}"


def test_every_broken_plugin_is_tested() -> None:
    from pathlib import Path

    folder = Path(__file__).parents[2] / "broken_plugins"
    modules = {path.stem.removeprefix("acme_xlmerge_") for path in folder.glob("*.py")}
    assert modules == {*FAULTS, "good", "clash", "live", "clash_live"}


@pytest.mark.parametrize("name", FAULTS)
def test_it_fails_alone_and_says_why(
    name: str, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    distribution = install_beside_good(install, name)
    with caplog.at_level(logging.WARNING, logger="xlmerge"):
        registry = discover()

    [failure] = registry.failures
    assert isinstance(failure.error, FAULTS[name].error)
    assert (failure.plugin, failure.distribution) == (name, distribution)
    assert failure.stage == FAULTS[name].stage
    [line] = caplog.messages
    assert line == str(failure)
    assert "\n" not in line
    for word in (repr(name), distribution, *FAULTS[name].words):
        assert word in line

    assert list(registry.methods) == ["good_first"]
    assert list(registry.architectures) == ["good_adapter"]
    status = {info.name: info.status for info in registry.plugins}
    assert status == {"good": "loaded", name: "failed"}
    [broken] = [info for info in registry.plugins if info.name == name]
    assert broken.failure is failure
    assert not broken.methods
    assert not broken.architectures


@pytest.mark.parametrize("name", FAULTS)
def test_it_is_an_error_in_strict_mode(name: str, install: Install) -> None:
    distribution = install_beside_good(install, name)
    with pytest.raises(PluginLoadError) as caught:
        discover(strict=True)
    assert isinstance(caught.value.__cause__, FAULTS[name].error)
    for word in (repr(name), distribution, f"XLMERGE_DISABLE_PLUGINS={name}", *FAULTS[name].words):
        assert word in str(caught.value)


def test_an_unknown_name_may_come_from_it(install: Install) -> None:
    install_beside_good(install, "import_error")
    registry = discover()
    with pytest.raises(PluginLoadError, match="no loaded plugin provides") as caught:
        registry.method("acme_average")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    for word in ("'acme_average'", "'import_error'", "acme-import-error", "good_first"):
        assert word in str(caught.value)
    # What other plugins provide is as good as ever.
    assert registry.method("good_first").distribution == "acme-xlmerge-good"


def test_it_can_be_disabled(install: Install) -> None:
    install_beside_good(install, "exit")
    registry = discover(disabled=["exit"], strict=True)
    assert [info.status for info in registry.plugins] == ["disabled", "loaded"]
    with pytest.raises(
        ParameterError, match=r"'exit' \(acme-exit\) may provide it but is disabled"
    ):
        registry.method("acme_average")


def test_a_clash_names_both_and_spares_the_rest(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install_beside_good(install, "clash")
    registry = discover()
    assert not registry.failures
    assert list(registry.methods) == ["other_first"]
    assert list(registry.architectures) == ["good_adapter"]
    for _ in range(2):
        with pytest.raises(PluginError, match="'good_first' is provided by") as caught:
            registry.method("good_first")
        assert not isinstance(caught.value, PluginLoadError)
        for word in ("'good'", "acme-xlmerge-good 1.0", "'clash'", "acme-clash 1.0"):
            assert word in str(caught.value)
        assert "XLMERGE_DISABLE_PLUGINS=clash or XLMERGE_DISABLE_PLUGINS=good" in str(caught.value)
    [line] = caplog.messages
    assert registry.notices == (line,)
    assert "acme-clash" in line
    assert "acme-xlmerge-good" in line
    assert "\n" not in line


KINDS = ("composition_rules", "trainers", "tasks")


def test_rules_trainers_and_tasks_clash_as_methods_do(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("acme-live", {"live": "acme_xlmerge_live"})
    alone = discover(strict=True)
    assert [list(getattr(alone, kind)) for kind in KINDS] == [
        ["good_rule"],
        ["good_trainer"],
        ["good_task"],
    ]
    [info] = alone.plugins
    assert (info.composition_rules, info.trainers, info.tasks) == (
        ("good_rule",),
        ("good_trainer",),
        ("good_task",),
    )
    install("acme-clash-live", {"clash_live": "acme_xlmerge_clash_live"})
    registry = discover()
    assert [list(getattr(registry, kind)) for kind in KINDS] == [["other_rule"], [], []]
    for find, name, words in (
        (registry.composition_rule, "good_rule", "the composition rule 'good_rule' is provided by"),
        (registry.trainer, "good_trainer", "the trainer 'good_trainer' is provided by"),
        (registry.task, "good_task", "the task 'good_task' is provided by"),
    ):
        with pytest.raises(PluginError, match=words) as caught:
            find(name)
        assert "acme-live 1.0" in str(caught.value)
        assert "acme-clash-live 1.0" in str(caught.value)
    assert len(caplog.messages) == len(registry.notices) == 3


def test_an_unknown_rule_trainer_or_task_says_what_there_is(install: Install) -> None:
    install("acme-live", {"live": "acme_xlmerge_live"})
    registry = discover()
    for find, name, words in (
        (registry.composition_rule, "good_role", "no composition rule 'good_role'.*'good_rule'"),
        (registry.trainer, "good_train", "no trainer 'good_train'.*'good_trainer'"),
        (registry.task, "good_tusk", "no task 'good_tusk'.*'good_task'"),
    ):
        with pytest.raises(ParameterError, match=words):
            find(name)


def test_a_clash_is_an_error_in_strict_mode(install: Install) -> None:
    install_beside_good(install, "clash")
    with pytest.raises(PluginError, match=r"acme-clash 1.0"):
        discover(strict=True)


def test_a_clash_ends_when_one_of_the_two_is_disabled(install: Install) -> None:
    install_beside_good(install, "clash")
    registry = discover(disabled=["clash"])
    assert registry.method("good_first").plugin == "good"
    assert not registry.notices


def test_plugins_of_one_name_are_told_apart_by_distribution(install: Install) -> None:
    install("acme-one", {"same": "acme_xlmerge_good"})
    install("acme-two", {"same": "acme_xlmerge_clash"})
    registry = discover()
    with pytest.raises(PluginError) as caught:
        registry.method("good_first")
    assert "XLMERGE_DISABLE_PLUGINS=acme-one or XLMERGE_DISABLE_PLUGINS=acme-two" in str(
        caught.value
    )
    assert discover(disabled=["acme-two"]).method("good_first").distribution == "acme-one"


def test_the_user_may_interrupt(install: Install) -> None:
    site = install("acme-slow", {"slow": "acme_xlmerge_slow"})
    (site / "acme_xlmerge_slow.py").write_text("raise KeyboardInterrupt\n", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        discover()
