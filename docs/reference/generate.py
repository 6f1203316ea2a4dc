"""Writes those parts of the reference that the code itself tells; run it after changing them.

    python docs/reference/generate.py

A page says where such a part goes by two comments, ``<!-- generated: NAME -->`` and
``<!-- end of NAME -->``; a test sees to it that what stands between them is up to date.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from live_parts import compositions, configs, evaluation_options, tasks, trainers
from prose import as_cell, as_markdown, as_text, parameter_table

import xlmerge
import xlmerge.plugin
from xlmerge import errors
from xlmerge.cli import COMMANDS, cli
from xlmerge.cli.method_schema import space_options
from xlmerge.cli.methods_command import example, input_lines
from xlmerge.plugin import discover, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HERE = Path(__file__).parent
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def main() -> None:
    """Bring all pages up to date."""
    for page in sorted(HERE.glob("*.md")):
        page.write_text(updated(page.read_text(encoding="utf-8")), encoding="utf-8")


def updated(text: str) -> str:
    """A page with its generated parts as they have to be."""
    return _PART.sub(lambda part: f"{part[1]}\n{_write(PARTS[part[2]])}\n\n{part[3]}", text)


def _write(lines: Callable[[], Iterable[str]]) -> str:
    text = "\n".join(lines())
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


# --- the command line -----------------------------------------------------------------------------


def command_line() -> Iterator[str]:
    """Every command with its help."""
    context = click.Context(cli, info_name="xlmerge")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None  # noqa: S101 - it is in the list
        yield from _command(command, f"xlmerge {name}")
        for sub in getattr(command, "commands", {}).values():
            yield from _command(sub, f"xlmerge {name} {sub.name}")


def _command(command: click.Command, path: str) -> Iterator[str]:
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option)]
    called = [each.metavar or (each.name or "").upper() for each in arguments]
    called += [f"{each.opts[0]} {_metavar(each)}" for each in options if each.required]
    shown = " ".join([path, *(["[OPTIONS]"] if options else []), *called])
    yield from ("", f"## {path}", "", "```text", shown, "```", "")
    yield from _help(command.help or "")
    if options:
        yield from ("", "| option | what it does |", "|---|---|")
    for option in options:
        spelled = ", ".join(f"`{name}`" for name in option.opts)
        value = "" if option.is_flag else f" `{_metavar(option)}`"
        note = " Required." if option.required else ""
        yield f"| {spelled}{value} | {as_cell(option.help or '')}{note} |"
    yield ""


def _metavar(option: click.Option) -> str:
    if option.metavar:
        return option.metavar
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return option.type.name.upper()


def _help(text: str) -> Iterator[str]:
    """Paragraphs; those that click is told to leave alone are examples."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if not paragraph.startswith("\b"):
            yield from (paragraph, "")
            continue
        first, *block = paragraph.removeprefix("\b\n").split("\n")
        if first.endswith(":"):
            yield from (first, "")
        else:
            block = [first, *block]
        kind = "yaml" if "recipe:" in first.lower() else "sh" if "Example" in first else "text"
        yield from (f"```{kind}", *inspect.cleandoc("\n".join(block)).split("\n"), "```", "")


# --- methods --------------------------------------------------------------------------------------


def methods() -> Iterator[str]:
    """Every installed merge method."""
    for name, item in discover().methods.items():
        method = item.descriptor
        yield from ("", f"## {name}", "", method.summary, "")
        yield from (f"- source: {method.source}", f"- plugin: `{item.plugin}`")
        yield from (f"- {line}" for line in input_lines(method))
        yield f"- scope: {' or '.join(f'`{each}`' for each in method.scopes)}" + (
            f", default `{method.scopes[0]}`" if len(method.scopes) > 1 else ""
        )
        if method.random:
            yield "- draws random numbers: `seed`, a whole number at least 0, default 0"
        yield ""
        yield from as_markdown(method.function.__doc__ or "")
        yield from parameter_table(method.parameters)
        yield from ("", "```yaml", *example(method), "```", "")


def options() -> Iterator[str]:
    """What recipes may give for the kinds of adapters, whatever the method."""
    for architecture, specs in space_options(discover()).items():
        yield from ("", f"### {architecture}")
        yield from parameter_table(specs)


# --- errors ---------------------------------------------------------------------------------------


def error_classes() -> Iterator[str]:
    """Every class of errors."""
    yield from ("| class | is also a | exit code | when |", "|---|---|---|---|")
    for name in errors.__all__:
        kind = getattr(errors, name)
        if not issubclass(kind, errors.XLMergeError):
            continue
        parents = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
        summary = as_text(inspect.cleandoc(kind.__doc__).split("\n\n")[0])
        yield f"| `{name}` | {parents} | {kind.exit_code} | {as_cell(summary)} |"


# --- Python ---------------------------------------------------------------------------------------


def python() -> Iterator[str]:
    """What `import xlmerge` offers."""
    for name in sorted(set(xlmerge.__all__) - {"__version__"}):
        value = getattr(xlmerge, name)
        yield from _object(f"xlmerge.{name}", value)


def plugin_api() -> Iterator[str]:
    """What `xlmerge.plugin` offers."""
    for name in xlmerge.plugin.__all__:
        value = getattr(xlmerge.plugin, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield from _object(name, value)


def _object(title: str, value: Any) -> Iterator[str]:
    yield from ("", f"### {title}", "")
    if inspect.isfunction(value):
        yield from ("```text", *_signature(title, value), "```", "")
    yield from as_markdown(value.__doc__ or "")
    if inspect.isclass(value):
        yield from _members(value)


def _members(kind: type) -> Iterator[str]:
    """Public methods and properties, a line each."""
    for name, member in vars(kind).items():
        function = member.fget if isinstance(member, property) else member
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        arguments = list(inspect.signature(function).parameters)[1:]
        called = name if isinstance(member, property) else f"{name}({', '.join(arguments)})"
        summary = " ".join(inspect.cleandoc(function.__doc__).split("\n\n")[0].split())
        yield f"- `{called}`: {as_text(summary)}"


def _signature(title: str, function: Callable[..., Any]) -> Iterator[str]:
    """A call with its arguments, a line each, without the annotations' modules."""
    yield f"{title}("
    keyword_only = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            yield "    *,"
        annotation = "" if parameter.annotation is parameter.empty else f": {parameter.annotation}"
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        yield f"    {parameter.name}{annotation}{default},"
    returned = inspect.signature(function).return_annotation
    yield ")" if returned is inspect.Signature.empty else f") -> {returned}"


# --- hooks ----------------------------------------------------------------------------------------


def hooks() -> Iterator[str]:
    """Every hook, as it is specified."""
    for name in spec.HOOKS:
        yield from ("", f"## {name}", "")
        yield from as_markdown(getattr(spec, name).__doc__ or "")


PARTS: dict[str, Callable[[], Iterable[str]]] = {
    "command_line": command_line,
    "methods": methods,
    "options": options,
    "errors": error_classes,
    "python": python,
    "plugin_api": plugin_api,
    "hooks": hooks,
    "compositions": compositions,
    "trainers": trainers,
    "tasks": tasks,
    "evaluation_options": evaluation_options,
    "configs": configs,
}


if __name__ == "__main__":
    main()
