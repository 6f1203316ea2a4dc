"""One label for a text, or for a pair of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from xlmerge.plugin import AtLeast, task

if TYPE_CHECKING:
    from xlmerge.runtime.protocol import TaskLogic


@task(
    summary="One label for a text, or for a pair of texts.",
    source="Devlin et al. 2019, arXiv 1810.04805, section 4.1",
    columns={"text": "the text", "label": "its class"},
    optional_columns={"text_b": "the second text of a pair"},
    labels="label",
    metric="macro_f1",
    auto_class="AutoModelForSequenceClassification",
)
def sequence_classification(
    *,
    max_length: Annotated[int, AtLeast(3), "longest input in tokens; the rest is cut off"] = 128,
    pooling: Annotated[
        Literal["cls", "mean"], "the first token stands for the text, or the mean of all"
    ] = "cls",
    layers: Annotated[int, AtLeast(1), "layers of the head; with `mean` it has one"] = 1,
) -> TaskLogic:
    """Scores: ``macro_f1`` and ``accuracy``, 0 to 100.

    ``macro_f1`` is the mean over the classes that occur among the labels or the predictions, as
    scikit-learn's ``f1_score(average="macro")`` has it.

    With ``cls`` the head is the adapters library's own. With ``mean`` it is one linear layer on the
    mean of the last hidden states over all tokens but padding. The library has no such head: who
    loads the adapter without xlmerge leaves the head out (``with_head=False``), or registers
    ``MeanClassificationHead`` under ``xlmerge_mean_classification`` first.
    """
    from xlmerge_standard.tasks._modules.classification import SequenceClassification

    return SequenceClassification(max_length=max_length, pooling=pooling, layers=layers)
