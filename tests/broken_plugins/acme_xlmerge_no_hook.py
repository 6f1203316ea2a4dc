"""The entry point refers to a module without hooks."""

xlmerge_api_version = 0
