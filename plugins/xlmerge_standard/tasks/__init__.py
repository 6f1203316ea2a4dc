"""Tasks: what they ask of data and options here, the work in ``_modules``."""
