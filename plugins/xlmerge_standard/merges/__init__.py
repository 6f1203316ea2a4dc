"""Merge methods, one a file."""
