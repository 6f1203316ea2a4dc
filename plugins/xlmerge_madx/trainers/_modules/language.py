"""How a language adapter is trained."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError, ModelError
from xlmerge.runtime.distributed import rank
from xlmerge.runtime.training import FitOptions, fit, staged
from xlmerge_madx.trainers._modules.inverse import check_inverse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from xlmerge.runtime import Training
    from xlmerge.runtime.training import Stage

__all__ = ["train"]

_STEPS = 20_000
_HEAD = "default"  # what the adapters library calls the head that comes with a checkpoint
_PROBE = 4


def train(
    work: Training,
    options: Mapping[str, Any],
    *,
    shared_init: bool,
    train_head: bool,
    held_out: int | None,
) -> None:
    """Train the adapter, and write it without a head.

    Args:
        work: The training.
        options: Those of :class:`xlmerge.runtime.training.FitOptions`.
        shared_init: Whether the step's name leaves the initial weights alone.
        train_head: Whether the head's own layers are trained, too.
        held_out: Rows held out where there is no validation data; None for 1 %, at most 200.

    Raises:
        DataError: Nothing is left to train on.
        ModelError: The base model has no masked-LM head.
        TrainingError: The inverse is not applied, or the training goes wrong.
    """
    chosen = dict(options)
    if chosen["steps"] is None and chosen["epochs"] is None:
        chosen["steps"] = _STEPS
    live = work.live
    if _HEAD not in live.model.heads or live.model.heads[_HEAD].config["head_type"] != "masked_lm":
        raise ModelError(
            f"{live.reference}: the checkpoint has no masked-LM head, which trains the adapter",
            hint="take the checkpoint as it was pre-trained (xlm-roberta-base)",
        )
    if "validation" not in work.data:
        work.data = {**work.data, **_held_out(work, held_out)}
    seed = work.seed if shared_init else zlib.crc32(f"{work.seed} {work.name}".encode())
    with staged(work, head=_HEAD, seed=seed) as stage:
        if live.is_invertible(work.name):
            _check_inverse(work, stage)
        trained = {**stage.adapter, **(_own_layers(stage.head) if train_head else {})}
        fit(work, trained, FitOptions(**chosen), runs=stage.runs)
        if rank() == 0:
            live.save_adapter(work.name, work.output)
            if train_head:
                _save_head(work, _own_layers(stage.head))


def _held_out(work: Training, count: int | None) -> dict[str, Any]:
    """Rows for training and for validation, the latter from the end of each data set."""
    train, validation = [], []
    for rows, weight in work.sources("train"):
        share = min(200, len(rows) // 100) if count is None else count
        if share >= len(rows):
            raise DataError(
                f"{work.name}: {share} of {len(rows)} rows are held out, none is left to train on",
                hint="lower `held_out`, or give `validation` data",
            )
        border = len(rows) - share
        train.append((rows.select(range(border)), weight))
        if share:
            validation.append((rows.select(range(border, len(rows))), None))
    return {"train": train, **({"validation": validation} if validation else {})}


def _check_inverse(work: Training, stage: Stage) -> None:
    """On some rows of the training data, masked as in an evaluation."""
    [(rows, _), *_others] = work.sources("train")
    some = rows.select(range(min(_PROBE, len(rows))))
    features = work.task.encode(some, work.live.tokenizer, work.labels, training=False)[:_PROBE]
    batch = work.task.collate(features, work.live.tokenizer)
    check_inverse(
        work, stage.run, {name: value.to(work.live.device) for name, value in batch.items()}
    )


def _own_layers(head: Mapping[str, nn.Parameter]) -> dict[str, nn.Parameter]:
    """The head without output embeddings and bias, which are as large as the vocabulary."""
    last = max(int(name.split(".")[-2]) for name in head)
    return {name: p for name, p in head.items() if int(name.split(".")[-2]) != last}


def _save_head(work: Training, layers: Mapping[str, nn.Parameter]) -> None:
    from safetensors.torch import save_file

    tensors = {
        ".".join(name.split(".")[-2:]): p.detach().cpu().contiguous() for name, p in layers.items()
    }
    save_file(tensors, str(work.output / "language_model_head.safetensors"))
