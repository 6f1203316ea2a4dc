"""Points of an adapter, read one bundle at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from xlmerge.checkpoint.cover import AdapterLayout, Covered
    from xlmerge.plugin.architecture import Bundle

__all__ = ["PointReader", "check_finite", "working_precision"]

_FLOATS = ("float16", "bfloat16", "float32", "float64")


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
            CheckpointError: A tensor is not of a floating-point type, not finite, or its copies disagree.
        """
        covered, bundle = self._where[parameter]
        if getattr(self._last, "bundle", None) is not bundle:
            self._last.points = self._read(covered, bundle)
            self._last.bundle = bundle
        return self._last.points[parameter]

    def raw(self, parameter: str) -> list[Any]:
        """The stored tensors of a parameter's bundle, as they are."""
        _, bundle = self._where[parameter]
        return [self.layout.folder.read(key) for key in bundle.keys.values()]

    def _read(self, covered: Covered, bundle: Bundle) -> dict[str, Any]:
        arrays = {}
        for role, key in bundle.keys.items():
            stored = self._tensor(key)
            self._check_copies(bundle, role, key, stored)
            arrays[role] = working_precision(stored)
        return dict(covered.half.decode(bundle, arrays))

    def _tensor(self, key: str) -> Any:
        folder = self.layout.folder
        dtype = (folder.header.tensors.get(key) or folder.header.head_tensors[key]).dtype
        if dtype not in _FLOATS:
            raise CheckpointError(f"{self.name} ({folder.path}): {key} is stored as {dtype}; expected {', '.join(_FLOATS)}")
        stored = folder.read(key)
        check_finite(stored, f"{self.name} ({folder.path}): {key}")
        return stored

    def _check_copies(self, bundle: Bundle, role: str, key: str, stored: Any) -> None:
        """Compare what a file stores several times; the library would take the last one."""
        import numpy as np

        headers = self.layout.folder.header.tensors
        for copy, of in bundle.copies.items():
            if of != role:
                continue
            origins = {headers[each].same_as or headers[each].name for each in (copy, key)}
            if len(origins) > 1 and not np.array_equal(self.layout.folder.read(copy), stored):
                raise CheckpointError(f"{self.name}: {copy} and {key} should hold the same numbers and do not")


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

    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise CheckpointError(
            f"{what}: {bad} of {array.size} numbers are NaN or infinite",
            hint="the training that made it diverged, or the file is damaged",
        )
