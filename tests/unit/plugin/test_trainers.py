"""What trainers declare beside their options: attention, and columns."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.plugin import trainer


def _made(**more: Any) -> Any:
    @trainer(summary="Train.", source="made up", data={"train": "rows"}, **more)
    def fitter(work: Any, *, kind: str = "exact") -> None: ...

    return fitter


@pytest.mark.parametrize("attention", [None, "eager"])
def test_attention_is_a_name_or_none(attention: str | None) -> None:
    assert _made(attention=attention).attention_for({"kind": "exact"}) == attention


def test_attention_may_follow_from_the_options() -> None:
    made = _made(attention=lambda values: "eager" if values["kind"] == "exact" else None)
    assert made.attention_for({"kind": "exact"}) == "eager"
    assert made.attention_for({"kind": "rough"}) is None


def test_attention_is_nothing_else() -> None:
    with pytest.raises(TypeError, match=r"attention is a name, .* or None; found 3"):
        _made(attention=3)


def test_columns_are_those_that_there_are() -> None:
    assert _made(columns=("source", "position")).columns == ("source", "position")
    with pytest.raises(TypeError, match="columns names 'language'; there are source, position"):
        _made(columns=("source", "language"))
