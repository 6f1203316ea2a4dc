"""The less common ways to write a plugin, wrong or right."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from xlmerge.errors import PluginLoadError
from xlmerge.plugin import Point, Registry, hookimpl, load_registry, merge_method


@merge_method(summary="The first adapter.", source="made up")
def first(space: object, *, adapters: Sequence[Point]) -> Point:
    return adapters[0]


def load(**attributes: object) -> Registry:
    """Load a plugin with these attributes."""
    plugin = type("Plugin", (), {"xlmerge_api_version": 0, **attributes})
    return load_registry([("acme", plugin)], strict=True)


@hookimpl
def nothing() -> list[object]:
    return []


@hookimpl
def one() -> list[object]:
    return [first]


def test_a_hook_may_return_nothing() -> None:
    registry = load(xlmerge_merge_methods=nothing)
    assert registry.plugins[0].status == "loaded"
    assert not registry.methods


def test_a_hook_under_another_name() -> None:
    @hookimpl(specname="xlmerge_merge_methods")
    def methods() -> list[object]:
        return [first]

    assert list(load(methods=methods).methods) == ["first"]


def test_a_hook_for_later_versions_can_be_optional() -> None:
    @hookimpl(optionalhook=True)
    def later() -> list[object]:
        raise AssertionError

    registry = load(xlmerge_soups=later, xlmerge_merge_methods=one)
    assert list(registry.methods) == ["first"]


def test_a_wrapper_has_nothing_to_wrap() -> None:
    @hookimpl(wrapper=True)
    def wrapper() -> object:
        return (yield)

    with pytest.raises(PluginLoadError, match="hook wrapper"):
        load(xlmerge_merge_methods=wrapper)


@pytest.mark.parametrize("version", ["0", 0.0, False, None])
def test_api_versions_that_are_no_numbers(version: object) -> None:
    with pytest.raises(PluginLoadError, match="expected a whole number"):
        load(xlmerge_api_version=version, xlmerge_merge_methods=one)


def test_an_older_api_version() -> None:
    with pytest.raises(PluginLoadError, match="a newer release of the plugin or an older xlmerge"):
        load(xlmerge_api_version=-1, xlmerge_merge_methods=one)


def test_an_error_that_cannot_be_printed() -> None:
    class UnprintableError(Exception):
        def __str__(self) -> str:
            raise ValueError

    @hookimpl
    def raises() -> list[object]:
        raise UnprintableError

    with pytest.raises(PluginLoadError, match="calling xlmerge_merge_methods: UnprintableError"):
        load(xlmerge_merge_methods=raises)


def test_the_user_may_interrupt_a_hook() -> None:
    @hookimpl
    def interrupted() -> list[object]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(xlmerge_merge_methods=interrupted)


def test_each_hook_counts_for_the_whole_plugin() -> None:
    @hookimpl
    def raises() -> list[object]:
        raise OSError("disk")

    class Good:
        xlmerge_api_version = 0
        xlmerge_merge_methods = one

    class HalfGood(Good):
        xlmerge_adapter_architectures = raises

    registry = load_registry([("half", HalfGood), ("good", Good)])
    assert registry.method("first").plugin == "good"
    assert [failure.plugin for failure in registry.failures] == ["half"]
