# ruff: noqa: S101 - the asserts of a test suite
"""What every task has to keep to, one function a law; on given rows, in a tiny model."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from xlmerge.errors import XLMergeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy import ndarray

    from xlmerge.testing.task_case import TaskCase

__all__ = [
    "check_features_are_plain",
    "check_head_survives_saving",
    "check_loss_adds_up",
    "check_loss_trains_the_head",
    "check_metrics_are_vectorised",
    "check_missing_columns_are_refused",
    "check_padding_is_irrelevant",
    "check_predictions",
    "check_right_answers_are_best",
    "check_statistics_belong_to_rows",
    "check_unknown_labels_are_refused",
]

TOLERANCE = 1e-4
"""By which logits of the tiny model may differ with padding, relative to the largest of them."""


def check_features_are_plain(case: TaskCase) -> None:
    """Inputs are lists or arrays of numbers, name their row, and come out alike each time."""
    name = case.task.name
    for training in (False, True):
        features = _as_lists(case.features(training=training))
        assert features, f"{name}: {len(case.rows)} rows give no input"
        again = _as_lists(case.features(training=training))
        assert features == again, f"{name}: encodes differently twice"
        for feature in features:
            for key in ("input_ids", "attention_mask", "row"):
                assert key in feature, f"{name}: an input has no `{key}`, only {', '.join(feature)}"
            assert len(feature["input_ids"]) == len(feature["attention_mask"]), name
            json.dumps({key: feature[key] for key in ("input_ids", "attention_mask", "row")})
    found = {feature["row"] for feature in case.features()}
    expected = set(range(len(case.rows)))
    assert found <= expected, f"{name}: inputs of rows {sorted(found - expected)}, which are none"
    missing = sorted(expected - found)
    assert not missing, f"{name}: rows {missing} give no input, so nothing is predicted for them"


def _as_lists(features: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Features without arrays."""
    return [
        {key: value.tolist() if hasattr(value, "tolist") else value for key, value in each.items()}
        for each in features
    ]


def check_padding_is_irrelevant(case: TaskCase) -> None:
    """What an input gives does not depend on how far it is padded: alone as among others."""
    import numpy as np

    features = case.features()
    together = case.arrays(features)
    assert len(together) == len(features), f"{case.task.name}: `split` lost inputs"
    for feature, expected in zip(features, together, strict=True):
        [found] = case.arrays([feature])
        assert found.keys() == expected.keys()
        for key, array in found.items():
            assert array.shape == expected[key].shape, (
                f"{case.task.name}: `{key}` of an input alone has shape {array.shape}, in a batch "
                f"{expected[key].shape}: cut each to its own length in `split`"
            )
            np.testing.assert_allclose(
                array, expected[key], rtol=TOLERANCE, atol=TOLERANCE, err_msg=case.task.name
            )


def check_loss_adds_up(case: TaskCase) -> None:
    """The loss is a sum over items: over parts of a batch it adds up, and so do the items."""
    import torch

    features = _as_in_training(case)

    def loss(part: Sequence[Mapping[str, Any]]) -> tuple[float, int]:
        batch = case.logic.collate(part, case.tokenizer)
        with torch.no_grad():
            total, items = case.logic.loss(case.logic.outputs(case.live, batch), batch)
        assert total.ndim == 0, f"{case.task.name}: the loss has shape {tuple(total.shape)}"
        return float(total), int(items)

    total, items = loss(features)
    assert math.isfinite(total), f"{case.task.name}: the loss is {total}"
    assert items > 0, f"{case.task.name}: the loss is a sum over nothing"
    parts = [loss([feature]) for feature in features]
    assert sum(count for _, count in parts) == items, (
        f"{case.task.name}: inputs alone have {sum(c for _, c in parts)} items, together {items}"
    )
    added = math.fsum(value for value, _ in parts)
    assert abs(added - total) <= TOLERANCE * max(1.0, abs(total)), (
        f"{case.task.name}: the losses of single inputs add up to {added}, together it is {total}: "
        "return the sum, not the mean"
    )


def _as_in_training(case: TaskCase) -> list[dict[str, Any]]:
    """Inputs with what the training loop puts beside them, for tasks that draw at random."""
    features = case.features(training=True)
    return [{**each, "position": at, "mask_seed": 0} for at, each in enumerate(features)]


def check_loss_trains_the_head(case: TaskCase) -> None:
    """Each parameter of the head gets a gradient."""
    features = _as_in_training(case)
    parameters = case.live.head_parameters("case")
    if not parameters:
        return  # a head of the output embeddings alone, which the base model owns
    for parameter in parameters.values():
        parameter.requires_grad_(requires_grad=True)
    try:
        batch = case.logic.collate(features, case.tokenizer)
        total, _ = case.logic.loss(case.logic.outputs(case.live, batch), batch)
        total.backward()
        without = [name for name, p in parameters.items() if p.grad is None or not p.grad.any()]
    finally:
        for parameter in parameters.values():
            parameter.grad = None
            parameter.requires_grad_(requires_grad=False)
    assert not without, f"{case.task.name}: the loss does not reach {without[0]} of the head"


def check_predictions(case: TaskCase) -> None:
    """One prediction a row, as JSON can hold it, whatever order inputs are computed in."""
    name = case.task.name
    features = case.features()
    # A random model may give all rows alike; with noise they differ.
    for arrays in (case.arrays(features), _noisy(case.arrays(features))):
        found = case.logic.predictions(arrays, features, case.rows, case.labels)
        assert len(found) == len(case.rows), (
            f"{name}: {len(case.rows)} rows, {len(found)} predictions"
        )
        assert json.loads(json.dumps(found)) == found, f"{name}: predictions are no plain data"
        turned = case.logic.predictions(arrays[::-1], features[::-1], case.rows, case.labels)
        assert turned == found, f"{name}: predictions depend on the order of the inputs"


def _noisy(outputs: Sequence[Mapping[str, ndarray]]) -> list[dict[str, ndarray]]:
    """The same with other numbers, where they are no whole ones."""
    import numpy as np

    rng = np.random.default_rng(0)

    def shaken(array: ndarray) -> ndarray:
        if array.dtype.kind != "f" or not array.size:
            return array
        noise = rng.standard_normal(array.shape) * abs(array).max()
        changed: ndarray = (array + noise).astype(array.dtype)
        return changed

    return [{key: shaken(array) for key, array in each.items()} for each in outputs]


def check_statistics_belong_to_rows(case: TaskCase) -> None:
    """Statistics are ``[rows, k]`` float64; those of a row do not depend on other rows."""
    import numpy as np

    predictions = case.predictions()
    whole = case.logic.statistics(predictions, case.rows, case.labels)
    name = case.task.name
    assert whole.dtype == np.float64, f"{name}: statistics are {whole.dtype}, not float64"
    assert whole.ndim == 2, f"{name}: statistics have shape {whole.shape}, not [rows, k]"
    assert len(whole) == len(case.rows), f"{name}: {len(whole)} statistics of {len(case.rows)} rows"
    assert np.isfinite(whole).all(), f"{name}: statistics are not finite"
    for at, prediction in enumerate(predictions):
        alone = case.logic.statistics([prediction], case.rows.select([at]), case.labels)
        np.testing.assert_array_equal(alone[0], whole[at], err_msg=f"{name}: row {at} alone")


def check_metrics_are_vectorised(case: TaskCase) -> None:
    """Metrics of many sums at once are those of each; the task's own metric comes first."""
    import numpy as np

    statistics = case.logic.statistics(case.predictions(), case.rows, case.labels)
    totals = statistics.sum(axis=0)
    found = case.logic.metrics(totals, case.labels)
    name = case.task.name
    assert next(iter(found)) == case.task.metric, (
        f"{name}: its metric is {case.task.metric}; `metrics` gives {', '.join(found)}"
    )
    stacked = np.stack([[totals, 2 * totals], [statistics[0] + totals, 3 * totals]])
    many = case.logic.metrics(stacked, case.labels)
    assert many.keys() == found.keys()
    for key, values in many.items():
        assert np.shape(values) == (2, 2), f"{name}: `{key}` has shape {np.shape(values)}"
        for place in np.ndindex(2, 2):
            one = case.logic.metrics(stacked[place], case.labels)[key]
            np.testing.assert_allclose(np.asarray(values)[place], one, rtol=1e-12, err_msg=name)


def check_right_answers_are_best(case: TaskCase, answers: Sequence[Any]) -> None:
    """Right predictions get 100, or the least loss; what the model predicts gets no more."""

    def value(predictions: Sequence[Any]) -> float:
        totals = case.logic.statistics(predictions, case.rows, case.labels).sum(axis=0)
        return float(case.logic.metrics(totals, case.labels)[case.task.metric])

    best, found = value(answers), value(case.predictions())
    if case.task.greater_is_better:
        assert abs(best - 100) < 1e-9, f"{case.task.name}: right answers get {best}, not 100"
        assert found <= best, f"{case.task.name}: a random model gets {found}, more than is right"
    else:
        assert found >= best, f"{case.task.name}: a random model gets {found}, less than is right"


def check_missing_columns_are_refused(case: TaskCase) -> None:
    """Without one of the declared columns rows are refused with an error of xlmerge."""
    for column in case.task.columns:
        rows = case.rows.remove_columns([column])
        try:
            case.logic.label_names(rows)
            case.logic.statistics(case.predictions(case.features(rows)), rows, case.labels)
        except XLMergeError:
            continue
        raise AssertionError(f"{case.task.name} takes rows without `{column}`, which it declares")


def check_unknown_labels_are_refused(case: TaskCase) -> None:
    """A class that the head does not have is refused when rows are encoded for training."""
    if len(case.labels) < 2 or case.task.labels is None:
        return
    for at in range(len(case.labels)):
        fewer = [label for place, label in enumerate(case.labels) if place != at]
        try:
            case.logic.encode(case.rows, case.tokenizer, fewer, training=True)
        except XLMergeError:
            return
    raise AssertionError(f"{case.task.name} trains on rows whose class the head does not have")


def check_head_survives_saving(case: TaskCase, folder: Any) -> None:
    """A head that is saved and loaded gives the same bits."""
    import numpy as np

    features = case.features()
    before = case.arrays(features)
    case.live.model.save_head(str(folder), "case")
    case.live.load_head("again", folder)
    case.live.set_head("again")
    try:
        after = case.arrays(features)
    finally:
        case.live.set_head("case")
        case.live.delete_head("again")
    for one, other in zip(before, after, strict=True):
        for key, array in one.items():
            np.testing.assert_array_equal(other[key], array, err_msg=case.task.name)
