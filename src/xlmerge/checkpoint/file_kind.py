"""What a file is, by its first bytes: torch's containers, and things mistaken for tensors."""

from __future__ import annotations

__all__ = ["HEAD_SIZE", "foreign_kind", "is_torch_legacy", "is_torch_zip"]

HEAD_SIZE = 512

_ZIP_ENTRY = b"PK\x03\x04"
# torch's magic number 0x1950a86a20f9469cfc6c as pickle writes it, with the opcode that ends it.
_LEGACY_MAGIC = b"\x8a\n" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
_PICKLE_PROTOCOLS = tuple(bytes((0x80, version)) for version in range(1, 6))


def is_torch_zip(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is a zip archive, as torch has written since 1.6."""
    # A safetensors header of 67 MB can begin with the same four bytes; JSON follows eight bytes in.
    return head.startswith(_ZIP_ENTRY) and head[8:9] != b"{"


def is_torch_legacy(head: bytes) -> bool:
    """Whether a file that starts with ``head`` is torch's older stream of pickles."""
    # Later pickle protocols put a frame header between the protocol and the number.
    return head.startswith(_PICKLE_PROTOCOLS) and _LEGACY_MAGIC in head[:24]


def foreign_kind(head: bytes) -> tuple[str, str] | None:
    """Name and next step of a file that holds no tensors; None where nothing is known of it."""
    text = head.lstrip().lower()
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file itself", "run `git lfs pull` in its repository"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page", "the download went to a page about the file; download the file itself"
    if head.startswith(_PICKLE_PROTOCOLS):
        return (
            "a pickle that torch.save did not write",
            "loading it could run code: find its source",
        )
    if head[257:262] == b"ustar":
        return "a tar archive", "unpack it; torch files of before 2017 must be saved anew"
    if text.startswith((b"{", b"[")):
        return "a JSON text", "give the file with the tensors, not a configuration"
    return None
