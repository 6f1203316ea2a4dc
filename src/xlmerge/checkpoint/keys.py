"""Canonical keys: the same tensor under the same name, whatever model and adapter name it had."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NAME", "CanonicalKeys", "canonical_adapters_keys", "canonical_peft_keys"]

NAME = "{name}"

# Where a key starts inside the base model; before it stands the attribute a head model keeps its
# base under.
_ANCHOR = re.compile(
    r"(?:(?:encoder|decoder)\.(?:layers?|block)\.|layers\.|\w+_adapters\."
    r"|prefix_tuning\.|prompt_tuning\.|shared_parameters\.)"
)

# Module dictionaries whose keys are adapter names.
_CONTAINERS = (
    "adapters",
    "loras",
    "invertible_adapters",
    "prefix_tunings",
    "prefix_gates",
    "prompt_tunings",
    "refts",
    "shared_parameters",
)

# Names that adapter-transformers 1.x used; `adapters` renames them on loading.
_LEGACY = {
    "attention_text_task_adapters": "adapters",
    "attention_text_lang_adapters": "adapters",
    "layer_text_task_adapters": "adapters",
    "layer_text_lang_adapters": "adapters",
    "invertible_lang_adapters": "invertible_adapters",
}


@dataclass(frozen=True, slots=True)
class CanonicalKeys:
    """Canonical keys of a file.

    Attributes:
        stored: Canonical key to key in the file.
        prefixes: Canonical key to the prefix that was taken off.
        prefix: The prefix that a further key of this adapter would have.
        name: The adapter's name as the keys have it; None if they have none.
    """

    stored: dict[str, str]
    prefixes: dict[str, str]
    prefix: str
    name: str | None

    def spell(self, key: str, name: str) -> str:
        """A canonical key as it is written for an adapter called ``name``."""
        return self.prefixes.get(key, self.prefix) + key.replace(NAME, name)


def canonical_adapters_keys(
    keys: Iterable[str], where: str, recorded: str | None = None
) -> CanonicalKeys:
    """Canonical keys of an `adapters` file.

    Args:
        keys: Keys of the file.
        where: The file, for messages.
        recorded: The adapter's name by its configuration. It tells the name in module dictionaries
            of other packages, which the library saves if they are called ``..._adapters``.

    Raises:
        CheckpointError: Two keys become one, or the keys carry two adapter names.
    """
    stored: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    names: dict[str, str] = {}
    for key in keys:
        renamed = ".".join(_LEGACY.get(component, component) for component in key.split("."))
        prefix, rest = _split_prefix(renamed)
        rest, name = _take_name(rest, recorded)
        if name is not None:
            names.setdefault(name, key)
        if len(names) > 1:
            (first, first_key), (second, second_key) = names.items()
            raise CheckpointError(
                f"{where}: the keys carry two adapter names, {first!r} ({first_key}) and "
                f"{second!r} ({second_key})",
                hint="save one adapter a folder",
            )
        _store(stored, prefixes, rest, prefix, key, where)
    return CanonicalKeys(stored, prefixes, _common(prefixes, where), next(iter(names), None))


def canonical_peft_keys(keys: Iterable[str], where: str) -> CanonicalKeys:
    """Canonical keys of a PEFT file, which carry no adapter name.

    Raises:
        CheckpointError: Two keys become one.
    """
    stored: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    for key in keys:
        # Prompt learning wraps the model once, tuners twice.
        outer = next(
            (start for start in ("base_model.model.", "base_model.") if key.startswith(start)), ""
        )
        inner, rest = _split_prefix(key.removeprefix(outer))
        _store(stored, prefixes, rest, outer + inner, key, where)
    return CanonicalKeys(stored, prefixes, "base_model.model.", None)


def _split_prefix(key: str) -> tuple[str, str]:
    """Take one leading component off if what follows it starts inside the base model."""
    if _ANCHOR.match(key):
        return "", key
    head, dot, rest = key.partition(".")
    if dot and _ANCHOR.match(rest):
        return head + dot, rest
    return "", key


def _take_name(key: str, recorded: str | None) -> tuple[str, str | None]:
    """Put ``{name}`` where the adapter's name stands: behind the first container."""
    components = key.split(".")
    pairs = list(enumerate(pairwise(components), start=1))
    known = [place for place, (container, _) in pairs if container in _CONTAINERS]
    others = [
        place
        for place, (container, name) in pairs
        if container.endswith("_adapters") and name == recorded
    ]
    for place in [*known, *others][:1]:
        name = components[place]
        return ".".join([*components[:place], NAME, *components[place + 1 :]]), name
    return key, None


def _store(
    stored: dict[str, str],
    prefixes: dict[str, str],
    canonical: str,
    prefix: str,
    key: str,
    where: str,
) -> None:
    if canonical in stored:
        raise CheckpointError(
            f"{where}: {key!r} and {stored[canonical]!r} are two spellings of one tensor"
        )
    stored[canonical] = key
    prefixes[canonical] = prefix


def _common(prefixes: dict[str, str], where: str) -> str:
    """The one prefix of all keys."""
    found = sorted(set(prefixes.values()))
    if len(found) > 1:
        raise CheckpointError(
            f"{where}: the keys start in two models: {', '.join(repr(prefix) for prefix in found)}"
        )
    return found[0] if found else ""
