"""Invertible adapters."""
