"""The matrices of a prefix, and the one tensor that they are stored in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from xlmerge.plugin import AtLeast, Parameter
from xlmerge.spaces import PrefixSpace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlmerge.plugin import Bundle
    from xlmerge.spaces import Array, Observe, Space

__all__ = ["join", "parameters_of", "space_of_prefix", "split"]


def space_of_prefix(
    peers: Sequence[Parameter],
    observe: Observe,
    *,
    prefix_rule: Annotated[
        Literal["pseudo_inverse", "ridge"],
        "how a gap is carried over: the paper's rule, or one that stays calm",
    ] = "pseudo_inverse",
    prefix_ridge: Annotated[
        float,
        AtLeast(0, open=True),
        "strength of the ridge rule, as a share of the mean squared singular value",
    ] = 1e-2,
) -> Space[Any, Any]:
    """The space of the keys or the values of one layer."""
    del peers
    return PrefixSpace(rule=prefix_rule, ridge=prefix_ridge, observe=observe)


def parameters_of(layers: Sequence[int], length: int, width: int) -> tuple[Parameter, ...]:
    """Keys and values of each layer, in the order in which they are stored."""
    return tuple(
        Parameter(
            name=f"prefix.layer.{layer}.{what}",
            part="prefix",
            layer=layer,
            site=f"prefix.{what}",
            shape=(length, width),
        )
        for layer in layers
        for what in ("key", "value")
    )


def split(bundle: Bundle, stored: Array) -> dict[str, Array]:
    """The matrices ``[p, d]`` out of the stored tensor, whatever its shape."""
    length, width = bundle.parameters[0].shape
    stacked = stored.reshape((length, len(bundle.parameters), width))
    return {
        parameter.name: stacked[:, index, :] for index, parameter in enumerate(bundle.parameters)
    }


def join(bundle: Bundle, points: Mapping[str, Any]) -> Array:
    """All matrices in one tensor ``[p, 2 * layers, d]``."""
    import numpy as np

    return np.stack([points[parameter.name] for parameter in bundle.parameters], axis=1)
