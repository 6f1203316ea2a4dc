"""Columns of the running batch: there while it runs, as the innermost run gives them."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from xlmerge.runtime.columns import column, columns_of  # noqa: E402

ONE = {"source": torch.tensor([0, 1]), "input_ids": torch.tensor([[4], [5]])}
OTHER = {"source": torch.tensor([2])}


def test_there_are_none_outside() -> None:
    assert column("source") is None


def test_what_was_asked_for_is_there_for_a_while() -> None:
    with columns_of(ONE, ("source", "position")):
        assert column("source") is ONE["source"]
        assert column("position") is None, "the batch does not have it"
        assert column("input_ids") is None, "nobody asked for it"
    assert column("source") is None


def test_a_run_within_a_run_sees_its_own() -> None:
    with columns_of(ONE, ("source",)):
        with columns_of(OTHER, ("source",)):
            assert column("source") is OTHER["source"]
        with columns_of(OTHER, ()):
            assert column("source") is None
        assert column("source") is ONE["source"]


def test_they_are_gone_after_an_error() -> None:
    with pytest.raises(KeyError), columns_of(ONE, ("source",)):
        raise KeyError
    assert column("source") is None
