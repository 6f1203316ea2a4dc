"""Trainers: what a recipe may say here, the work in ``_modules``."""
