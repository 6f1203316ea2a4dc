"""Adapter folders as data: read, detect, inspect, compare, write. No torch anywhere."""
