"""Points of an adapter, read one bundle at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from xlmerge.checkpoint.compatibility import FLOATS
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from xlmerge.checkpoint.cover import AdapterLayout, Covered
    from xlmerge.plugin.architecture import Bundle

__all__ = ["PointReader", "check_finite", "working_precision"]


class PointReader:
    """Reads the points of one adapter as float32 (float64 where stored so), a bundle at a time.

    Each thread keeps the bundle it read last, since several parameters may lie in one.

    Args:
        name: The adapter's name in the recipe, for messages.
        layout: What its tensors mean.
        head: Whether to read the head's parameters instead of the adapter's.
    """

    def __init__(self, name: str, layout: AdapterLayout, *, head: bool = False) -> None:
        self.name = name
        self.layout = layout
        self._where: dict[str, tuple[Covered, Bundle]] = {
            parameter.name: (covered, bundle)
            for covered, bundle in layout.bundles(head=head)
            for parameter in bundle.parameters
        }
        self._last = threading.local()

    def point(self, parameter: str) -> Any:
        """The point of a parameter.

        Raises:
            CheckpointError: A tensor is not of a floating-point type, not finite, or its copies
                disagree.
        """
        covered, bundle = self._where[parameter]
        if getattr(self._last, "bundle", None) is not bundle:
            self.forget()  # before the next one is read, so that only one is in memory
            self._last.points = self._read(covered, bundle)
            self._last.bundle = bundle
        return self._last.points[parameter]

    def forget(self) -> None:
        """Let go of the bundle that this thread read last."""
        self._last.bundle = self._last.points = None

    def stored(self, key: str) -> Any:
        """A tensor in the precision it is stored in, checked.

        Raises:
            CheckpointError: It is not of a floating-point type, or not finite.
        """
        folder = self.layout.folder
        dtype = folder.dtype(key)
        if dtype not in FLOATS:
            raise CheckpointError(
                f"{self.name} ({folder.path}): {key} is stored as {dtype}; "
                f"expected {', '.join(FLOATS)}",
                hint="save the adapter unquantised",
            )
        array = folder.read(key)
        check_finite(array, f"{self.name} ({folder.path}): {key}")
        return array

    def holds_same_as(self, other: PointReader) -> bool:
        """Whether all stored tensors are equal to another adapter's; stops at a difference."""
        mine, theirs = (dict(_keys(reader.layout)) for reader in (self, other))
        return mine.keys() == theirs.keys() and all(
            _equal(self.layout.folder.read(key), other.layout.folder.read(theirs[where]))
            for where, key in mine.items()
        )

    def _read(self, covered: Covered, bundle: Bundle) -> dict[str, Any]:
        arrays = {}
        for role, key in bundle.keys.items():
            stored = self.stored(key)
            self._check_copies(bundle, role, key, stored)
            arrays[role] = working_precision(stored)
        return dict(covered.half.decode(bundle, arrays))

    def _check_copies(self, bundle: Bundle, role: str, key: str, stored: Any) -> None:
        """Compare what a file stores several times; the library would take the last one."""
        headers = self.layout.folder.header.tensors
        for copy, of in bundle.copies.items():
            if of != role:
                continue
            origins = {headers[each].same_as or headers[each].name for each in (copy, key)}
            if len(origins) > 1 and not _equal(self.layout.folder.read(copy), stored):
                raise CheckpointError(
                    f"{self.name} ({self.layout.folder.path}): {copy} and {key} should hold the "
                    "same numbers and do not",
                    hint="load the adapter with its library and save it again",
                )


def _keys(layout: AdapterLayout) -> list[tuple[tuple[str, str], str]]:
    """Canonical keys, by the parameters they hold and their role."""
    return [
        ((bundle.parameters[0].name, role), key)
        for _, bundle in layout.bundles()
        for role, key in bundle.keys.items()
    ]


def _equal(first: Any, second: Any) -> bool:
    import numpy as np

    return bool(np.array_equal(first, second))


def working_precision(stored: Any) -> Any:
    """float64 as it is, everything narrower as float32."""
    import numpy as np

    return stored if stored.dtype == np.float64 else stored.astype(np.float32, copy=False)


def check_finite(array: Any, what: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        CheckpointError: There is one.
    """
    import numpy as np

    finite = np.isfinite(array)
    if not finite.all():
        bad = int(array.size - finite.sum())
        raise CheckpointError(
            f"{what}: {bad} of {array.size} numbers are NaN or infinite",
            hint="the training that made it diverged, or the file is damaged",
        )
