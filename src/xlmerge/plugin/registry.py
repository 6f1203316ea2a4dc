"""What the loaded plugins provide, by name; and what to say of a name that nobody provides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeAlias, TypeVar

from xlmerge.errors import ParameterError, PluginError, PluginLoadError, XLMergeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xlmerge.plugin.architecture import AdapterArchitecture
    from xlmerge.plugin.composition import CompositionRule
    from xlmerge.plugin.method import MergeMethod
    from xlmerge.plugin.tasks import Task
    from xlmerge.plugin.trainers import Trainer

__all__ = [
    "Catalogue",
    "Descriptor",
    "PluginFailure",
    "PluginInfo",
    "Registered",
    "Registry",
    "did_you_mean",
]


class Descriptor(Protocol):
    """What all kinds of descriptors have."""

    @property
    def name(self) -> str:
        """Unique among the descriptors of its kind."""

    @property
    def summary(self) -> str:
        """One sentence."""

    @property
    def source(self) -> str:
        """Paper or library."""


DISABLE = "XLMERGE_DISABLE_PLUGINS"
"""Environment variable: entry points or distributions that are left out, separated by commas."""

D = TypeVar("D", bound=Descriptor)

Status: TypeAlias = Literal["loaded", "failed", "disabled"]


def plugin_in_words(plugin: str, distribution: str | None, version: str | None = None) -> str:
    """A plugin as messages name it: by entry point and by what was installed."""
    installed = " ".join(filter(None, [distribution or "no distribution", version]))
    return f"plugin {plugin!r} ({installed})"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names as a clause, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(known))
    return f"; did you mean {' or '.join(repr(each) for each in near)}?" if near else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFailure:
    """Why a plugin contributes nothing.

    Attributes:
        plugin: Name of its entry point.
        distribution: Name of the distribution it was installed with, None if unknown.
        error: What it raised, or what xlmerge has against it.
        stage: What was being done, as it follows "failed while": ``importing it``, ...
    """

    plugin: str
    distribution: str | None
    error: BaseException
    stage: str

    def __str__(self) -> str:
        """The failure as one line."""
        known = isinstance(self.error, XLMergeError)
        try:
            text = " ".join(str(self.error).split())
        except Exception:  # noqa: BLE001 - a stranger's exception may fail even to say what it is
            text = ""
        cause = text if known else ": ".join(filter(None, [type(self.error).__name__, text]))
        return (
            f"{plugin_in_words(self.plugin, self.distribution)} failed while {self.stage}: {cause}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """One plugin that was found, as ``xlmerge plugins`` lists it.

    Attributes:
        name: Name of its entry point.
        module: What the entry point refers to.
        distribution: Name of the distribution it was installed with, None if unknown.
        version: Version of that distribution.
        status: What became of it.
        architectures: Names of the architectures it provides, sorted.
        methods: Names of the merge methods it provides, sorted.
        composition_rules: Names of the composition rules it provides, sorted.
        trainers: Names of the trainers it provides, sorted.
        tasks: Names of the tasks it provides, sorted.
        failure: Why it failed, if it did.
    """

    name: str
    module: str
    distribution: str | None
    version: str | None
    status: Status
    architectures: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    composition_rules: tuple[str, ...] = ()
    trainers: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    failure: PluginFailure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Generic[D]):
    """A descriptor, and who provides it.

    Attributes:
        descriptor: As the plugin returned it.
        plugin: Name of the plugin's entry point.
        distribution: Name of the distribution it was installed with, None if unknown.
        version: Version of that distribution.
    """

    descriptor: D
    plugin: str
    distribution: str | None
    version: str | None

    @property
    def provider(self) -> str:
        """Who provides it, in words."""
        return plugin_in_words(self.plugin, self.distribution, self.version)


class Catalogue(Mapping[str, Registered[D]]):
    """The descriptors of one kind by name, sorted; read-only.

    A name that several plugins provide belongs to none of them: otherwise the order of loading
    would decide whose it is.

    Args:
        kind: What the descriptors are, in words.
        offers: Everything that the plugins provide.
    """

    def __init__(self, kind: str, offers: Iterable[Registered[D]] = ()) -> None:
        by_name: dict[str, list[Registered[D]]] = {}
        for offer in offers:
            by_name.setdefault(offer.descriptor.name, []).append(offer)
        names = sorted(by_name)
        self.kind = kind
        self._single = {name: by_name[name][0] for name in names if len(by_name[name]) == 1}
        self.clashes: Mapping[str, PluginError] = MappingProxyType(
            {name: _clash(kind, name, by_name[name]) for name in names if len(by_name[name]) > 1}
        )

    def __getitem__(self, name: str) -> Registered[D]:
        return self._single[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._single)

    def __len__(self) -> int:
        return len(self._single)

    def __repr__(self) -> str:
        return f"<{self.kind}s: {', '.join(self._single) or 'none'}>"


def _clash(kind: str, name: str, offers: Sequence[Registered[D]]) -> PluginError:
    """The error of a name that several plugins provide."""
    plugins = [offer.plugin for offer in offers]
    # Two distributions may name their entry points alike; then only they tell the plugins apart.
    alike = len(set(plugins)) < len(plugins)
    switches = [(offer.distribution if alike else None) or offer.plugin for offer in offers]
    return PluginError(
        f"the {kind} {name!r} is provided by {' and by '.join(offer.provider for offer in offers)}",
        hint=f"disable all but one: {' or '.join(f'{DISABLE}={switch}' for switch in switches)}",
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registry:
    """Everything that plugins provide; does not change once it is built.

    Attributes:
        plugins: All plugins found, by entry point and distribution.
        architectures: Adapter architectures by name.
        methods: Merge methods by name.
        composition_rules: Composition rules by name.
        trainers: Trainers by name.
        tasks: Tasks by name.
        notices: What else the user should know, one line each: clashing names, and names among
            the disabled that no plugin has.
    """

    plugins: tuple[PluginInfo, ...] = ()
    architectures: Catalogue[AdapterArchitecture] = field(
        default_factory=lambda: Catalogue("adapter architecture")
    )
    methods: Catalogue[MergeMethod] = field(default_factory=lambda: Catalogue("merge method"))
    composition_rules: Catalogue[CompositionRule] = field(
        default_factory=lambda: Catalogue("composition rule")
    )
    trainers: Catalogue[Trainer] = field(default_factory=lambda: Catalogue("trainer"))
    tasks: Catalogue[Task] = field(default_factory=lambda: Catalogue("task"))
    notices: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """Why each failed plugin failed."""
        return tuple(info.failure for info in self.plugins if info.failure is not None)

    def architecture(self, name: str) -> Registered[AdapterArchitecture]:
        """The adapter architecture of that name; raises as :meth:`method` does."""
        return self._find(self.architectures, name)

    def method(self, name: str) -> Registered[MergeMethod]:
        """The merge method of that name.

        Raises:
            PluginError: Several plugins provide it.
            PluginLoadError: No loaded plugin provides it, but one that failed may.
            ParameterError: Nobody provides it.
        """
        return self._find(self.methods, name)

    def composition_rule(self, name: str) -> Registered[CompositionRule]:
        """The composition rule of that name; raises as :meth:`method` does."""
        return self._find(self.composition_rules, name)

    def trainer(self, name: str) -> Registered[Trainer]:
        """The trainer of that name; raises as :meth:`method` does."""
        return self._find(self.trainers, name)

    def task(self, name: str) -> Registered[Task]:
        """The task of that name; raises as :meth:`method` does."""
        return self._find(self.tasks, name)

    def _find(self, catalogue: Catalogue[D], name: str) -> Registered[D]:
        if name in catalogue:
            return catalogue[name]
        if name in catalogue.clashes:
            clash = catalogue.clashes[name]
            # A new one each time: an exception that is raised twice collects tracebacks.
            raise PluginError(clash.message, hint=clash.hint)
        known = ", ".join(catalogue) or "none"
        near = did_you_mean(name, catalogue)
        disabled = "".join(
            f"; {plugin_in_words(info.name, info.distribution)} may provide it but is disabled"
            for info in self.plugins
            if info.status == "disabled"
        )
        if self.failures:
            raise PluginLoadError(
                f"no loaded plugin provides the {catalogue.kind} {name!r}; it may come from "
                f"{' or from '.join(str(failure) for failure in self.failures)}{disabled}; "
                f"{catalogue.kind}s are: {known}{near}",
                hint="mend, upgrade or uninstall what failed; `xlmerge plugins` lists all plugins",
            ) from self.failures[0].error
        raise ParameterError(
            f"there is no {catalogue.kind} {name!r}{disabled}; "
            f"{catalogue.kind}s are: {known}{near}",
            hint=self._next_step(),
        )

    def _next_step(self) -> str:
        """What may help where nothing failed."""
        if not self.plugins:
            return "no plugin was found at all, not even the bundled ones: install xlmerge with pip"
        if any(info.status == "disabled" for info in self.plugins):
            return f"check the name, or {DISABLE}"
        return "check the name, or install the plugin that provides it"
