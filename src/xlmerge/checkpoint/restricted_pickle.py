"""A reader of the small part of pickle that a file of plain tensors is written in.

It interprets the stream itself and never touches Python's own unpickler: there is no import, no
attribute access, and no call but of the few functions it is given, so a hostile file can only be
refused. The depth of nesting costs no recursion, dictionary keys are strings only (nested tuples
can be made to hash for ever), and bytes and steps are limited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlmerge.checkpoint.pickle_refusals import (
    UNSAFE,
    PickleRefusedError,
    refused_name,
    refused_opcode,
)
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO, TypeAlias

    Vocabulary: TypeAlias = Mapping[tuple[str, str], "Callable[..., object]"]

__all__ = ["MAX_BYTES", "Global", "read_pickle"]

MAX_BYTES = 64 << 20
_MAX_STEPS = 5_000_000  # a hundred thousand tensors


@dataclass(frozen=True, slots=True)
class Global:
    """A name that a pickle may refer to, standing for the thing itself.

    Attributes:
        module: The module the pickle gives (``torch``).
        name: The name in it (``FloatStorage``).
        make: What stands in for calling it.
    """

    module: str
    name: str
    make: Callable[..., object]


def read_pickle(
    path: Path,
    stream: BinaryIO,
    vocabulary: Vocabulary,
    persistent: Callable[[object], object] | None = None,
) -> object:
    """Read one pickle; the stream is left behind its end.

    Args:
        path: The file, for messages.
        stream: Where the pickle begins.
        vocabulary: ``(module, name)`` to what stands in for calling it; it raises
            ``PickleRefusedError`` for arguments it does not take.
        persistent: What stands in for a persistent id; None where there may be none.

    Raises:
        CheckpointError: It names anything else, is cut off, corrupt, or too long.
    """
    try:
        return _Machine(stream, vocabulary, persistent).run()
    except PickleRefusedError as error:
        raise CheckpointError(f"{path}: {error}", hint=error.hint) from None


class _Machine:
    """The stack machine that a pickle is a program for."""

    def __init__(
        self,
        stream: BinaryIO,
        vocabulary: Vocabulary,
        persistent: Callable[[object], object] | None,
    ) -> None:
        self._stream = stream
        self._vocabulary = vocabulary
        self._persistent = persistent
        self._budget = MAX_BYTES
        self._stack: list[object] = []
        self._outer: list[list[object]] = []  # the stacks below each mark
        self._memo: dict[int, object] = {}

    def run(self) -> object:
        for _ in range(_MAX_STEPS):
            opcode = self._take(1)
            if opcode == b".":
                return self.pop()
            step = _STEPS.get(opcode)
            if step is None:
                raise refused_opcode(opcode)
            step(self)
        raise PickleRefusedError(f"its pickle has more than {_MAX_STEPS} steps")

    # The stream.

    def _take(self, count: int) -> bytes:
        self._budget -= count
        if self._budget < 0:
            raise PickleRefusedError(f"its pickle is longer than {MAX_BYTES} bytes")
        data = self._stream.read(count)
        if len(data) < count:
            raise PickleRefusedError("its pickle is cut off")
        return data

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _text(self, size: int) -> str:
        try:
            return self._take(self._number(size)).decode()
        except UnicodeDecodeError:
            raise PickleRefusedError("its pickle is corrupt: a text is not UTF-8") from None

    def _line(self) -> str:
        line = self._stream.readline(1024)
        self._budget -= len(line)
        if not line.endswith(b"\n"):
            raise PickleRefusedError("its pickle is corrupt: a name has no end")
        return line[:-1].decode(errors="backslashreplace")

    # The stack.

    def pop(self) -> object:
        if not self._stack:
            raise PickleRefusedError("its pickle is corrupt: it takes a value that is not there")
        return self._stack.pop()

    def pop_to_mark(self) -> list[object]:
        if not self._outer:
            raise PickleRefusedError("its pickle is corrupt: it takes a mark that is not there")
        items, self._stack = self._stack, self._outer.pop()
        return items

    # The steps.

    def push(self, value: object) -> None:
        self._stack.append(value)

    def push_number(self, size: int) -> None:
        self.push(self._number(size))

    def push_signed(self) -> None:
        self.push(int.from_bytes(self._take(4), "little", signed=True))

    def push_long(self) -> None:
        self.push(int.from_bytes(self._take(self._number(1)), "little", signed=True))

    def push_text(self, size: int) -> None:
        self.push(self._text(size))

    def push_tuple(self, length: int) -> None:
        items = [self.pop() for _ in range(length)]
        self.push(tuple(reversed(items)))

    def push_marked_tuple(self) -> None:
        items = tuple(self.pop_to_mark())
        self.push(items)

    def mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def put(self, size: int) -> None:
        value = self.pop()
        self._memo[self._number(size)] = value
        self.push(value)

    def memoize(self) -> None:
        value = self.pop()
        self._memo[len(self._memo)] = value
        self.push(value)

    def get(self, size: int) -> None:
        index = self._number(size)
        if index not in self._memo:
            raise PickleRefusedError("its pickle is corrupt: it repeats what was never there")
        self.push(self._memo[index])

    def append(self, items: list[object]) -> None:
        target = self.pop()
        if not isinstance(target, list):
            raise PickleRefusedError("its pickle is corrupt: it appends to what is not a list")
        target.extend(items)
        self.push(target)

    def set_items(self, items: list[object]) -> None:
        target = self.pop()
        if not isinstance(target, dict) or len(items) % 2:
            raise PickleRefusedError("its pickle is corrupt: it fills what is not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                kind = type(key).__name__
                raise PickleRefusedError(
                    f"it holds a dictionary with a key of type {kind}, expected names",
                    "save a plain dictionary from names to tensors",
                )
            target[key] = value
        self.push(target)

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    def push_global(self, module: str, name: str) -> None:
        make = self._vocabulary.get((module, name))
        if make is None:
            raise refused_name(module, name)
        self.push(Global(module, name, make))

    def push_named_global(self) -> None:
        module = self._line()
        self.push_global(module, self._line())

    def push_stacked_global(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise PickleRefusedError("its pickle is corrupt: a name is not a text")
        self.push_global(module, name)

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise PickleRefusedError("its pickle is corrupt: it calls what is not a function")
        self.push(function.make(*arguments))

    def instantiate(self) -> None:
        """A name and a call of it in one, of protocol 0: never torch's, so only refused."""
        module = self._line()
        raise refused_name(module, self._line())

    def build(self) -> None:
        # Python's OrderedDict carries attributes this way (torch's _metadata); nobody reads them.
        state = self.pop()
        if not isinstance(state, dict) or not self._stack or not isinstance(self._stack[-1], dict):
            raise PickleRefusedError("its pickle sets the state of an object by code", UNSAFE)

    def look_up(self) -> None:
        if self._persistent is None:
            raise PickleRefusedError("its pickle is corrupt: it refers to data it cannot have")
        self.push(self._persistent(self.pop()))

    def skip_frame(self) -> None:
        self._take(8)

    def check_protocol(self) -> None:
        version = self._number(1)
        if version > 5:
            raise PickleRefusedError(f"its pickle has protocol {version}, expected at most 5")


_STEPS: Mapping[bytes, Callable[[_Machine], None]] = {
    b"\x80": _Machine.check_protocol,
    b"\x95": _Machine.skip_frame,
    b"N": lambda machine: machine.push(None),
    b"\x88": lambda machine: machine.push(True),
    b"\x89": lambda machine: machine.push(False),
    b"K": lambda machine: machine.push_number(1),
    b"M": lambda machine: machine.push_number(2),
    b"J": _Machine.push_signed,
    b"\x8a": _Machine.push_long,
    b"X": lambda machine: machine.push_text(4),
    b"\x8c": lambda machine: machine.push_text(1),
    b")": lambda machine: machine.push(()),
    b"\x85": lambda machine: machine.push_tuple(1),
    b"\x86": lambda machine: machine.push_tuple(2),
    b"\x87": lambda machine: machine.push_tuple(3),
    b"t": _Machine.push_marked_tuple,
    b"(": _Machine.mark,
    b"]": lambda machine: machine.push([]),
    b"a": lambda machine: machine.append([machine.pop()]),
    b"e": lambda machine: machine.append(machine.pop_to_mark()),
    b"}": lambda machine: machine.push({}),
    b"s": _Machine.set_item,
    b"u": lambda machine: machine.set_items(machine.pop_to_mark()),
    b"q": lambda machine: machine.put(1),
    b"r": lambda machine: machine.put(4),
    b"h": lambda machine: machine.get(1),
    b"j": lambda machine: machine.get(4),
    b"\x94": _Machine.memoize,
    b"c": _Machine.push_named_global,
    b"\x93": _Machine.push_stacked_global,
    b"R": _Machine.call,
    b"i": _Machine.instantiate,
    b"b": _Machine.build,
    b"Q": _Machine.look_up,
}
