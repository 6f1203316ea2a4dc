"""The mean of predictions, on plain functions instead of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from xlmerge.errors import CompositionError  # noqa: E402
from xlmerge_standard.compositions.ensemble import ensemble  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


def gives(*rows: list[float], dtype: Any = None, name: str = "logits") -> Callable[[Any], Any]:
    tensor = torch.tensor(rows, dtype=dtype or torch.float32)
    return lambda _batch: {name: tensor.clone()}


ONE, TWO = gives([2.0, -1.0, 0.5]), gives([-3.0, 1.0, 4.0])


def test_probabilities_are_averaged() -> None:
    found = ensemble.function(children=[ONE, TWO], weights=(0.2, 0.8))({})["logits"]
    expected = 0.2 * ONE({})["logits"].softmax(-1) + 0.8 * TWO({})["logits"].softmax(-1)
    torch.testing.assert_close(found.exp(), expected)
    torch.testing.assert_close(found.softmax(-1), expected)


def test_equal_weights() -> None:
    found = ensemble.function(children=[ONE, TWO])({})["logits"]
    torch.testing.assert_close(
        found, ensemble.function(children=[TWO, ONE], weights=(0.5, 0.5))({})["logits"]
    )


def test_logits_are_averaged() -> None:
    found = ensemble.function(children=[ONE, TWO], weights=(0.25, 0.75), space="logit")({})
    expected = 0.25 * ONE({})["logits"] + 0.75 * TWO({})["logits"]
    torch.testing.assert_close(found["logits"], expected)


def test_all_the_weight_on_one() -> None:
    """The other is not run at all."""

    def broken(_batch: Any) -> Any:
        raise AssertionError("it has no weight")

    found = ensemble.function(children=[ONE, broken], weights=(1, 0))({})["logits"]
    torch.testing.assert_close(found, ONE({})["logits"].log_softmax(-1))


@pytest.mark.parametrize("space", ["probability", "logit"])
def test_padding_stays_impossible(space: str) -> None:
    """Positions at minus infinity, as answers have them."""
    padded = gives([1.0, 2.0, -torch.inf]), gives([0.0, 1.0, -torch.inf])
    found = ensemble.function(children=padded, weights=(0.5, 0.5), space=space)({})["logits"]
    assert found[0, 2] == -torch.inf
    assert torch.isfinite(found[0, :2]).all()


def test_confident_models_do_not_underflow() -> None:
    sure = gives([1000.0, 0.0]), gives([0.0, 1000.0])
    found = ensemble.function(children=sure)({})["logits"]
    torch.testing.assert_close(found.exp(), torch.tensor([[0.5, 0.5]]))
    alike = gives([1000.0, 0.0]), gives([999.0, 0.0])
    found = ensemble.function(children=alike)({})["logits"]
    assert float(found[0, 1]) == pytest.approx(-999.38, abs=0.01)


def test_small_precision_is_not_kept() -> None:
    small = [gives([1.0, 2.0], dtype=torch.bfloat16)] * 2
    assert ensemble.function(children=small)({})["logits"].dtype == torch.float32
    large = [gives([1.0, 2.0], dtype=torch.float64)] * 2
    assert ensemble.function(children=large)({})["logits"].dtype == torch.float64


@pytest.mark.parametrize("other", [gives([1.0, 2.0]), gives([1.0, 2.0, 3.0], name="start")])
def test_other_outputs(other: Callable[[Any], Any]) -> None:
    with pytest.raises(CompositionError, match="give different outputs: logits") as error:
        ensemble.function(children=[ONE, other])({})
    assert "same classes" in str(error.value)
