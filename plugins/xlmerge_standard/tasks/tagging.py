"""A tag for each word, such as its part of speech."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from xlmerge.plugin import AtLeast, task

if TYPE_CHECKING:
    from xlmerge.runtime.protocol import TaskLogic


@task(
    summary="A tag for each word, such as its part of speech.",
    source="Nivre et al. 2020, Universal Dependencies v2, arXiv 2004.10643",
    columns={"tokens": "the words of a sentence", "tags": "a tag for each of them"},
    labels="tags",
    metric="accuracy",
    auto_class="AutoModelForTokenClassification",
)
def tagging(
    *,
    max_length: Annotated[
        int, AtLeast(8), "longest input in tokens; longer sentences take several"
    ] = 128,
) -> TaskLogic:
    """Scores, 0 to 100: ``accuracy`` over all words, and ``macro_f1`` over the head's tags.

    Words are read as in ``token_classification``: none is cut off.
    """
    from xlmerge_standard.tasks._modules.plain_tags import PlainTagging

    return PlainTagging(max_length=max_length)
