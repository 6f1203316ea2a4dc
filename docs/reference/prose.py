"""Docstrings and parameters as Markdown, for the generated parts of the reference."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from xlmerge.plugin import ParameterSpec

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Yields|Called|Example|Bad values|Laws.*):")
_ENTRY = re.compile(r"(\*{0,2}[\w., ]+):(?:\s+(.*))?")


def as_markdown(docstring: str) -> Iterator[str]:
    """A docstring in Google's style as Markdown."""
    section: list[str] = []
    title = ""
    for line in [*inspect.cleandoc(docstring).split("\n"), "End:"]:
        heading = _SECTION.fullmatch(line) if line != "End:" else True
        if not heading:
            section.append(line)
            continue
        if title:
            yield from (f"**{title}**", "")
        yield from _section(title, section)
        title, section = line.removesuffix(":"), []


def _section(title: str, lines: list[str]) -> Iterator[str]:
    text = inspect.cleandoc("\n".join(["", *lines]))
    if title in {"Args", "Attributes", "Raises"}:
        yield from _entries(text)
        yield ""
        return
    for paragraph in filter(None, text.split("\n\n")):
        if paragraph.startswith(">>>"):
            yield from ("```pycon", *paragraph.split("\n"), "```", "")
        else:
            yield from (as_text(paragraph), "")


def _entries(text: str) -> Iterator[str]:
    """``name: what it is``, continued on indented lines, as a list."""
    for block in re.split(r"\n(?=\S)", text):
        name, _, rest = " ".join(block.split()).partition(": ")
        matched = _ENTRY.fullmatch(f"{name}: {rest}")
        said = matched or rest
        yield f"- `{name.strip('*')}`: {as_text(rest)}" if said else f"- {as_text(name)}"


def as_text(text: str) -> str:
    """Markup of docstrings as Markdown."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return re.sub(r"``(.+?)``", r"`\1`", text)


def as_cell(text: str) -> str:
    """The same in a cell of a table."""
    return " ".join(as_text(text).split()).replace("|", "\\|")


def parameter_table(specs: Iterable[ParameterSpec]) -> Iterator[str]:
    """Parameters with type, range, default, and what they do; nothing if there are none."""
    rows = [f"| `{each.name}` | {each.describe()} | {as_cell(each.summary)} |" for each in specs]
    if rows:
        yield from ("", "| parameter | values | what it does |", "|---|---|---|", *rows)
