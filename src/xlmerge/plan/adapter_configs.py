"""The configuration of the adapter that a training makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xlmerge.plan.problems import nearest

if TYPE_CHECKING:
    from xlmerge.plan.problems import Problems
    from xlmerge.plan.request import Place
    from xlmerge.plugin.architecture import AdapterArchitecture
    from xlmerge.plugin.registry import Registered, Registry
    from xlmerge.plugin.trainers import Trainer

__all__ = ["PlannedConfig", "known_configs", "plan_config"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedConfig:
    """The configuration of an adapter that is to be trained.

    Attributes:
        name: As recipes call it.
        changes: Fields that the recipe sets.
        fields: All fields.
        architecture: Whose configuration it is.
    """

    name: str
    changes: Mapping[str, Any]
    fields: Mapping[str, Any]
    architecture: Registered[AdapterArchitecture]


def known_configs(
    registry: Registry,
) -> dict[str, list[tuple[Mapping[str, Any], Registered[AdapterArchitecture]]]]:
    """Configurations by name, with the architectures that offer them."""
    found: dict[str, list[tuple[Mapping[str, Any], Registered[AdapterArchitecture]]]] = {}
    for registered in registry.architectures.values():
        live = registered.descriptor.live
        for name, fields in (live.configs if live is not None else {}).items():
            found.setdefault(name, []).append((fields, registered))
    return dict(sorted(found.items()))


def plan_config(
    asked: str | Mapping[str, Any] | None,
    trainer: Trainer,
    registry: Registry,
    problems: Problems,
) -> PlannedConfig | None:
    """All fields of the configuration that was asked for, and whose it is.

    Args:
        asked: A name, a mapping of ``config`` and fields that differ, or None.
        trainer: Says which configuration is used where none is asked for.
        registry: Architectures.
        problems: Where problems go.

    Returns:
        None if the trainer makes no adapter, or there is a problem.
    """
    if trainer.adapter is None:
        if asked is not None:
            problems.refuse(("adapter",), f"{trainer.name} makes no adapter of its own")
        return None
    changes = dict(asked) if isinstance(asked, Mapping) else {}
    name = changes.pop("config", trainer.adapter) if not isinstance(asked, str) else asked
    place: Place = ("adapter", "config") if isinstance(asked, Mapping) else ("adapter",)
    known = known_configs(registry)
    offers = known.get(name, []) if isinstance(name, str) else []
    if len(offers) != 1:
        if offers:
            providers = " and ".join(f"{o.descriptor.name} of {o.provider}" for _, o in offers)
            message = f"the adapter configuration `{name}` is provided by {providers}"
            hint = "disable one of the plugins with XLMERGE_DISABLE_PLUGINS"
        else:
            message = f"there is no adapter configuration {name!r}{nearest(str(name), known)}"
            hint = f"configurations: {', '.join(known) or 'none'}"
        problems.refuse(place, message, hint)
        return None
    [(fields, registered)] = offers
    before = len(problems.found)
    for key, value in changes.items():
        _check_field(str(name), fields, key, value, problems)
    if len(problems.found) > before:
        return None
    return PlannedConfig(
        name=str(name),
        changes=changes,
        fields={**fields, **changes},
        architecture=registered,
    )


def _check_field(
    name: str, fields: Mapping[str, Any], key: str, value: Any, problems: Problems
) -> None:
    """A field that exists, with a value of the kind that it has."""
    place: Place = ("adapter", key)
    if key not in fields:
        problems.refuse(
            place,
            f"the adapter configuration `{name}` has no field `{key}`{nearest(key, fields)}",
            f"its fields: {', '.join(sorted(fields))}",
        )
    elif key == "architecture" and value != fields[key]:
        problems.refuse(
            place,
            f"`architecture` of `{name}` is {fields[key]!r}; found {value!r}",
            "name another configuration",
        )
    elif (kind := _kind(fields[key])) is not None and value is not None and not _is(kind, value):
        problems.refuse(
            place,
            f"`{key}` of the adapter configuration `{name}` is a {kind} such as "
            f"{fields[key]!r}; found {value!r}",
        )


def _kind(value: Any) -> str | None:
    """What a field holds, in words; None if its default does not tell."""
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, list | tuple) else None


def _is(kind: str, value: Any) -> bool:
    if kind == "truth value":
        return isinstance(value, bool)
    if kind == "number":
        # `adapters` takes numbers by layer for some fields, as {"1": 16, "default": 8}.
        return isinstance(value, int | float | Mapping) and not isinstance(value, bool)
    return isinstance(value, str if kind == "text" else list | tuple)
