"""Entities in sentences: a BIO tag for each word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from xlmerge.plugin import AtLeast, task

if TYPE_CHECKING:
    from xlmerge.runtime.protocol import TaskLogic


@task(
    summary="Find entities: a BIO tag for each word.",
    source="Tjong Kim Sang and De Meulder 2003, CoNLL-2003",
    columns={"tokens": "the words of a sentence", "tags": "B-TYPE, I-TYPE or O for each of them"},
    labels="tags",
    metric="f1",
    auto_class="AutoModelForTokenClassification",
)
def token_classification(
    *,
    max_length: Annotated[
        int, AtLeast(8), "longest input in tokens; longer sentences take several"
    ] = 128,
) -> TaskLogic:
    """Scores, 0 to 100: ``f1``, ``precision``, ``recall`` of whole entities, ``accuracy`` of tags.

    Entities count as in the shared task's conlleval, which seqeval does by default: an entity that
    begins with I is an entity. All entities count alike (micro average).

    A word's tag is read at its first token. No word is cut off: a sentence longer than
    ``max_length`` is read in overlapping windows, and a word's tag is taken where it has more of
    the sentence on either side. For tags that are no entities there is ``tagging``.
    """
    from xlmerge_standard.tasks._modules.entities import EntityTagging

    return EntityTagging(max_length=max_length)
