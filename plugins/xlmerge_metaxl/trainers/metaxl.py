"""Meta-learned transfer from source languages to a target language with few labelled rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from xlmerge.plugin import AtLeast, trainer
from xlmerge.plugin.fit_options import fit_options
from xlmerge_metaxl.options import check_options, check_used

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.runtime import Training

__all__ = ["metaxl"]


def _attention(values: Mapping[str, Any]) -> str | None:
    """Kernels with second derivatives where the chosen algorithm differentiates through them."""
    if values["attention"] != "auto":
        return str(values["attention"])
    first_order = values["network"] != "meta" or (
        values["algorithm"] == "split_difference" and set(values["layers"]) == {-1}
    )
    return None if first_order else "eager"


def _check(values: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """Nothing is ignored, and all goes together."""
    check_used(values, {spec.name: spec.default for spec in metaxl.parameters})
    check_options(values, base)


@trainer(
    summary="Train an adapter for a language with few labelled rows, with source languages that "
    "meta-learned networks transform.",
    source="Xia et al. 2021, arXiv 2104.07908, algorithm 1",
    data={
        "source": "labelled rows of other languages; several are mixed, by their weights if they "
        "have some",
        "train": "labelled rows of the target language, some 100 of them",
        "validation": "labelled rows of the target language to choose the best state by",
    },
    optional_data=("validation",),
    many=("source",),
    task="any",
    adapter="seq_bn",
    stacked=True,
    attention=_attention,
    check=_check,
    columns=("source",),
    outputs=("networks",),
)
@fit_options(length="20 epochs of the source rows", batch_size=16, learning_rate=1e-4, warmup=0.1)
def metaxl(  # noqa: PLR0913 - one argument for each option
    work: Training,
    *,
    network: Annotated[
        Literal["meta", "joint", "none"],
        "how networks are learned: by looking a step ahead; by the training loss, which is the "
        "paper's ablation; or there are none, plain joint training",
    ] = "meta",
    target_batch_size: Annotated[
        int | None,
        AtLeast(2),
        "target inputs a step, of which meta-learning evaluates by half; default batch_size",
    ] = None,
    halves: Annotated[
        Literal["each_step", "fixed"],
        "whether each step divides its own target rows, or all rows are divided once for all",
    ] = "each_step",
    algorithm: Annotated[
        Literal["double_backward", "forward_over_reverse", "split_difference", "split_forward"],
        "way to the networks' gradient: the fastest; for little memory, at any layer; for little "
        "memory, after the last layer, with any attention; the same, exact, with `eager` alone",
    ] = "double_backward",
    main_gradient: Annotated[
        Literal["lagged", "fresh"],
        "whether the main gradient is that of before the networks moved, or computed again after, "
        "as in the paper",
    ] = "lagged",
    inner: Annotated[
        Literal["sgd", "adam_diag"],
        "the step that is looked ahead by: plain, as in the paper, or scaled like Adam's",
    ] = "sgd",
    objective: Annotated[
        Literal["inner_product", "cosine"],
        "what is raised: the inner product of source and target gradient, as in the paper, or "
        "their cosine",
    ] = "inner_product",
    meta_learning_rate: Annotated[
        float, AtLeast(0, open=True), "peak learning rate of the networks"
    ] = 1e-4,
    layers: Annotated[
        tuple[int, ...],
        "after which layers networks sit: 0 is the embeddings, -1 the last layer",
    ] = (-1,),
    reduction_factor: Annotated[
        float, AtLeast(1), "width of the model over that of a network's bottleneck"
    ] = 4.0,
    gate: Annotated[bool, "whether a sigmoid gate scales what a network adds"] = True,
    stop_gradient: Annotated[
        bool, "whether a network's input is a constant, as in the authors' code"
    ] = True,
    init: Annotated[
        Literal["identity", "paper"],
        "whether networks start by adding nothing, or with Xavier-normal weights",
    ] = "identity",
    shared_network: Annotated[
        bool, "one network for all sources, as in the authors' code, in place of one each"
    ] = False,
    attention: Annotated[
        Literal["auto", "eager", "sdpa"],
        "attention implementation; auto takes `eager` where second derivatives are needed",
    ] = "auto",
    **fit: Any,
) -> None:
    """Each step looks ahead: how would a step on source rows change the loss of target rows?

    The networks change the hidden states of source rows so that it helps; they are trained beside
    the adapter and its head, and nothing of them is left in these. They lie in folders of their own
    under ``networks``, one for each source.

    The rows of the target are drawn again and again; epochs count the source rows. What the paper
    did: ``adapter: full``, 20 epochs at 3e-5, networks at 1e-6 with ``init: paper``,
    ``main_gradient: fresh``, ``max_grad_norm: 10``.

    Rates of 1e-6 are for networks with the paper's start: those that start by adding nothing would
    stay there. The log's ``network_share`` tells how much they add.
    """
    del attention  # the model was loaded with it
    from xlmerge_metaxl.trainers._modules.train import Options, train

    options = Options(
        network=network,
        target_batch_size=target_batch_size,
        halves=halves,
        algorithm=algorithm,
        main_gradient=main_gradient,
        inner=inner,
        objective=objective,
        meta_learning_rate=meta_learning_rate,
        shared_network=shared_network,
        layers=layers,
        network_config={
            "reduction_factor": reduction_factor,
            "gate": gate,
            "stop_gradient": stop_gradient,
            "init": init,
        },
    )
    train(work, options, fit)
