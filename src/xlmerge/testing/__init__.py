"""Conformance suites for the authors of plugins; they need pytest."""

from __future__ import annotations

from xlmerge.testing.spaces import SpaceSuite, Values

__all__ = ["SpaceSuite", "Values"]
