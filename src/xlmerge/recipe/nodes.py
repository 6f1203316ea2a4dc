"""PyYAML's node tree, stripped of all that gives texts a meaning.

Only reading, scanning, parsing and composing are PyYAML's; no implicit type, no constructor, hence
no way for a recipe to run code. Depth is counted here, since PyYAML composes by recursion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yaml.composer import Composer
from yaml.error import Mark, MarkedYAMLError
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["MAX_DEPTH", "NodeReader", "TooDeepError"]

MAX_DEPTH = 50
"""Deepest nesting; a recipe needs about six levels."""


class TooDeepError(MarkedYAMLError):
    """Nesting goes deeper than `MAX_DEPTH`."""


class NodeReader(Reader, Scanner, Parser, Composer, BaseResolver):
    """Composes the nodes of one YAML document.

    Args:
        text: The YAML text.

    Attributes:
        tags: Each explicit tag met, with its position; PyYAML drops the harmless ones silently.
    """

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.tags: list[tuple[str, Mark]] = []
        self._depth = 0

    def compose_node(self, parent: Node | None, index: int | Node | None) -> Node | None:
        """Composes the next node, as PyYAML does, with an eye on tags and depth."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.tags.append((tag, event.start_mark))
        if self._depth > MAX_DEPTH:
            raise TooDeepError(None, None, "nested too deeply", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)  # type: ignore[arg-type]
        self._depth -= 1
        return node
