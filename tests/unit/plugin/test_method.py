"""A signature is the whole declaration of a merge method."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - declarations are read at run time
from typing import Annotated, Any

import pytest

from xlmerge.plugin import Between, Count, Point, Random, Role, Weights, merge_method

Space = Any


def declare(function: Any, **arguments: Any) -> Any:
    return merge_method(**({"summary": "Made up.", "source": "made up"} | arguments))(function)


def test_roles_adapters_weights_and_parameters() -> None:
    def method(
        space: Space,
        *,
        target: Annotated[Point, "where to"],
        spare: Point | None = None,
        adapters: Annotated[Sequence[Point], Count(2, 3), "what to merge"],
        weights: Weights | None = None,
        t: Annotated[float, Between(0, 2)] = 1.0,
        rng: Random,
    ) -> Point:
        return target

    declared = declare(method)
    assert declared.name == "method"
    assert declared.roles == (
        Role(name="target", summary="where to"),
        Role(name="spare", required=False),
    )
    assert declared.count == Count(2, 3)
    assert declared.weighted == "optional"
    assert [spec.name for spec in declared.parameters] == ["t"]
    assert declared.random
    assert declared(None, target=3, adapters=[1, 2], rng=None) == 3


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (Count(), "at least 1"),
        (Count(2), "at least 2"),
        (Count(2, 2), "exactly 2"),
        (Count(1, 3), "1 to 3"),
    ],
)
def test_counts_in_words(count: Count, words: str) -> None:
    assert str(count) == words


def no_space(*, a: Point) -> Point: ...
def keyword_space(*, space: Space, a: Point) -> Point: ...
def positional(space: Space, a: Point) -> Point: ...
def rest(space: Space, **more: Point) -> Point: ...
def bare(space: Space, *, a) -> Point: ...  # noqa: ANN001
def misnamed(space: Space, *, points: Sequence[Point]) -> Point: ...
def nothing(space: Space, *, t: float = 1.0) -> Point: ...
def weights_only(space: Space, *, a: Point, weights: Weights) -> Point: ...
def reserved(space: Space, *, a: Point, seed: int = 0) -> Point: ...
def a_list(space: Space, *, a: Point, layers: list[int]) -> Point: ...
def sound(space: Space, *, a: Point) -> Point: ...
def draws(space: Space, *, a: Point, rng: Random) -> Point: ...


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        (no_space, {}, "first argument of a merge method is `space`"),
        (keyword_space, {}, "first argument of a merge method is `space`"),
        (positional, {}, "`a` has to be keyword-only"),
        (rest, {}, "`more` has to be keyword-only"),
        (bare, {}, "`a` has no annotation"),
        (misnamed, {}, "is called `adapters`"),
        (nothing, {}, "it takes no adapter"),
        (weights_only, {}, "it takes weights but no `adapters`"),
        (reserved, {}, "`seed` is a name the engine uses"),
        (a_list, {}, "`layers`: a parameter is"),
        (sound, {"name": "No Name"}, "not lower-case words"),
        (sound, {"summary": ""}, "must not be empty"),
        (sound, {"scopes": ()}, "it has no scope"),
        (sound, {"scopes": ("parameter", "model")}, "scope 'model' is none of parameter, layer"),
        (sound, {"heads": "from b"}, "is neither ask, drop nor"),
        (sound, {"heads": "a"}, "is neither ask, drop nor"),
        (sound, {"distinct": (("a", "b"),)}, "unknown role 'b'"),
        (draws, {"scopes": ("layer",)}, "works per parameter"),
    ],
)
def test_what_is_no_declaration(function: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        declare(function, **arguments)
