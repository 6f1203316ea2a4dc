"""Adapters and heads from their folders into a model: all of it, or nothing.

The library loads what has the right name and says no word of the rest: missing weights stay random,
unexpected ones are dropped. Its report tells, and is read here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from adapters.loading import PredictionHeadLoader

from xlmerge.errors import CheckpointError, ModelError
from xlmerge.runtime.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["apart_from_random_state", "read_adapter", "read_head"]

_INSPECT = "`xlmerge inspect` tells which base model it was trained on"
_REFUSALS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError)


@contextmanager
def apart_from_random_state(device: torch.device) -> Iterator[None]:
    """Let the library draw initial values without moving the global random state, and quietly."""
    devices = [device] if device.type == "cuda" else []
    with quiet(), torch.random.fork_rng(devices=devices):
        yield


def read_adapter(
    model: Any, name: str, folder: Path, *, leave_out: Sequence[int], reference: str
) -> None:
    """Load an adapter; what was loaded of it in spite of an error is left to the caller.

    Args:
        model: The model.
        name: What it is called there.
        folder: Its folder.
        leave_out: Layers that get no part of it.
        reference: The base model in words.

    Raises:
        CheckpointError: The folder cannot be read.
        ModelError: The adapter does not fit the model.
    """
    report: dict[str, Any] = {}
    try:
        # The library draws initial values before it reads the real ones.
        with apart_from_random_state(model.device):
            model.load_adapter(
                str(folder),
                load_as=name,
                with_head=False,
                set_active=False,
                leave_out=list(leave_out) or None,
                use_safetensors=not (folder / "pytorch_adapter.bin").is_file(),
                loading_info=report,
            )
        _check(folder, report, leave_out, reference)
    except (ModelError, CheckpointError):
        raise
    except _REFUSALS as error:
        raise _unfit(f"{folder}: does not fit {reference}", error) from error


def read_head(model: Any, name: str, folder: Path, *, reference: str) -> None:
    """Load the head that lies in an adapter's folder; see :func:`read_adapter`.

    Raises:
        ModelError: It does not fit the model, or is of a kind that is not known to it.
    """
    report: dict[str, Any] = {}
    safe = not (folder / "pytorch_model_head.bin").is_file()
    try:
        with apart_from_random_state(model.device):
            PredictionHeadLoader(model, use_safetensors=safe).load(
                str(folder), load_as=name, loading_info=report, set_active=False
            )
        _check(folder, report, (), reference)
    except (ModelError, CheckpointError):
        raise
    except _REFUSALS as error:
        raise _unfit(f"{folder}: its head does not fit {reference}", error) from error


def _unfit(what: str, error: Exception) -> ModelError:
    """The library's error in our words."""
    reason = " ".join(str(error).split())
    return ModelError(f"{what}: {reason[:400]}", hint=_INSPECT)


def _check(
    folder: Path, report: Mapping[str, Any], leave_out: Sequence[int], reference: str
) -> None:
    """Missing keys would be random, unexpected ones left out: both are errors."""
    left = [f"{layer}.{index}." for index in leave_out for layer in ("layer", "layers")]
    unexpected = [
        key
        for key in report.get("unexpected_keys", [])
        if not any(f".{part}" in f".{key}" for part in left)
    ]
    missing = report.get("missing_keys", [])
    if missing or unexpected:
        raise ModelError(
            f"{folder}: does not fit {reference}: {len(missing)} of its weights are missing and "
            f"{len(unexpected)} have no place ({', '.join([*missing, *unexpected][:3])}, ...)",
            hint=_INSPECT,
        )
