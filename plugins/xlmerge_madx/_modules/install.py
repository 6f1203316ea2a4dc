"""Makes ``inv_adapter: affine`` known to one model."""

from __future__ import annotations

from types import MethodType
from typing import Any

from adapters import BnConfig
from adapters.methods.modeling import Adapter

from .affine import AffineCoupling

__all__ = ["install"]

_NEXT = "_xlmerge_madx_next"


def install(model: Any) -> None:
    """Let a model make affine couplings where adapters ask for them; once is enough.

    Only this object changes: its own ``add_invertible_adapter`` hides that of its class, and passes
    on what is not affine. Everything else (training, saving, the inverse before the output
    embeddings) is the library's, which goes by the module's name.

    A model in which the library puts no invertible adapters at all (one for images) stays as it is:
    there the tensors of an affine adapter have no place, and loading says so.

    Args:
        model: A model with adapter support, with or without a head.
    """
    base = model.base_model
    if getattr(base, "invertible_adapters", None) is None:
        return
    if hasattr(base, _NEXT):
        return
    setattr(base, _NEXT, base.add_invertible_adapter)
    # A bound method and no closure: a copy of the model then adds to itself.
    base.add_invertible_adapter = MethodType(add_invertible_adapter, base)


def add_invertible_adapter(base: Any, adapter_name: str) -> bool:
    """Add the coupling of an adapter; what it was before where it is not affine.

    Returns:
        Whether there was one to add.

    Raises:
        ValueError: There is one already, as the library says it.
    """
    config = base.adapters_config.match(
        adapter_name, config_type=BnConfig, location_key="inv_adapter"
    )
    if not config or config["inv_adapter"] != "affine":
        return bool(getattr(base, _NEXT)(adapter_name))
    if adapter_name in base.invertible_adapters:
        raise ValueError(f"Model already contains an adapter module for '{adapter_name}'.")
    coupling = AffineCoupling(
        # Some models have embeddings of another width than their layers.
        getattr(base.config, "embedding_size", base.config.hidden_size),
        config["non_linearity"],
        config["inv_adapter_reduction_factor"],
    )
    # Small weights around zero: nearly the identity, as the library starts its own.
    base.invertible_adapters[adapter_name] = coupling.apply(Adapter.init_bert_weights)
    return True
