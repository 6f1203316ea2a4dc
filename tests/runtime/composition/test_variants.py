"""What rules of other plugins may ask of a composition."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from libraries import tiny  # noqa: E402
from xlmerge.errors import CompositionError, ParameterError  # noqa: E402
from xlmerge.plugin import Child, composition_rule, hookimpl, load_registry  # noqa: E402
from xlmerge.plugin.trees import parse_tree  # noqa: E402
from xlmerge.runtime.composing import compose  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HELD: list[str] = []


@contextmanager
def _noted() -> Iterator[None]:
    HELD.append("in")
    try:
        yield
    finally:
        HELD.append("out")


@composition_rule(kind="inside", summary="Without some layers.", source="ours")
def thinned(
    live: Any,
    *,
    lower: Child,
    upper: Child | None = None,
    layer: Annotated[int, "the layer"] = 0,
) -> Any:
    live.hold(_noted())
    made = live.variant(lower, leave_out=[layer])
    if upper is None:
        return made
    from adapters.composition import Stack

    return Stack(made.block, upper.block)


class plugin:  # noqa: N801 - stands in for a module
    xlmerge_api_version = 0

    @hookimpl
    def xlmerge_composition_rules() -> Any:  # type: ignore[misc]
        return [thinned]


REGISTRY = load_registry([("acme", plugin)])


@pytest.fixture
def states(live: Any, kept: dict[str, Path]) -> Any:
    @torch.no_grad()
    def computing(tree: Any) -> Any:
        HELD.clear()
        with compose(live, parse_tree(tree), kept, REGISTRY):
            assert "out" not in HELD
            return live.encode(**tiny.INPUTS).clone()

    return computing


@torch.no_grad()
def _library(kept: dict[str, Path], name: str, leave_out: list[int]) -> Any:
    model = tiny.head_model("xlmr")
    model.load_adapter(str(kept[name]), leave_out=leave_out, with_head=False, set_active=True)
    return model.eval().base_model(**tiny.INPUTS).last_hidden_state


@pytest.mark.parametrize("layer", range(tiny.LAYERS))
def test_a_layer_is_left_out(layer: int, states: Any, kept: dict[str, Path]) -> None:
    """With the invertible adapter in its place."""
    tree = {"thinned": {"lower": "lang_a"}, "with": {"layer": layer}}
    tiny.close(states(tree), _library(kept, "lang_a", [layer]))
    assert HELD == ["in", "out"]
    assert not torch.allclose(states(tree), states("lang_a"))


def test_on_top_of_what_is_left_out_already(states: Any, kept: dict[str, Path]) -> None:
    tree = {"thinned": {"lower": {"thinned": {"lower": "task"}}}, "with": {"layer": 2}}
    tiny.close(states(tree), _library(kept, "task", [0, 2]))


def test_the_whole_one_is_another_adapter(states: Any, kept: dict[str, Path]) -> None:
    """Both at once in one model."""
    tree = {"thinned": {"lower": "plain_a", "upper": "plain_a"}}
    model = tiny.head_model("xlmr")
    from adapters.composition import Stack

    model.load_adapter(str(kept["plain_a"]), load_as="less", leave_out=[0], with_head=False)
    model.load_adapter(str(kept["plain_a"]), load_as="all", with_head=False)
    model.set_active_adapters(Stack("less", "all"))
    with torch.no_grad():
        expected = model.eval().base_model(**tiny.INPUTS).last_hidden_state
    tiny.close(states(tree), expected)


@pytest.mark.parametrize("layer", [-1, tiny.LAYERS])
def test_no_such_layer(layer: int, states: Any) -> None:
    with pytest.raises(CompositionError, match=f"layers are 0 to {tiny.LAYERS - 1}"):
        states({"thinned": {"lower": "plain_a"}, "with": {"layer": layer}})
    assert HELD == ["in", "out"], "what is held is let go after an error, too"


def test_of_a_composition(states: Any) -> None:
    with pytest.raises(CompositionError, match="left out of single adapters"):
        states({"thinned": {"lower": {"thinned": {"lower": "plain_a", "upper": "task"}}}})


def test_roles_are_named(states: Any) -> None:
    with pytest.raises(CompositionError, match="takes its children by role: lower, upper"):
        states({"thinned": ["plain_a"]})
    with pytest.raises(CompositionError, match="needs the role 'lower'; `thinned`"):
        states({"thinned": {"upper": "plain_a"}})
    with pytest.raises(ParameterError, match="`layer` expects"):
        states({"thinned": {"lower": "plain_a"}, "with": {"layer": "last"}})
