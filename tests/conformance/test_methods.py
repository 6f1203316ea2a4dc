"""Every registered merge method keeps to the laws of methods."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.plugin import discover
from xlmerge.testing import MergeMethodSuite

pytest.importorskip("numpy")

# What the suite has to be told of a method; the others need nothing said about them.
TOLD: dict[str, dict[str, Any]] = {"language_arithmetic": {"weights_sum_to_one": True}}

# One class for each, so that a method that is registered tomorrow is tested, too.
for name, registered in discover(strict=True).methods.items():
    attributes = {"method": registered.descriptor, **TOLD.get(name, {})}
    globals()[f"Test_{name}"] = type(f"Test_{name}", (MergeMethodSuite,), attributes)
