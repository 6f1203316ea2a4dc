"""Which plugins are installed: the entry points of the group ``xlmerge``, nothing imported yet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlmerge.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint

__all__ = ["BUNDLED", "GROUP", "Candidate", "installed_plugins", "normalised"]

GROUP = "xlmerge"

BUNDLED = (
    "xlmerge_adamergex",
    "xlmerge_language_arithmetic",
    "xlmerge_madx",
    "xlmerge_metaxl",
    "xlmerge_standard",
)
"""Import names of xlmerge's own plugins. All names that begin like these are kept for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A plugin that is not loaded yet.

    Attributes:
        name: Name of its entry point.
        module: What the entry point refers to.
        distribution: Name of the distribution it was installed with, None if unknown.
        version: Version of that distribution.
        load: Imports it.
        refusal: Why it must not even be imported, if so.
    """

    name: str
    module: str
    distribution: str | None
    version: str | None
    load: Callable[[], object]
    refusal: PluginError | None = None

    @property
    def order(self) -> tuple[str, str, str]:
        """Key to sort by."""
        return self.name, self.distribution or "", self.module


def installed_plugins() -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Find all installed plugins.

    Returns:
        The candidates, each once, and a line for each distribution that cannot be read.
    """
    from importlib import metadata

    notices: list[str] = []
    try:
        points = list(metadata.entry_points(group=GROUP))
    except Exception:  # noqa: BLE001 - one malformed file, of any package, spoils the call for all
        points = _one_by_one(notices)
    found: dict[tuple[str, str], Candidate] = {}
    for point in points:
        distribution, version = _distribution_of(point)
        # A distribution is found twice if a wheel lies beside an editable installation; the first
        # on the path is the one that gets imported.
        key = (point.name, f"by {normalised(distribution)}" if distribution else point.value)
        candidate = Candidate(
            name=point.name,
            module=point.value,
            distribution=distribution,
            version=version,
            load=point.load,
            refusal=_refusal(point.value, distribution),
        )
        found.setdefault(key, candidate)
    return tuple(sorted(found.values(), key=lambda candidate: candidate.order)), tuple(notices)


def _one_by_one(notices: list[str]) -> list[EntryPoint]:
    """The entry points of each distribution whose file can be read."""
    from importlib import metadata

    points: list[EntryPoint] = []
    for distribution in metadata.distributions():
        try:
            points += [point for point in distribution.entry_points if point.group == GROUP]
        except Exception as error:  # noqa: BLE001 - see above
            name = distribution.metadata["Name"]
            place = distribution.locate_file("")
            notices.append(f"the entry points of {name} in {place} cannot be read: {error!r}")
    return points


def _distribution_of(point: EntryPoint) -> tuple[str | None, str | None]:
    """Name and version of the distribution of an entry point, as far as they are known."""
    if point.dist is None:
        return None, None
    try:
        metadata = point.dist.metadata
        fields = {key: metadata[key] for key in ("Name", "Version") if key in metadata}
    except Exception:  # noqa: BLE001 - an unreadable METADATA file costs the name, not the plugin
        return None, None
    return fields.get("Name"), fields.get("Version")


def normalised(distribution: str) -> str:
    """The name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _refusal(module: str, distribution: str | None) -> PluginError | None:
    """The error of a stranger's plugin under an import name of xlmerge's own."""
    package = re.split(r"[.:\s]", module.strip(), maxsplit=1)[0]
    own = distribution is not None and normalised(distribution) == "xlmerge"
    if own or not (package == "xlmerge" or package.startswith("xlmerge_")):
        return None
    return PluginError(
        f"the import name {package!r} is reserved: xlmerge itself installs packages of such names "
        f"({', '.join(BUNDLED)}), and pip overwrites files of the same name without a word",
        hint=f"rename the package to <owner>_xlmerge_<name>, as in acme_{package}",
    )
