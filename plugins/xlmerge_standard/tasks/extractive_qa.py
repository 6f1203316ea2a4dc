"""Answers that are a piece of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from xlmerge.plugin import AtLeast, task

if TYPE_CHECKING:
    from xlmerge.runtime.protocol import TaskLogic


@task(
    summary="Answer a question by a piece of a text.",
    source="Rajpurkar et al. 2016, SQuAD 1.1, arXiv 1606.05250",
    columns={
        "id": "name of the question",
        "context": "the text",
        "question": "the question",
        "answers": "lists `text` and `answer_start` (in characters) of the right answers",
    },
    metric="f1",
    auto_class="AutoModelForQuestionAnswering",
)
def extractive_qa(
    *,
    max_length: Annotated[
        int, AtLeast(16), "longest input in tokens; longer texts take several"
    ] = 384,
    stride: Annotated[int, AtLeast(0), "tokens that two neighbouring inputs share"] = 128,
    max_answer_length: Annotated[int, AtLeast(1), "longest answer in tokens"] = 30,
) -> TaskLogic:
    """Scores, 0 to 100: ``f1`` and ``exact_match`` as SQuAD 1.1 has them.

    Of several right answers the best counts. Case, punctuation and the English articles do not, in
    whatever language: so XQuAD and MLQA numbers are published.

    A text is read in windows. The answer is the span with the largest product of probabilities of
    its first and last token, each over the window and its first special token, which stands for
    "not here". Every question has to have an answer.
    """
    from xlmerge_standard.tasks._modules.question_answering import ExtractiveQA

    return ExtractiveQA(max_length=max_length, stride=stride, max_answer_length=max_answer_length)
