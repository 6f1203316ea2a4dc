"""Tests that run the plain libraries beside xlmerge."""
