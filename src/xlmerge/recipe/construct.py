"""From PyYAML's nodes to plain data with positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from xlmerge.errors import Problem, RecipeError
from xlmerge.recipe.nodes import MAX_DEPTH
from xlmerge.recipe.scalars import NotFiniteError, resolve_plain
from xlmerge.recipe.wording import code
from xlmerge.recipe.yaml_errors import mark_place

if TYPE_CHECKING:
    from yaml.error import Mark

    from xlmerge.recipe.document import Data, KeyPath, Place

__all__ = ["MAX_COPIES", "Builder"]

MAX_COPIES = 10_000
"""Most values that aliases may add to a document ("billion laughs" adds 10^9)."""


class Builder:
    """Builds data from a node tree and remembers where everything was written.

    Args:
        filename: Name of the file, for positions.

    Attributes:
        values: Place of each value by its path.
        keys: Place of each key by the path of its value.
        problems: What was wrong; several can be found in one go.
    """

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.values: dict[KeyPath, Place] = {}
        self.keys: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._copies = 0

    def build(self, node: Node, path: KeyPath = ()) -> Data:
        """The data of a node.

        Args:
            node: A composed node.
            path: Where it lies in the document.

        Returns:
            Plain data; meaningless where `problems` is not empty afterwards.

        Raises:
            RecipeError: If aliases repeat or nest too much to go on.
        """
        self.values[path] = mark_place(self.filename, node.start_mark)
        if id(node) in self._open:
            self._problem(node, "this anchor contains an alias to itself", "write the value out")
            return None
        self._count(node, path)
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        data: Data
        if isinstance(node, MappingNode):
            data = self._mapping(node, path)
        else:
            data = self._sequence(node, path)
        self._open.remove(id(node))
        return data

    def _count(self, node: Node, path: KeyPath) -> None:
        if id(node) in self._seen:
            self._copies += 1
        self._seen.add(id(node))
        if self._copies > MAX_COPIES:
            self._problem(
                node, f"aliases repeat more than {MAX_COPIES} values", "write fewer aliases"
            )
            raise RecipeError(self.problems)
        if len(path) > MAX_DEPTH:
            self._problem(node, f"aliases nest more than {MAX_DEPTH} levels in each other")
            raise RecipeError(self.problems)

    def _scalar(self, node: ScalarNode) -> Data:
        text = self._text(node)
        if node.style is not None:  # quoted, or a block of text
            return text
        try:
            return resolve_plain(text)
        except NotFiniteError as error:
            self._problem(node, str(error), "give a finite number, or a text in quotes")
            return None

    def _sequence(self, node: Node, path: KeyPath) -> list[Data]:
        if not isinstance(node, SequenceNode):  # there is no fourth kind of node
            raise TypeError(type(node).__name__)
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Data]:
        data: dict[str, Data] = {}
        first: dict[str, Mark] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key in first:
                lines = f"lines {first[key].line + 1} and {key_node.start_mark.line + 1}"
                self._problem(
                    key_node,
                    f"the key {code(key)} is written twice in one mapping, in {lines}",
                    "keep one of the two",
                )
                continue
            first[key] = key_node.start_mark
            self.keys[*path, key] = mark_place(self.filename, key_node.start_mark)
            data[key] = self.build(value_node, (*path, key))
        return data

    def _key(self, node: Node) -> str | None:
        """A key as the text that was written: ``no``, ``1``, ``null`` are names like any other."""
        if not isinstance(node, ScalarNode):
            kind = "mapping" if isinstance(node, MappingNode) else "list"
            self._problem(node, f"a key must be a text, found a {kind}", "put the key in quotes")
            return None
        if node.style is None and node.value == "<<":
            self._problem(
                node,
                "recipes take no merge keys (`<<`)",
                "write the keys out, or repeat a whole value by an alias",
            )
            return None
        if node.style is None and not node.value:
            self._problem(node, "the key before this `:` is missing", "write `key: value`")
            return None
        return self._text(node)

    def _text(self, node: ScalarNode) -> str:
        text: str = node.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._problem(node, "a text holds half a character (an escaped surrogate)")
        return text

    def _problem(self, node: Node, message: str, hint: str | None = None) -> None:
        where = mark_place(self.filename, node.start_mark).text
        self.problems.append(Problem(message=message, where=where, hint=hint))
