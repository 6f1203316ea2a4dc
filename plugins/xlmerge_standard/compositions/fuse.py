"""Adapters joined by a trained attention over them."""

from __future__ import annotations

from collections.abc import Sequence  # noqa: TC003 - the signature is read
from typing import TYPE_CHECKING, Annotated, Any

from xlmerge.errors import CompositionError
from xlmerge.plugin import Child, Count, composition_rule
from xlmerge_standard.compositions.refusals import (
    refuse_invertible,
    refuse_nested,
    refuse_other_kinds,
    refuse_other_settings,
    refuse_peft,
)

if TYPE_CHECKING:
    from xlmerge.runtime import Composing


@composition_rule(
    kind="inside",
    summary="Adapters joined by AdapterFusion, a trained attention over what they put out.",
    source="Pfeiffer et al. 2021, arXiv 2005.00247",
)
def fuse(live: Composing, *, children: Annotated[Sequence[Child], Count(2)]) -> Any:
    """``softmax(q(h) k(z)ᵀ) v(z)`` over the adapters' outputs ``z_i``, in every layer.

    The attention is trained, so it has to lie in one of the adapters' folders, as
    ``save_adapter_fusion`` writes it (``adapter_fusion_config.json`` and its weights).

    Raises:
        CompositionError: There is no trained attention, or several; or the adapters are
            compositions, no bottlenecks, or invertible.
        ModelError: The attention does not fit the model.
    """
    from xlmerge_standard.compositions._modules.blocks import fuse_of
    from xlmerge_standard.compositions._modules.fusions import fusion_of

    refuse_peft("fuse", live, "PEFT has no AdapterFusion; take `add` or `ensemble`")
    refuse_nested("fuse", children, "fuse single adapters")
    refuse_invertible("fuse", children, "take `interpolate` or `ensemble`")
    refuse_other_kinds("fuse", children, ("bottleneck",))
    refuse_other_settings("fuse", children)
    members = [member for child in children for member in child.members]
    folders = {
        member.folder
        for member in members
        if member.folder is not None and (member.folder / "adapter_fusion_config.json").is_file()
    }
    if len(folders) != 1:
        raise CompositionError(
            f"`fuse`: {len(folders)} of the adapters' folders hold a trained attention "
            "(adapter_fusion_config.json); it takes exactly one, since it has to be trained for "
            "these adapters",
            hint="take `average` or `interpolate`, which need no training",
        )
    live.hold(fusion_of(live.live, folders.pop(), [member.name for member in members]))
    return fuse_of([member.name for member in members])
