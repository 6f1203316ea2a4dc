"""Discovery: installed plugins become a registry; a broken one takes down nothing but itself."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from xlmerge.errors import PluginError, PluginLoadError
from xlmerge.plugin.checks import KINDS
from xlmerge.plugin.installed import Candidate, installed_plugins, normalised
from xlmerge.plugin.loader import StageError, load_plugin
from xlmerge.plugin.registry import (
    DISABLE,
    Catalogue,
    D,
    PluginFailure,
    PluginInfo,
    Registered,
    Registry,
    Status,
    did_you_mean,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    offers: dict[str, list[Registered[Any]]] = {kind.field: [] for kind in KINDS}
    for candidate in candidates:
        if _is_named(candidate, disabled):
            plugins.append(_info(candidate, "disabled"))
            continue
        try:
            provided = load_plugin(candidate)
        except StageError as broken:
            failure = PluginFailure(
                plugin=candidate.name,
                distribution=candidate.distribution,
                error=broken.error,
                stage=broken.stage,
            )
            if strict:
                raise PluginLoadError(
                    str(failure), hint=f"mend it, or leave it out: {DISABLE}={candidate.name}"
                ) from failure.error
            logger.warning("%s", failure)
            plugins.append(_info(candidate, "failed", failure=failure))
            continue
        for field, descriptors in provided.items():
            offers[field] += [_registered(candidate, each) for each in descriptors]
        names = {
            field: tuple(sorted(each.name for each in descriptors))
            for field, descriptors in provided.items()
        }
        plugins.append(_info(candidate, "loaded", **names))
    catalogues: dict[str, Catalogue[Any]] = {
        kind.field: Catalogue(kind.words, offers[kind.field]) for kind in KINDS
    }
    for catalogue in catalogues.values():
        problems += catalogue.clashes.values()
    if strict and problems:
        raise problems[0]
    lines = tuple(" ".join(str(problem).split()) for problem in problems)
    for line in lines:
        logger.warning("%s", line)
    return Registry(plugins=tuple(plugins), notices=lines, **catalogues)


def _info(candidate: Candidate, status: Status, **more: Any) -> PluginInfo:
    """What became of a candidate."""
    return PluginInfo(
        name=candidate.name,
        module=candidate.module,
        distribution=candidate.distribution,
        version=candidate.version,
        status=status,
        **more,
    )


def _registered(candidate: Candidate, descriptor: D) -> Registered[D]:
    """A descriptor with its provider."""
    return Registered(
        descriptor=descriptor,
        plugin=candidate.name,
        distribution=candidate.distribution,
        version=candidate.version,
    )


def _is_named(candidate: Candidate, disabled: Iterable[str]) -> bool:
    """Whether a candidate is among the disabled, by its entry point or its distribution."""
    distribution = candidate.distribution
    return any(
        name == candidate.name
        or (distribution is not None and normalised(name) == normalised(distribution))
        for name in disabled
    )


def _unknown_disabled(candidates: list[Candidate], disabled: Iterable[str]) -> list[PluginError]:
    """One error for each disabled name that is no plugin's: more likely a slip than a plan."""
    known = {candidate.name for candidate in candidates}
    known |= {each.distribution for each in candidates if each.distribution is not None}
    return [
        PluginError(
            f"{DISABLE} names {name!r}, which is neither an entry point nor a distribution of a "
            f"plugin; known are: {', '.join(sorted(known)) or 'none'}{did_you_mean(name, known)}"
        )
        for name in disabled
        if not any(_is_named(candidate, [name]) for candidate in candidates)
    ]
