"""Looking names up, and what is said of names that nobody provides."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from xlmerge.errors import ParameterError
from xlmerge.plugin import (
    AdapterArchitecture,
    MergeMethod,
    Point,
    Registry,
    hookimpl,
    load_registry,
    merge_method,
)


@merge_method(summary="The first adapter.", source="made up")
def linear(space: object, *, adapters: Sequence[Point]) -> Point:
    return adapters[0]


lora = AdapterArchitecture(name="lora", summary="Low rank.", source="made up")


class Plugin:
    """A plugin that provides merge methods and architectures of these names."""

    xlmerge_api_version = 0

    def __init__(self, methods: str = "", architectures: str = "") -> None:
        self._methods = methods.split()
        self._architectures = architectures.split()

    @hookimpl
    def xlmerge_merge_methods(self) -> list[MergeMethod]:
        return [dataclasses.replace(linear, name=name) for name in self._methods]

    @hookimpl
    def xlmerge_adapter_architectures(self) -> list[AdapterArchitecture]:
        return [dataclasses.replace(lora, name=name) for name in self._architectures]


@pytest.fixture
def registry() -> Registry:
    return load_registry([("one", Plugin("ties linear", "lora")), ("two", Plugin("dare"))])


def test_names_are_sorted(registry: Registry) -> None:
    assert list(registry.methods) == ["dare", "linear", "ties"]
    assert registry.plugins[0].methods == ("linear", "ties")
    assert len(registry.methods) == 3
    assert repr(registry.methods) == "<merge methods: dare, linear, ties>"
    assert repr(Registry().methods) == "<merge methods: none>"


def test_known_names(registry: Registry) -> None:
    assert registry.method("ties").descriptor.name == "ties"
    assert registry.method("ties") is registry.methods["ties"]
    assert registry.architecture("lora").descriptor is not None
    assert registry.architecture("lora").provider == "plugin 'one' (no distribution)"


def test_unknown_names(registry: Registry) -> None:
    with pytest.raises(ParameterError) as caught:
        registry.method("linaer")
    assert str(caught.value) == (
        "there is no merge method 'linaer'; merge methods are: dare, linear, ties; "
        "did you mean 'linear'?\n  -> check the name, or install the plugin that provides it"
    )
    with pytest.raises(
        ParameterError, match=r"no adapter architecture 'zzz'; adapter architec.*lora"
    ):
        registry.architecture("zzz")
    assert isinstance(caught.value, ValueError)


def test_a_method_is_no_architecture(registry: Registry) -> None:
    with pytest.raises(ParameterError):
        registry.architecture("ties")


def test_it_does_not_change(registry: Registry) -> None:
    for broken in (
        lambda: setattr(registry, "methods", {}),
        lambda: registry.methods.__setitem__("x", None),
        lambda: registry.methods.clashes.__setitem__("x", None),
        lambda: setattr(registry.methods["ties"], "plugin", "x"),
        lambda: setattr(registry.plugins[0], "status", "failed"),
    ):
        with pytest.raises((AttributeError, TypeError)):
            broken()


def test_the_order_of_plugins_decides_nothing() -> None:
    plugins: list[tuple[str, Any]] = [
        ("a", Plugin("mean linear", "lora")),
        ("b", Plugin("linear ties", "prefix")),
        ("c", Plugin("dare mean linear")),
    ]
    seen = {
        (tuple(registry.methods), tuple(registry.architectures), registry.plugins, registry.notices)
        for registry in map(load_registry, permutations(plugins))
    }
    [(methods, architectures, _, notices)] = seen
    assert methods == ("dare", "ties")
    assert architectures == ("lora", "prefix")
    assert [notice.split(" is provided")[0] for notice in notices] == [
        "the merge method 'linear'",
        "the merge method 'mean'",
    ]
    for name in "abc":
        assert f"plugin {name!r}" in notices[0]


def test_a_clash_of_architectures() -> None:
    registry = load_registry([("a", Plugin("ties", "lora")), ("b", Plugin("dare", "lora"))])
    assert list(registry.architectures) == []
    assert list(registry.methods) == ["dare", "ties"]
    assert list(registry.architectures.clashes) == ["lora"]
