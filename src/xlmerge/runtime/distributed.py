"""What several processes that train together agree on, before and after a training.

The training itself is shared by transformers' trainer. These few calls let the first process decide
and write while the others wait.
"""

from __future__ import annotations

import atexit
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

__all__ = ["barrier", "rank", "share", "sum_of_all", "world_size"]

_PATIENCE = timedelta(days=1)  # others wait while the first one merges or evaluates


def rank() -> int:
    """Number of this process, from 0; 0 if it is alone."""
    return int(os.environ.get("RANK") or 0)


def world_size() -> int:
    """How many processes there are; 1 if this one is alone."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def barrier() -> None:
    """Wait until all processes are here."""
    if world_size() == 1:
        return
    import torch.distributed

    _join()
    # Not `barrier()`, which would start a GPU's communication for it.
    torch.distributed.all_gather_object([None] * world_size(), None)


def share(value: Any) -> Any:
    """The first process's value, in all processes.

    Args:
        value: Picklable; that of other processes is passed over.
    """
    if world_size() == 1:
        return value
    import torch.distributed

    _join()
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def _join() -> None:
    """Join the group of processes, unless that was done."""
    import torch

    if torch.distributed.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK") or 0))
        backend = "cpu:gloo,cuda:nccl"
    torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    atexit.register(_leave)


def _leave() -> None:
    """Leave the group before Python ends; its threads would abort the process now and then."""
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def sum_of_all(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Sums of tensors over all processes, in all of them; the tensors themselves if alone.

    Args:
        tensors: Of one dtype and device; the same shapes in all processes.
    """
    if world_size() == 1:
        return list(tensors)
    import torch

    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    torch.distributed.all_reduce(flat)
    pieces = flat.split([tensor.numel() for tensor in tensors])
    return [p.view(tensor.shape) for p, tensor in zip(pieces, tensors, strict=True)]
