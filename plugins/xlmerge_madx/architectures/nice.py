"""The invertible adapter of MAD-X: a NICE additive coupling at the embeddings.

Pfeiffer et al. 2020, section 4.2: with the embedding split into halves ``e1, e2``,
``o1 = F(e2) + e1``, ``o2 = G(o1) + e2``. Whatever the weights of F and G, the coupling inverts
exactly, so every merge of such adapters stays invertible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, Claim, FileHalf

from .configs import live_nice
from .networks import SETTINGS, claim_networks

if TYPE_CHECKING:
    from xlmerge.plugin import FolderHeader

__all__ = ["nice"]

_NETWORKS = {"F": 1, "G": 2}


def _claim(header: FolderHeader) -> Claim | None:
    """Claim the two coupling networks."""
    block = header.config.get("inv_adapter")
    claim = claim_networks(header, "nice", _NETWORKS, called="a NICE adapter")
    if claim is None and block is None:
        return Claim(bundles=(), config_keys=SETTINGS)
    if block == "glow":
        raise UnsupportedAdapterError(
            f"{header.path}: `inv_adapter: glow` cannot be merged: this block fails in the forward "
            "pass of adapters 1.3",
            hint="train with `inv_adapter: nice`, as MAD-X does",
        )
    return claim


nice = AdapterArchitecture(
    name="nice",
    summary="Invertible adapter at the embeddings: an additive coupling of their two halves.",
    source="Pfeiffer et al. 2020, arXiv 2005.00052, section 4.2; Dinh et al. 2015, arXiv 1410.8516",
    files=(FileHalf(format="adapters", claim=_claim),),
    live=live_nice,
)
