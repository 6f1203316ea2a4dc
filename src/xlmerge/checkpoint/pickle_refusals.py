"""Why a pickle is refused, in words."""

from __future__ import annotations

from xlmerge.checkpoint.positioned_file import DAMAGED

__all__ = ["UNSAFE", "PickleRefusedError", "refused_name", "refused_opcode"]

UNSAFE = (
    "do not load it by other means either, unless you trust its author: ask for a safetensors file"
)
_CONVERT = "convert its tensors (dense, on the CPU, not quantised) and save it again"
_TENSOR_MODULES = frozenset({"torch._utils", "torch._tensor", "torch.storage"})
_EXTENSIONS = frozenset({b"\x82", b"\x83", b"\x84"})
_INSTANCES = frozenset({b"o", b"\x81", b"\x92"})


class PickleRefusedError(Exception):
    """A pickle that is not one of plain tensors; ``read_pickle`` adds the file and passes it on.

    Args:
        message: What is wrong, as the rest of a sentence that begins with the file.
        hint: The next step.
    """

    def __init__(self, message: str, hint: str = DAMAGED) -> None:
        super().__init__(message)
        self.hint = hint


def refused_name(module: str, name: str) -> PickleRefusedError:
    """The refusal of a name that is not in the vocabulary."""
    if module == "__builtin__":  # its name in Python 2, and so in protocol 2
        module = "builtins"
    full = f"{module}.{name}"
    if module in _TENSOR_MODULES or (module == "torch" and name.endswith("Storage")):
        return PickleRefusedError(
            f"it holds a tensor of the kind {full!r}, expected plain dense tensors of real numbers",
            _CONVERT,
        )
    return PickleRefusedError(
        f"its pickle names {full!r}, which no file of plain tensors needs:"
        " loading this file would run code",
        UNSAFE,
    )


def refused_opcode(opcode: bytes) -> PickleRefusedError:
    """The refusal of an instruction that plain tensors never need."""
    if opcode in _EXTENSIONS:
        return PickleRefusedError("its pickle calls a registered extension by number", UNSAFE)
    if opcode in _INSTANCES:
        return PickleRefusedError("its pickle creates an object of a class", UNSAFE)
    return PickleRefusedError(
        f"its pickle has the instruction {opcode!r}, which plain tensors never need"
    )
