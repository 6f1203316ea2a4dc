"""Refusals of what the adapters library would compute wrong, or crash on half-way."""

from __future__ import annotations

from xlmerge.runtime.guards.folders import check_adapter, parts_of
from xlmerge.runtime.guards.places import check_block

__all__ = ["check_adapter", "check_block", "parts_of"]
