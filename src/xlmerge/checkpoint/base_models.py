"""Base models by identity: when two names mean one model."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["KNOWN_ALIASES", "canonical_base_model", "same_base_model", "same_by_folder_name"]

# Where the hub's cache keeps a model: `models--owner--name/snapshots/<commit>`.
_CACHED = re.compile(r"(?:^|/)models--(?P<id>[^/]+)(?:/snapshots/[^/]+)?/?$")

# Models that moved from the hub's top level to their owner's name; both lead to the same files.
KNOWN_ALIASES: dict[str, str] = {
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "xlm-roberta-large": "FacebookAI/xlm-roberta-large",
    "roberta-base": "FacebookAI/roberta-base",
    "roberta-large": "FacebookAI/roberta-large",
    "bert-base-multilingual-cased": "google-bert/bert-base-multilingual-cased",
    "bert-base-multilingual-uncased": "google-bert/bert-base-multilingual-uncased",
    "bert-base-cased": "google-bert/bert-base-cased",
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "bert-large-cased": "google-bert/bert-large-cased",
    "bert-large-uncased": "google-bert/bert-large-uncased",
    "distilbert-base-multilingual-cased": "distilbert/distilbert-base-multilingual-cased",
    "distilbert-base-cased": "distilbert/distilbert-base-cased",
    "distilbert-base-uncased": "distilbert/distilbert-base-uncased",
    "gpt2": "openai-community/gpt2",
    "t5-small": "google-t5/t5-small",
    "t5-base": "google-t5/t5-base",
    "t5-large": "google-t5/t5-large",
}


def canonical_base_model(name: str) -> str:
    """A hub id in its owner's name, without a pinned revision; a path as its last folder."""
    if cached := _CACHED.search(name.replace("\\", "/")):
        name = cached["id"].replace("--", "/", 1)
    elif _is_path(name):
        return PurePath(name.replace("\\", "/")).name or name
    name = name.partition("@")[0]
    return KNOWN_ALIASES.get(name, name)


def same_base_model(first: str, second: str, aliases: Iterable[str] = ()) -> bool:
    """Whether two names mean one model.

    Hub ids are compared as such. A path is compared by its last folder, with the other name's last
    part: a local copy of ``owner/model`` is usually called ``model``.

    Args:
        first: A name.
        second: Another.
        aliases: Names that the user says mean the same model.
    """
    same = {canonical_base_model(alias) for alias in aliases}
    a, b = canonical_base_model(first), canonical_base_model(second)
    return a == b or (a in same and b in same) or same_by_folder_name(first, second)


def same_by_folder_name(first: str, second: str) -> bool:
    """Whether two different names are taken for one model only by the last part of a path."""
    if first == second or not (_is_path(first) or _is_path(second)):
        return False
    parts = [canonical_base_model(name).rpartition("/")[2] for name in (first, second)]
    return parts[0] == parts[1]


def _is_path(name: str) -> bool:
    """Whether a name is a folder's: absolute, with dots, a drive, or more than owner/model.

    A folder of the hub's cache is as good as the hub id it stands for.
    """
    return not _CACHED.search(name.replace("\\", "/")) and (
        bool(re.match(r"^(?:[./~\\]|[A-Za-z]:[\\/])", name)) or name.count("/") > 1 or "\\" in name
    )
