"""A model of transformers that shares its weights with one of the adapters library."""

from __future__ import annotations

import copy
from typing import Any

import torch
import transformers

from xlmerge.errors import ModelError
from xlmerge.runtime.quiet import quiet

__all__ = ["twin_of"]


def twin_of(model: Any, auto_class: str | None, classes: int | None) -> Any:
    """A plain model on the very same base weights.

    Args:
        model: A model of the adapters library.
        auto_class: Class of transformers to make it of; ``AutoModel`` if None. What it has on top
            of the base model is random.
        classes: Number of classes of its head; None where that is no matter.

    Raises:
        ModelError: transformers has no such class for the architecture, or the weights of the two
            do not correspond.
    """
    # A configuration of its own: the library keeps heads in it.
    config = copy.deepcopy(model.config)
    for extra in ("adapters", "prediction_heads"):
        if hasattr(config, extra):
            delattr(config, extra)
    config.num_labels = classes or 2  # the labels of the head that happens to be active go
    kind = getattr(transformers, auto_class or "AutoModel")
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            twin = kind.from_config(config)
    except (ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"transformers makes no {auto_class or 'AutoModel'} of a {config.model_type}: "
            f"{reason[:200]}"
        ) from error
    base = twin.base_model
    own = model.base_model.state_dict()
    wanted = [key for key in base.state_dict() if not key.startswith("pooler.")]
    missing = [key for key in wanted if key not in own]
    if missing:
        raise ModelError(f"the base model has no {missing[0]}, which {type(twin).__name__} needs")
    parameters = dict(model.base_model.named_parameters())
    shared = {key: parameters.get(key, own[key]) for key in wanted}
    base.load_state_dict(shared, strict=False, assign=True)
    twin.to(device=model.device, dtype=model.dtype)
    twin.requires_grad_(requires_grad=False)
    return twin.eval()
