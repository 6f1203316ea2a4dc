"""Classes: their names, and the numbers that stand for them.

Data says the class of a row by its name or by a number; a recipe may declare the names in order.
Declared names travel as the features of the column (``datasets.ClassLabel``), so whoever has the
rows has the names.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError
from xlmerge.recipe.wording import did_you_mean, found, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from xlmerge.runtime.protocol import Rows

__all__ = ["Classes", "class_ids", "class_names", "feature_names"]

_SHOWN = 5


class Classes:
    """Names of classes in order, and which of them a value of the data means.

    A text is a name. A whole number, or a text of digits that is no name, is an index from 0;
    but where all names are numbers themselves (``1`` to ``5`` stars), numbers are names, too.

    Args:
        names: Names in order, all different.

    Raises:
        DataError: A name is there twice.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._ids = {name: index for index, name in enumerate(self.names)}
        if len(self._ids) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise DataError(f"labels: {listing(twice)} is there more than once")
        self._numbers_are_names = all(_is_number(name) for name in self.names)

    def index(self, value: Any) -> int | None:
        """Index of the class that a value means; None if it means none of them."""
        if isinstance(value, bool):
            return None
        text = str(value) if isinstance(value, int) else value
        if not isinstance(text, str):
            return None
        if text in self._ids and (self._numbers_are_names or isinstance(value, str)):
            return self._ids[text]
        if self._numbers_are_names or not _is_number(text):
            return None
        number = int(text)
        return number if 0 <= number < len(self.names) else None

    def encode(self, value: Any, *, place: str) -> int | list[int]:
        """A value, or a list of them, as indices.

        Raises:
            DataError: One is none of the classes.
        """
        if isinstance(value, list):
            return [self._encode(each, place) for each in value]
        return self._encode(value, place)

    def _encode(self, value: Any, place: str) -> int:
        index = self.index(value)
        if index is None:
            raise DataError(
                f"{place}: {found(value)} is none of the labels {listing(self.names)}",
                hint=did_you_mean(value, self.names, what="labels"),
            )
        return index


def feature_names(rows: Rows, column: str) -> tuple[str, ...] | None:
    """Names that the features of a column carry (``ClassLabel``, or lists of it); None without."""
    feature: Any = rows.features[column]
    while hasattr(feature, "feature"):  # a list; older releases have Sequence
        feature = feature.feature
    if isinstance(feature, list):
        feature = feature[0]
    names = getattr(feature, "names", None)
    return None if names is None else tuple(names)


def class_names(rows: Rows, column: str, declared: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the classes of a column.

    Args:
        rows: The data.
        column: A column of labels, or of lists of them.
        declared: Names in order, if they are known.

    Returns:
        ``declared``, after every row was held against it; else the names that the features carry;
        else the different texts in order of the alphabet; else, for numbers from 0 to n - 1, each
        number as a text.

    Raises:
        DataError: A row's label is none of ``declared``, or the values are no classes.
    """
    if declared:
        class_ids(rows, column, declared)
        return tuple(declared)
    if (names := feature_names(rows, column)) is not None:
        return names
    values = set(_flat(rows[column][:]))
    kinds = {type(value) for value in values}
    if kinds <= {str} and not (values and all(_is_number(value) for value in values)):
        return tuple(sorted(values))
    if kinds not in ({str}, {int}):
        shown = listing(str(value) for value in islice(sorted(values, key=str), _SHOWN))
        raise DataError(
            f"the labels in the column {column!r} are no classes: {shown}",
            hint="classes are texts or whole numbers",
        )
    numbers = sorted({int(value) for value in values})
    if numbers != list(range(len(numbers))):
        raise DataError(
            f"the labels in the column {column!r} are numbers without names, and not 0 to n - 1: "
            f"{listing(str(number) for number in numbers)}",
            hint="name the classes in order with `labels: [NAME, ...]` in the data set",
        )
    return tuple(str(number) for number in numbers)


def class_ids(rows: Rows, column: str, labels: Sequence[str]) -> list[Any]:
    """The class of each row as an index into ``labels``.

    Args:
        rows: The data.
        column: A column of labels, or of lists of them.
        labels: Names of the classes, as the head has them.

    Returns:
        An int a row, or a list of ints a row.

    Raises:
        DataError: Rows have labels that are none of ``labels``; the first ones are named.
    """
    classes = Classes(labels)
    own = feature_names(rows, column)
    values = rows[column][:]  # at once: one by one, recent releases take 20 µs an entry
    if own is not None:
        look: Any = {number: classes.index(name) for number, name in enumerate(own)}.get
    else:
        look = classes.index
    ids = [
        [look(each) for each in value] if isinstance(value, list) else look(value)
        for value in values
    ]
    wrong = [row for row, value in enumerate(ids) if value is None or _has_none(value)]
    if wrong:
        strange = {each for row in wrong for each in _flat([values[row]]) if look(each) is None}
        named = sorted(_said(each, own) for each in strange)
        raise DataError(
            f"{len(wrong)} of {len(ids)} rows have labels in the column {column!r} that are none "
            f"of {listing(labels)}: {listing(named)}, the first in row "
            f"{', '.join(str(row + 1) for row in wrong[:_SHOWN])}",
            hint="`labels` of the data set and of the head must name the same classes",
        )
    return ids


def _said(value: Any, own: Sequence[str] | None) -> str:
    """A label as the data says it."""
    if own is not None and isinstance(value, int) and 0 <= value < len(own):
        return own[value]
    return str(value)


def _has_none(value: Any) -> bool:
    return isinstance(value, list) and None in value


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _is_number(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit()
