"""The representation transformation network (RTN) of MetaXL.

Xia et al. 2021, equation 1, with the gate of the authors' code: at each token of a
source sentence the hidden state ``h`` after a layer becomes ``h + r(h)``, with
``r(h) = sigmoid(o_d) * o_(0..d-1)`` and ``o = W2 relu(W1 h + b1) + b2``. Nothing of it is left when
the model is used. A plain model of the adapters library refuses its folders: it does not know the
architecture ``rtn``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from xlmerge.errors import ModelError, UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, FileHalf, LiveHalf, claim_by_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin import Claim, FolderHeader

__all__ = ["FIELDS", "layers_of", "rtn"]

FIELDS: Mapping[str, Any] = {
    "architecture": "rtn",
    "layers": [-1],
    "reduction_factor": 4,
    "gate": True,
    "stop_gradient": True,
    "init": "identity",
}
"""Fields of its configuration.

``layers`` are counted from 0, the embeddings, to the number of layers, the last hidden states; from
the end if negative. ``reduction_factor`` is the width of the model over that of the bottleneck: 4
in the authors' README. ``stop_gradient`` keeps gradients from the network's input, as their code
does. ``init`` is ``identity``, which starts at ``r = 0``, or ``paper``: Xavier-normal weights, and
biases of zero.
"""

_PATTERN = r"shared_parameters\.\{name\}\.(?P<layer>\d+)\.(?P<site>down|up)\.(?:weight|bias)"


def layers_of(layers: Sequence[int], depth: int) -> tuple[int, ...]:
    """Places of networks: 0 before the first layer, ``depth`` after the last.

    Args:
        layers: Places, from the end if negative: -1 is after the last layer.
        depth: Number of layers.

    Raises:
        ModelError: There is no such place, or it comes twice.
    """
    places = tuple(layer + depth + 1 if layer < 0 else layer for layer in layers)
    wrong = [layer for layer, at in zip(layers, places, strict=True) if not 0 <= at <= depth]
    if wrong or len(set(places)) < len(places) or not places:
        what = f"found {wrong[0]}" if wrong else f"found {list(layers)}"
        raise ModelError(
            f"networks sit after layers 0 (the embeddings) to {depth}, each once; {what}",
            hint="`layers: [-1]` is the last hidden states",
        )
    return tuple(sorted(places))


def _claim(header: FolderHeader) -> Claim | None:
    """Claim the two linear maps of each layer's network."""
    if header.config.get("architecture") != "rtn":
        return None
    claim = claim_by_patterns(
        header,
        [_PATTERN],
        part="rtn",
        meaning={key: header.config.get(key) for key in ("gate", "stop_gradient")},
        config_keys=set(FIELDS),
    )
    if claim is None:
        raise UnsupportedAdapterError(
            f"{header.path}: the configuration declares a representation transformation network, "
            "but the file holds none",
            hint="the file is incomplete: train it again",
        )
    _check_whole(header, claim)
    return claim


def _check_whole(header: FolderHeader, claim: Claim) -> None:
    """Both maps of every layer are there, with biases, and fit each other."""
    shapes = {bundle.parameters[0].name: bundle.parameters[0].shape for bundle in claim.bundles}
    layers = {match[1] for name in shapes if (match := re.search(r"\.(\d+)\.", name))}
    extra = 1 if header.config.get("gate") else 0
    for layer in sorted(layers, key=int):
        stem = f"shared_parameters.{layer}"
        inner, width = shapes.get(f"{stem}.down.weight", (0, 0))
        wanted = {
            f"{stem}.down.weight": (inner, width),
            f"{stem}.down.bias": (inner,),
            f"{stem}.up.weight": (width + extra, inner),
            f"{stem}.up.bias": (width + extra,),
        }
        for name, shape in wanted.items():
            if shapes.get(name) != shape:
                found = shapes.get(name, "nothing")
                raise UnsupportedAdapterError(
                    f"{header.path}: {name}: expected shape {shape}, found {found}",
                    hint="is `gate` of the configuration that of the tensors?",
                )


rtn = AdapterArchitecture(
    name="rtn",
    summary="A network that transforms the hidden states of a source language in training.",
    source="Xia et al. 2021, arXiv 2104.07908, equation 1",
    files=(FileHalf(format="adapters", claim=_claim),),
    live=LiveHalf(
        configs={"rtn": FIELDS, "rtn_paper": {**FIELDS, "init": "paper"}},
        make="xlmerge_metaxl._modules.transformation:make",
    ),
)
