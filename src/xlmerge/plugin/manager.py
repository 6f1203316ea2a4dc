"""Discovery: all installed plugins become a registry, and a broken one takes down nothing but itself."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from xlmerge.errors import PluginError, PluginLoadError
from xlmerge.plugin.installed import Candidate, installed_plugins, normalised
from xlmerge.plugin.loader import StageError, load_plugin
from xlmerge.plugin.registry import (
    DISABLE,
    Catalogue,
    PluginFailure,
    PluginInfo,
    Registered,
    Registry,
    did_you_mean,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin.architecture import AdapterArchitecture
    from xlmerge.plugin.method import MergeMethod

__all__ = ["discover", "load_registry"]

STRICT = "XLMERGE_STRICT_PLUGINS"
"""Environment variable: 1 makes the first failure an error, for tests of plugins."""

logger = logging.getLogger("xlmerge")


def discover(*, disabled: Iterable[str] | None = None, strict: bool | None = None) -> Registry:
    """Load all installed plugins.

    Args:
        disabled: Entry points or distributions to leave out; those in the environment variable
            ``XLMERGE_DISABLE_PLUGINS``, separated by commas, if None.
        strict: Whether the first failure is raised; as the environment variable
            ``XLMERGE_STRICT_PLUGINS`` says if None.

    Returns:
        What the plugins provide. Each failure is logged as one warning, and kept in it.

    Raises:
        PluginLoadError: A plugin failed, and ``strict`` is set; its cause is chained.
        PluginError: A name clashes or a disabled name is unknown, and ``strict`` is set; or the
            environment says neither yes nor no to strictness.
    """
    if disabled is None:
        disabled = os.environ.get(DISABLE, "")
    names = disabled.split(",") if isinstance(disabled, str) else list(disabled)
    if strict is None:
        strict = _strict_by_environment()
    candidates, notices = installed_plugins()
    return _build(
        candidates,
        disabled=[name.strip() for name in names if name.strip()],
        strict=strict,
        notices=notices,
    )


def load_registry(plugins: Iterable[tuple[str, object]], *, strict: bool = False) -> Registry:
    """Register plugins that are at hand, instead of those installed; for tests.

    Args:
        plugins: Name and module of each; any object with the same attributes will do.
        strict: As for :func:`discover`.

    Returns:
        What the plugins provide.

    Raises:
        PluginError: As for :func:`discover`.
    """
    candidates = [
        Candidate(
            name=name,
            module=getattr(plugin, "__name__", type(plugin).__name__),
            distribution=None,
            version=None,
            load=lambda plugin=plugin: plugin,  # type: ignore[misc]
        )
        for name, plugin in plugins
    ]
    return _build(candidates, disabled=[], strict=strict, notices=())


def _strict_by_environment() -> bool:
    """Whether the environment asks for strictness."""
    value = os.environ.get(STRICT, "").strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"", "0", "false", "no", "off"}:
        return False
    raise PluginError(f"the environment variable {STRICT} expects 1 or 0; found {value!r}")


def _build(
    candidates: Iterable[Candidate], *, disabled: list[str], strict: bool, notices: Iterable[str]
) -> Registry:
    """Load each candidate by itself, in the order of names, and gather what they provide."""
    candidates = sorted(candidates, key=lambda candidate: candidate.order)
    problems = [PluginError(notice) for notice in notices]
    problems += _unknown_disabled(candidates, disabled)
    plugins: list[PluginInfo] = []
    architectures: list[Registered[AdapterArchitecture]] = []
    methods: list[Registered[MergeMethod]] = []
    for candidate in candidates:
        info, offered_architectures, offered_methods = _load_one(candidate, disabled)
        plugins.append(info)
        architectures += offered_architectures
        methods += offered_methods
        if info.failure is not None:
            if strict:
                raise PluginLoadError(
                    str(info.failure),
                    hint=f"mend it, leave it out with {DISABLE}={info.name}, or be less strict "
                    f"with {STRICT}=0",
                ) from info.failure.error
            logger.warning("%s", info.failure)
    catalogues = (
        Catalogue("adapter architecture", architectures),
        Catalogue("merge method", methods),
    )
    problems += [clash for catalogue in catalogues for clash in catalogue.clashes.values()]
    if strict and problems:
        raise problems[0]
    lines = tuple(" ".join(str(problem).split()) for problem in problems)
    for line in lines:
        logger.warning("%s", line)
    return Registry(
        plugins=tuple(plugins), architectures=catalogues[0], methods=catalogues[1], notices=lines
    )
