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
    "reserved_hook": Fault(
        HOOKS, PluginError, ("xlmerge_trainers", "reserved for a later plugin API")
    ),
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
    assert modules == {*FAULTS, "good", "clash"}


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
