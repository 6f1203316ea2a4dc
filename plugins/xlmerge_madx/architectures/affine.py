"""An invertible adapter that also scales: the affine coupling of RealNVP at the embeddings.

Dinh et al. 2017, section 3.2, in the place of MAD-X's additive coupling:
``o1 = e1 * exp(s(S1(e2))) + T1(e2)``, ``o2 = e2 * exp(s(S2(o1))) + T2(o1)``, with s = tanh. With
S1 = S2 = 0 it is the additive one. It inverts whatever the weights of the four networks, so every
merge of such adapters stays invertible. The plain library refuses its folders: it does not know
``inv_adapter: affine``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import AdapterArchitecture, FileHalf

from .configs import live_affine
from .networks import claim_networks

if TYPE_CHECKING:
    from xlmerge.plugin import Claim, FolderHeader

__all__ = ["affine"]

_NETWORKS = {"S1": 1, "T1": 1, "S2": 2, "T2": 2}


def _claim(header: FolderHeader) -> Claim | None:
    """Claim the four coupling networks."""
    return claim_networks(header, "affine", _NETWORKS, called="an affine adapter")


affine = AdapterArchitecture(
    name="affine",
    summary="Invertible adapter at the embeddings: an affine coupling of their two halves.",
    source="Dinh et al. 2017, arXiv 1605.08803, section 3.2, placed as in Pfeiffer et al. 2020, "
    "arXiv 2005.00052, section 4.2",
    files=(FileHalf(format="adapters", claim=_claim),),
    live=live_affine,
)
