"""Where a model runs, and in which precision."""

from __future__ import annotations

import torch

from xlmerge.errors import ModelError

__all__ = ["DTYPES", "pick_device", "pick_dtype"]

DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Precisions of a live model by name."""


def pick_device(name: str | None = None) -> torch.device:
    """A device by name; without one an accelerator if there is one, else the processor.

    Raises:
        ModelError: There is no such device.
    """
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"the device {name!r} cannot be used: {reason}",
            hint="leave `device` out to take what there is, or write `device: cpu`",
        ) from error
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """A precision by name.

    Raises:
        ModelError: There is no such precision, or the device cannot compute with it.
    """
    if name not in DTYPES:
        raise ModelError(f"`dtype` expects one of {', '.join(DTYPES)}; found {name!r}")
    if name == "float16" and device.type == "cpu":
        raise ModelError(
            "float16 is too coarse for a processor's arithmetic: sums overflow",
            hint="take bfloat16 or float32",
        )
    return DTYPES[name]
