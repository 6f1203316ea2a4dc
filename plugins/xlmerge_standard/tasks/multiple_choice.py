"""The better of several ends of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from xlmerge.plugin import AtLeast, task

if TYPE_CHECKING:
    from xlmerge.runtime.protocol import TaskLogic


@task(
    summary="Which of several texts goes with a text.",
    source="Ponti et al. 2020, XCOPA, arXiv 2005.00333",
    columns={
        "premise": "the text",
        "choice1": "what may go with it",
        "choice2": "what else may",
        "label": "number of the right choice, from 0",
    },
    optional_columns={
        "question": "`cause`, `effect`, or a question in words",
        "choice3": "a third choice",
        "choice4": "a fourth choice",
        "choice5": "a fifth choice",
    },
    metric="accuracy",
    auto_class="AutoModelForMultipleChoice",
)
def multiple_choice(
    *,
    max_length: Annotated[int, AtLeast(5), "longest input in tokens; the rest is cut off"] = 128,
    layers: Annotated[int, AtLeast(1), "layers of the head"] = 2,
) -> TaskLogic:
    """Score, 0 to 100: ``accuracy``.

    Premise and question are the first text of an input, a choice is the second. ``cause`` and
    ``effect``, as COPA has them, become "What was the cause?" and "What happened as a result?" in
    all languages.
    """
    from xlmerge_standard.tasks._modules.choices import MultipleChoice

    return MultipleChoice(max_length=max_length, layers=layers)
