"""Base models by identity: when two names mean one model."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["KNOWN_ALIASES", "canonical_base_model", "same_base_model"]

# Models that moved from the hub's top level to their owner's name; both names lead to the same files.
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
    if _is_path(name):
        return PurePath(name.replace("\\", "/")).name or name
    name = name.partition("@")[0]
    return KNOWN_ALIASES.get(name, name)


def same_base_model(first: str, second: str, aliases: Iterable[str] = ()) -> bool:
    """Whether two names mean one model.

    Hub ids are compared as such. A path is compared by its last folder, with the other name's last part: a local copy
    of ``owner/model`` is usually called ``model``.

    Args:
        first: A name.
        second: Another.
        aliases: Names that the user says mean the same model.
    """
    if first == second:
        return True
    same = {canonical_base_model(alias) for alias in aliases}
    a, b = canonical_base_model(first), canonical_base_model(second)
    if a == b or (a in same and b in same):
        return True
    if _is_path(first) or _is_path(second):
        return a.rpartition("/")[2] == b.rpartition("/")[2]
    return False


def _is_path(name: str) -> bool:
    """Whether a recorded name is a folder's: absolute, relative with dots, a drive, or more than owner/model."""
    return bool(re.match(r"^(?:[./~\\]|[A-Za-z]:[\\/])", name)) or name.count("/") > 1 or "\\" in name
