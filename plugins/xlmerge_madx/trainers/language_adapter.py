"""A language adapter, trained by guessing masked tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.plugin import AtLeast, trainer
from xlmerge.plugin.fit_options import fit_options

if TYPE_CHECKING:
    from xlmerge.runtime import Training


@trainer(
    summary="Train a language adapter, its invertible part included, on plain text.",
    source="Pfeiffer et al. 2020, arXiv 2005.00052, sections 4.1.1, 4.2 and 5.3",
    data={"train": "text of the language", "validation": "text that is held out"},
    optional_data=("validation",),
    many=("train", "validation"),
    task="masked_lm",
    adapter="madx_language",
)
@fit_options(length="20000 steps", batch_size=64, learning_rate=1e-4)
def language_adapter(
    work: Training,
    *,
    shared_init: Annotated[
        bool,
        "initial weights depend on the seed alone; else on the step's name, too",
    ] = True,
    train_head: Annotated[bool, "train the layers before the output embeddings, too"] = False,
    held_out: Annotated[
        int | None,
        AtLeast(0),
        "rows held out from the end where no validation data is given; default 1 %, at most 200",
    ] = None,
    **fit: Any,
) -> None:
    """Masked language modelling through the inverse of the invertible adapter, which is checked.

    The head of the base model stays as it is, its bias included. The paper trains 250,000 steps of
    64 inputs at 1e-4, and reports strong results at 20,000, the default here.

    Language arithmetic needs adapters that started from one point: with ``shared_init`` all
    languages trained with one seed do. Its layers differ from each other all the same.

    The folder holds the adapter without a head. With ``train_head`` the trained layers of the head
    lie beside it as ``language_model_head.safetensors``, without the output embeddings: ``0`` and
    ``2`` are dense layer and layer norm of the adapters library's ``masked_lm`` head.
    """
    from xlmerge_madx.trainers._modules.language import train

    train(work, fit, shared_init=shared_init, train_head=train_head, held_out=held_out)
