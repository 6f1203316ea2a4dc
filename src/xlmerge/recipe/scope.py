"""What names and placeholders mean inside one instance of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.recipe.findings import Finding
from xlmerge.recipe.names import GIVES, KINDS
from xlmerge.recipe.templates import (
    filled,
    filled_text,
    placeholders,
    texts,
)
from xlmerge.recipe.values import ValueRefusedError
from xlmerge.recipe.variable_values import NumberValue, check_variable_value
from xlmerge.recipe.wording import code, did_you_mean, listing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xlmerge.recipe.document import KeyPath
    from xlmerge.recipe.names import Named, Names
    from xlmerge.recipe.report import Report
    from xlmerge.recipe.templates import Bindings

__all__ = ["Scope"]

_OR = {
    "adapter": " or a step that makes one",
    "dataset": "",
    "head": ", nor an adapter that may bring one",
}
_NOUNS = {"adapter": "adapter or step", "dataset": "dataset", "head": "head"}


class Scope:
    """Resolves what stands in one instance of a step.

    Args:
        names: The recipe's names.
        step: The step.
        bindings: Variable to value; None where they cannot be told, and nothing is said of them.
        report: Hears what is wrong.
        varying: Variables that the step has but that have no value here.

    Attributes:
        uses: Name of each instance that was used, to its family and its values.
        variables: The variables that made a difference.
        written: Resolved name to the key it was written as, where they differ.
    """

    def __init__(
        self,
        names: Names,
        step: str,
        bindings: Bindings | None,
        report: Report,
        *,
        varying: tuple[str, ...] = (),
    ) -> None:
        self._names = names
        self._step = step
        self._bindings = bindings or {}
        self._open = bindings is None
        self._report = report
        self._varying = varying
        self.uses: dict[str, tuple[Named, Bindings]] = {}
        self.variables: set[str] = set()
        self.written: dict[str, str] = {}

    def add(
        self, message: str, path: KeyPath, *, on_key: bool = False, hint: str | None = None
    ) -> None:
        """Notes what is wrong at a path below the step."""
        self._report.add(
            Finding(message=message, path=("steps", self._step, *path), on_key=on_key, hint=hint)
        )

    def filled(self, value: Any, path: KeyPath) -> Any:
        """A value with its placeholders filled in; a text that is only one becomes the value."""
        for where, text in texts(value, path):
            self._met(text, where)
        return filled(value, self._bindings)

    def plain(self, value: Any) -> Any:
        """As `filled`, without a word on placeholders that have no value."""
        return filled(value, self._bindings)

    def text(self, value: Any, path: KeyPath) -> Any:
        """A text with its placeholders filled in; anything else as it is."""
        if not isinstance(value, str):
            return value
        self._met(value, path)
        return filled_text(value, self._bindings)

    def checked(self, value: Any, path: KeyPath, check: Callable[[object], object]) -> Any:
        """A value filled in; if that changed it, it is checked again."""
        made = self.filled(value, path)
        if made != value:
            try:
                check(made)
            except ValueRefusedError as error:
                self.add(error.message, path, hint=error.hint)
        return made

    def reference(self, text: Any, path: KeyPath, wanted: str, *, on_key: bool = False) -> Any:
        """The instance that a name means.

        Args:
            text: ``NAME`` or ``NAME/VALUE``; anything but a text is passed over.
            path: Where it stands in the step.
            wanted: ``adapter``, ``dataset`` or ``head``.
            on_key: Whether it stands in the key.

        Returns:
            The instance's name; the text itself where something is wrong with it.
        """
        if not isinstance(text, str):
            return text
        self._met(text, path, on_key=on_key)
        text = filled_text(text, self._bindings)
        if placeholders(text):
            return text
        base, *given = text.split("/")
        named = self._names.known.get(base)
        if named is None:
            self._unknown(text, base, path, wanted, on_key=on_key)
            return text
        if named.kind not in GIVES[wanted] and named.kind != "step":
            self.add(
                f"{code(base)} is {KINDS[named.kind]}, not {KINDS[wanted]}" + _OR[wanted],
                path,
                on_key=on_key,
                hint=did_you_mean(base, self._others(wanted), what="known names"),
            )
            return text
        values = self._values(named, text, given, path, on_key=on_key)
        if values is None:
            return text
        instance = named.instance(values)
        self.uses[instance] = (named, values)
        return instance

    def keyed(self, given: Mapping[Any, Any], path: KeyPath, wanted: str) -> dict[str, Any]:
        """A mapping from names to anything, its names resolved; the values are left as they are."""
        made: dict[str, Any] = {}
        for key, value in given.items():
            name = self.reference(key, (*path, key), wanted, on_key=True)
            if name in made:
                self._twice(self.written.get(name, name), key, name, (*path, key), on_key=True)
            made[name] = value
            if name != key:
                self.written.setdefault(name, key)
        return made

    def listed(self, given: list[Any] | tuple[Any, ...], path: KeyPath, wanted: str) -> tuple[Any]:
        """A list of names, resolved."""
        made: dict[Any, Any] = {}
        for index, text in enumerate(given):
            name = self.reference(text, (*path, index), wanted)
            if isinstance(name, str):
                if name in made:
                    self._twice(made[name], text, name, (*path, index))
                made.setdefault(name, text)
        return tuple(made)

    def _values(
        self, named: Named, text: str, given: list[str], path: KeyPath, *, on_key: bool
    ) -> Bindings | None:
        """The value of each of a family's variables; None if they cannot be told."""
        if named.variables is None:
            return None
        if len(given) > len(named.variables):
            takes = listing(f"<{variable}>" for variable in named.variables)
            self.add(
                f"{code(text)} gives {_count(given)}, but {code(named.name)} takes "
                + (f"{_count(named.variables)}: {takes}" if takes else "none"),
                path,
                on_key=on_key,
            )
            return None
        for value in given:
            try:
                check_variable_value(value)
            except ValueRefusedError as error:
                self.add(f"{code(text)}: {error.message}", path, on_key=on_key, hint=error.hint)
                return None
        values: dict[str, str | int | NumberValue] = dict(zip(named.variables, given, strict=False))
        for variable in named.variables[len(given) :]:
            if variable not in self._bindings:
                if not self._open:
                    self._valueless(named, variable, path, on_key=on_key)
                return None
            values[variable] = self._bindings[variable]
            self.variables.add(variable)
        if named.values is not None and any(
            str(value) not in named.values[variable] for variable, value in values.items()
        ):
            self._report.missing(
                named, named.instance(values), ("steps", self._step, *path), on_key=on_key
            )
            return None
        return values

    def _valueless(self, named: Named, variable: str, path: KeyPath, *, on_key: bool) -> None:
        example = "/".join([named.name, *(each.upper() for each in named.variables or ())])
        if named.values is not None:
            first = {name: values[0] for name, values in named.values.items()}
            example = named.instance(first)
        self.add(
            f"{code(named.name)} stands for many: it needs a value of {code(variable)}",
            path,
            on_key=on_key,
            hint=f"pick one, as in {code(example)}, or give the step `for_each: "
            f"{{{variable}: [...]}}`",
        )

    def _unknown(self, text: str, base: str, path: KeyPath, wanted: str, *, on_key: bool) -> None:
        if self._names.all_known(wanted):
            self.add(
                f"there is no {_NOUNS[wanted]} {code(text)}",
                path,
                on_key=on_key,
                hint=did_you_mean(base, self._others(wanted), what="known names"),
            )

    def _others(self, wanted: str) -> list[str]:
        return [name for name in self._names.giving(wanted) if name != self._step]

    def _met(self, text: str, path: KeyPath, *, on_key: bool = False) -> None:
        for variable in placeholders(text):
            if variable in self._bindings:
                self.variables.add(variable)
            elif variable in self._varying:
                self.add(
                    f"{code(f'<{variable}>')} cannot stand here: this is the same in the whole "
                    "table",
                    path,
                    on_key=on_key,
                    hint="only `rows`, `compose`, `data` and `head` differ from cell to cell",
                )
            elif not self._open:
                self.add(
                    f"{code(f'<{variable}>')} has no value here: the step has no variable "
                    f"{code(variable)}",
                    path,
                    on_key=on_key,
                    hint=did_you_mean(variable, self._bindings, what="variables of the step")
                    if self._bindings
                    else f"give the step `for_each: {{{variable}: [...]}}`",
                )

    def _twice(
        self, first: object, second: object, name: str, path: KeyPath, *, on_key: bool = False
    ) -> None:
        if first != second:
            self.add(
                f"{code(first)} and {code(second)} are one and the same here: {code(name)}",
                path,
                on_key=on_key,
                hint="leave one of them out, or make a step of its own where they meet",
            )


def _count(values: Sequence[str]) -> str:
    return f"{len(values)} value{'s' if len(values) != 1 else ''}"
