"""Needs a module that is not installed."""

import module_that_is_not_there  # noqa: F401

xlmerge_api_version = 0
