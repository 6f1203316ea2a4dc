"""What descriptors are refused for, and that the message says it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import pytest

from xlmerge.errors import PluginError, PluginLoadError
from xlmerge.plugin import (
    AdapterArchitecture,
    Count,
    FileHalf,
    LiveHalf,
    MergeMethod,
    ParameterSpec,
    Point,
    hookimpl,
    load_registry,
    merge_method,
)
from xlmerge.plugin.checks import check_architecture, check_method


@merge_method(summary="The first adapter.", source="made up")
def first(space: object, *, adapters: Sequence[Point]) -> Point:
    return adapters[0]


def claim(header: object) -> None:
    return None


def space_with_seed(peers: Any, observe: Any, *, seed: int = 0) -> None: ...


def space_with_list(peers: Any, observe: Any, *, sizes: Annotated[list, "sizes"] = ()) -> None: ...


half = FileHalf(format="peft", claim=claim)
plain = AdapterArchitecture(name="plain", summary="A tensor.", source="made up", files=(half,))


def parameter(name: str) -> ParameterSpec:
    return ParameterSpec(name=name, type=float, default=0.0)


def test_sound_descriptors_come_back() -> None:
    assert check_method(first) is first
    assert check_architecture(plain) is plain


@pytest.mark.parametrize(
    "name", ["", "Linear", "1st", "two words", "dash-ed", "_x", "añb", "a\n", 3]
)
def test_names(name: str) -> None:
    for check, sound in ((check_method, first), (check_architecture, plain)):
        with pytest.raises(PluginError, match="its name is not lower-case words joined by `_`"):
            check(dataclasses.replace(sound, name=name))


@pytest.mark.parametrize("field", ["summary", "source"])
@pytest.mark.parametrize("text", ["", "  ", None])
def test_summary_and_source(field: str, text: str | None) -> None:
    for check, sound in ((check_method, first), (check_architecture, plain)):
        with pytest.raises(PluginError, match=f"its {field} is empty or no text"):
            check(dataclasses.replace(sound, **{field: text}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"function": "first"}, "its function cannot be called: 'first' of type str"),
        ({"count": None}, "it takes no adapter"),
        ({"scopes": ()}, "it has no scope"),
        ({"scopes": ("tensor",)}, "is none of parameter, layer, adapter"),
        ({"parameters": (parameter("seed"),)}, "`seed` is a name the engine uses"),
        ({"parameters": (parameter("scope"),)}, "`scope` is a name the engine uses"),
        ({"parameters": (parameter("t"), parameter("t"))}, "more than one parameter named `t`"),
    ],
)
def test_methods(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError, match="the merge method 'first' is not valid") as caught:
        check_method(dataclasses.replace(first, **changes))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("peft",), "its files hold 'peft' of type str; expected FileHalf"),
        ((half, half), "more than one file half for the format 'peft'"),
        ((FileHalf(format="onnx", claim=claim),), "format 'onnx'; expected adapters or peft"),
        ((FileHalf(format="peft", claim=None),), "`claim` of its peft half cannot be called"),
        ((FileHalf(format="peft", claim=claim, space=3),), "`space` of its peft half cannot"),
        (
            (FileHalf(format="adapters", claim=claim, space=space_with_seed),),
            "the option of its adapters half `seed` has a name that the engine uses",
        ),
        (
            (FileHalf(format="adapters", claim=claim, space=space_with_list),),
            "the options of its adapters half cannot be read: `sizes`: a parameter is",
        ),
    ],
)
def test_file_halves(files: tuple[Any, ...], words: str) -> None:
    with pytest.raises(
        PluginError, match="the adapter architecture 'plain' is not valid"
    ) as caught:
        check_architecture(dataclasses.replace(plain, files=files))
    assert words in str(caught.value)


def test_the_live_half() -> None:
    named = (LiveHalf(install="acme.model:install"), LiveHalf(make="acme.model:make"))
    for live in (None, LiveHalf(), *named):
        assert check_architecture(dataclasses.replace(plain, live=live))
    with pytest.raises(PluginError, match=r"'acme\.model\.install', is not `module:function`"):
        check_architecture(dataclasses.replace(plain, live=LiveHalf(install="acme.model.install")))
    with pytest.raises(PluginError, match=r"`make` of its live half, 3, is not `module:function`"):
        check_architecture(dataclasses.replace(plain, live=LiveHalf(make=3)))
    with pytest.raises(
        PluginError, match=r"its live half is 'acme.model:install'.*expected LiveHalf"
    ):
        check_architecture(dataclasses.replace(plain, live="acme.model:install"))


def test_all_problems_at_once() -> None:
    with pytest.raises(PluginError) as caught:
        check_method(dataclasses.replace(first, name="A", summary="", source="", count=None))
    assert str(caught.value).count(";") == 3


@pytest.mark.parametrize("value", [None, 3, "linear", MergeMethod, {"name": "linear"}])
def test_other_things_than_descriptors(value: object) -> None:
    with pytest.raises(PluginError, match="expected a list of MergeMethod; it holds"):
        check_method(value)
    with pytest.raises(PluginError, match="expected a list of AdapterArchitecture"):
        check_architecture(value)


@pytest.mark.parametrize("value", [None, 3, "first", b"first", {"first": first}, first])
def test_other_things_than_lists(value: object) -> None:
    class Plugin:
        xlmerge_api_version = 0

        @hookimpl
        def xlmerge_merge_methods(self) -> object:
            return value

    [failure] = load_registry([("acme", Plugin())]).failures
    assert f"expected a list of descriptors; found {type(value).__name__}" in str(failure)


def test_a_name_twice_in_one_plugin() -> None:
    class Plugin:
        xlmerge_api_version = 0

        @hookimpl
        def xlmerge_merge_methods(self) -> object:
            return [first, dataclasses.replace(first, count=Count(2))]

    with pytest.raises(PluginLoadError, match="more than one descriptor named 'first'"):
        load_registry([("acme", Plugin())], strict=True)


def test_one_name_for_an_architecture_and_a_method() -> None:
    class Plugin:
        xlmerge_api_version = 0

        @hookimpl
        def xlmerge_merge_methods(self) -> object:
            return {first}

        @hookimpl
        def xlmerge_adapter_architectures(self) -> object:
            return (dataclasses.replace(plain, name="first"),)

    registry = load_registry([("acme", Plugin())], strict=True)
    assert list(registry.methods) == list(registry.architectures) == ["first"]
