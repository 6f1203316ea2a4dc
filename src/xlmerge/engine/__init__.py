"""Merging: reads lazily, one scope at a time, applies a method, writes."""

from __future__ import annotations

from xlmerge.engine.report import MergeReport
from xlmerge.engine.writing import write_merge

__all__ = ["MergeReport", "write_merge"]
