"""Adapter architectures that both libraries know, one a file."""
