"""One plugin, from its entry point to sound descriptors; says at which step it failed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import pluggy

from xlmerge import __version__
from xlmerge.errors import PluginError
from xlmerge.plugin import spec
from xlmerge.plugin.checks import KINDS, check_distinct
from xlmerge.plugin.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xlmerge.plugin.installed import Candidate
    from xlmerge.plugin.registry import Descriptor

__all__ = ["Provided", "StageError", "load_plugin"]

Provided: TypeAlias = "Mapping[str, tuple[Descriptor, ...]]"
"""What one plugin provides: field of the registry to descriptors."""


class StageError(Exception):
    """A step of loading a plugin failed.

    Attributes:
        stage: The step, as it follows "failed while".
        error: What was raised.
    """

    def __init__(self, stage: str, error: BaseException) -> None:
        super().__init__(stage, error)
        self.stage = stage
        self.error = error


@contextmanager
def _stage(name: str) -> Iterator[None]:
    """Turn whatever is raised inside into a :class:`StageError`, but let the user interrupt."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # Not only Exception: a module that calls sys.exit() must not end the program.
        raise StageError(name, error) from error


def load_plugin(candidate: Candidate) -> Provided:
    """Import a plugin and ask it for its descriptors: all of them, or none.

    Raises:
        StageError: A step failed.
    """
    if candidate.refusal is not None:
        raise StageError("reading its entry point", candidate.refusal)
    with _stage("importing it"):
        plugin = candidate.load()
    with _stage("checking its xlmerge_api_version"):
        _check_api_version(plugin, candidate.module)
    with _stage("reading its hooks"):
        manager = _managed(plugin, candidate.name)
    return {kind.field: _ask(manager, kind.hook, kind.check) for kind in KINDS}


def _check_api_version(plugin: object, module: str) -> None:
    """Refuse a plugin that is written for another plugin API, or does not say for which."""
    here = f"this xlmerge ({__version__}) provides plugin API {spec.API_VERSION}"
    missing = object()
    version = getattr(plugin, "xlmerge_api_version", missing)
    if version is missing:
        raise PluginError(
            f"it does not say which plugin API it is written for; {here}",
            hint=f"write `xlmerge_api_version = {spec.API_VERSION}` into {module}",
        )
    if type(version) is not int:  # True would pass for 1
        raise PluginError(
            f"its xlmerge_api_version is {version!r}; expected a whole number; {here}",
            hint=f"write `xlmerge_api_version = {spec.API_VERSION}` into {module}",
        )
    if version != spec.API_VERSION:
        raise PluginError(
            f"it is written for plugin API {version}; {here}",
            hint="install a newer xlmerge or an older release of the plugin"
            if version > spec.API_VERSION
            else "install a newer release of the plugin or an older xlmerge",
        )


def _managed(plugin: object, name: str) -> pluggy.PluginManager:
    """The plugin in a manager of its own, so that what is wrong with it concerns no other."""
    manager = pluggy.PluginManager(spec.PROJECT)
    manager.add_hookspecs(spec)
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(
            f"a hook does not have the signature of its specification: {error}",
            hint=f"the hooks of plugin API {spec.API_VERSION} take no arguments",
        ) from error
    callers = manager.get_hookcallers(plugin) or []
    for caller in callers:
        for implementation in caller.get_hookimpls():
            # optionalhook=True is pluggy's word for "only if this version has such a hook".
            if not caller.has_spec() and not implementation.optionalhook:
                raise _unknown_hook(caller.name)
            if implementation.wrapper or implementation.hookwrapper:
                raise PluginError(
                    f"its {caller.name} is a hook wrapper; there is nothing to wrap, since each "
                    "plugin is asked alone"
                )
    for hook in spec.HOOKS:
        if inspect.isroutine(inspect.getattr_static(plugin, hook, None)) and (
            manager.parse_hookimpl_opts(plugin, hook) is None
        ):
            raise PluginError(f"its {hook} is not marked as a hook", hint="put @hookimpl before it")
    if not callers:
        raise PluginError(
            f"it implements no hook; hooks are {', '.join(spec.HOOKS)}",
            hint="let the entry point refer to the module that holds the hook functions",
        )
    return manager


def _unknown_hook(name: str) -> PluginError:
    """The error of a hook that nobody would call."""
    return PluginError(
        f"xlmerge {__version__} has no hook {name!r}: it needs a newer xlmerge, or the name is "
        f"misspelt; hooks are {', '.join(spec.HOOKS)}{did_you_mean(name, spec.HOOKS)}"
    )


def _ask(
    manager: pluggy.PluginManager, hook: str, check: Callable[[object], Descriptor]
) -> tuple[Descriptor, ...]:
    """Call one hook of one plugin and check what it gives."""
    found: list[Descriptor] = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        with _stage(f"calling {hook}"):
            returned: Any = implementation.function()
            # A generator runs only now, so this is part of the call.
            values = list(returned) if _is_listing(returned) else None
        with _stage(f"checking what {hook} returned"):
            if values is None:
                raise PluginError(
                    f"expected a list of descriptors; found {type(returned).__name__}",
                    hint="return a list, even for one descriptor or none",
                )
            found += [check(value) for value in values]
    with _stage(f"checking what {hook} returned"):
        check_distinct(found)
    return tuple(found)


def _is_listing(returned: object) -> bool:
    """Whether a hook may return this: anything to go through, but no text and no mapping."""
    return isinstance(returned, Iterable) and not isinstance(returned, str | bytes | Mapping)
