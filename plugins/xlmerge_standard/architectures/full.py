"""Full fine-tuning: every parameter of the base model changes.

What is trained, saved and merged is the difference to the base model, ``theta - W``, which starts
at zero (and needs no seed); a model with it active runs with ``W + difference``, and ``W`` is
frozen. So the methods that were defined on fine-tuned models (task arithmetic, TIES, DARE) find
their task vectors in its folders as they are. A model runs with several by their sum.

The pooler is left out, which heads do not use. Output embeddings that are tied to the input's
change with them. A weight decay pulls to the base model and not to zero (L2-SP of Li et al. 2018).

In memory it is one further copy of what is trained; a step needs the gradients, the two moments of
AdamW, and the sums that layers keep for the backward pass, of the same size each. A folder is as
large as the base model in float32, or much smaller with ``embeddings: false``. A plain model of the
adapters library refuses the folders: it does not know the architecture ``full``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, FileHalf, LiveHalf, claim_by_patterns

from .layers import check_layers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlmerge.plugin import Claim, FolderHeader

__all__ = ["FIELDS", "full"]

FIELDS: Mapping[str, Any] = {"architecture": "full", "embeddings": True, "leave_out": []}
"""Fields of its configuration.

``embeddings`` says whether the tables of embeddings (of tokens, positions, kinds of tokens) change,
too: most of a multilingual model's parameters. ``leave_out`` are layers that stay as they are,
counted from 0.
"""

_START = r"shared_parameters\.\{name\}\."
_PATTERNS = (
    _START + r"(?:.*?\.)?(?:layers?|h|blocks?)\.(?P<layer>\d+)\.(?P<site>.+)\.[^.]+",
    _START + r"(?P<site>.+)\.[^.]+",
    _START + r"[^.]+",
)


def _claim(header: FolderHeader) -> Claim | None:
    """Claim the difference of each parameter."""
    config = header.config
    if config.get("architecture") != "full":
        return None
    left_out = sorted(config.get("leave_out") or ())
    claim = claim_by_patterns(
        header,
        _PATTERNS,
        part="full",
        meaning={"embeddings": config.get("embeddings"), "leave_out": left_out},
        config_keys=set(FIELDS),
    )
    if claim is None:
        raise UnsupportedAdapterError(
            f"{header.path}: the configuration declares a fine-tuned base model, but the file "
            "holds no parameter of one",
            hint="the file is incomplete: train it again",
        )
    check_layers(header, (bundle.parameters[0].layer for bundle in claim.bundles), left_out)
    return claim


full = AdapterArchitecture(
    name="full",
    summary="Full fine-tuning: the difference of every parameter to the base model's.",
    source="Ilharco et al. 2023, arXiv 2212.04089, section 2 (task vectors)",
    files=(FileHalf(format="adapters", claim=_claim),),
    live=LiveHalf(
        configs={"full": FIELDS},
        make="xlmerge_standard.architectures._modules.making:make",
    ),
)
