"""Adapter architectures that the two libraries know, one a file or a package."""
