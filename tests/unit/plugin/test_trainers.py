"""What trainers declare beside their options: attention, and columns."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.errors import ParameterError
from xlmerge.plugin import trainer
from xlmerge.plugin.fit_options import fit_options


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


def test_a_check_hears_values_and_the_base_model() -> None:
    heard: list[Any] = []
    made = _made(check=lambda values, base: heard.append((values, base)))
    made.check({"kind": "rough"}, {"hidden_size": 8})
    assert heard == [({"kind": "rough"}, {"hidden_size": 8})]
    _made().check({"kind": "rough"}, {})
    with pytest.raises(TypeError, match="its check cannot be called: 3"):
        _made(check=3)


def test_shared_options_bring_their_own_check() -> None:
    @trainer(summary="Train.", source="made up", data={"train": "rows"}, check=_never)
    @fit_options(length="2 epochs")
    def fitter(work: Any, **fit: Any) -> None: ...

    with pytest.raises(ParameterError, match="`steps` or `epochs`; found both"):
        fitter.check({"steps": 3, "epochs": 1}, {})
    with pytest.raises(ParameterError, match="never"):
        fitter.check({"steps": None, "epochs": 1}, {})


def _never(values: Any, base: Any) -> None:
    raise ParameterError("never")
