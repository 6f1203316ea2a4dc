"""Options that trainers share stand in place of a function's ``**``."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from xlmerge.plugin.fit_options import fit_options
from xlmerge.plugin.trainers import trainer


def _declared(**defaults: Any) -> Any:
    @trainer(summary="Trains.", source="nobody", data={"train": "rows"})
    @fit_options(length="3 epochs", **defaults)
    def example(work: Any, *, mine: Annotated[bool, "my own"] = False, **fit: Any) -> Any:
        """An example."""
        return mine, fit

    return example


def test_they_come_after_the_trainers_own() -> None:
    made = _declared(batch_size=64)
    found = {parameter.name: parameter for parameter in made.parameters}
    assert next(iter(found)) == "mine"
    assert found["batch_size"].default == 64
    assert found["learning_rate"].default == 1e-4
    assert found["schedule"].choices == ("linear", "constant", "cosine")
    assert "3 epochs" in found["steps"].summary


def test_the_function_gets_them() -> None:
    assert _declared().function(None, mine=True, steps=3) == (True, {"steps": 3})


def test_a_default_for_no_option_is_refused() -> None:
    with pytest.raises(TypeError, match="no shared option: batchsize"):
        _declared(batchsize=3)


def test_a_function_without_a_place_for_them_is_refused() -> None:
    with pytest.raises(TypeError, match=r"no `\*\*` argument"):

        @fit_options(length="3 epochs")
        def example(work: Any, *, mine: bool = False) -> None:
            """Has no place."""
