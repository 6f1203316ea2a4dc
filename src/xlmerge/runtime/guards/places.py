"""Whether a block finds its adapters in every layer that it is run in.

The library starts a block in each module in which any adapter of the whole setup sits, and takes it
for granted that all of the block's own sit there too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.composition import AdapterCompositionBlock, Stack, parse_composition
from adapters.methods.adapter_layer_base import AdapterLayerBase, ComposableAdapterLayerBase

from xlmerge.errors import CompositionError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["check_block"]


def check_block(model: Any, block: Any, labels: Mapping[str, str]) -> None:
    """Refuse a block that the library would crash on, or run in part.

    Args:
        model: The model, with all of the block's adapters.
        block: A composition block of the library, or the name of an adapter.
        labels: Name in the model to name in the recipe, for messages.

    Raises:
        CompositionError: The library refuses it, a block lacks one of its adapters in a module
            where others of the setup sit, or such a module cannot run the block.
    """
    if not isinstance(block, AdapterCompositionBlock):
        return
    try:
        parse_composition(block, model_type=model.config.model_type)
    except ValueError as error:
        raise CompositionError(f"the adapters library refuses the composition: {error}") from error
    wanted = block.flatten()
    for path, module in model.named_modules():
        if not isinstance(module, AdapterLayerBase):
            continue
        present = wanted & set(module.adapter_modules)
        if not present:
            continue
        if len(wanted) > 1 and not isinstance(module, ComposableAdapterLayerBase):
            raise CompositionError(
                f"{path}: the adapters library runs only one adapter at a time here, not "
                f"{', '.join(sorted(labels[name] for name in wanted))}"
            )
        _check(block, present, path, labels)


def _check(block: Any, present: Collection[str], path: str, labels: Mapping[str, str]) -> None:
    """One block in one module; a stack passes over what is not there, the others do not."""
    if not isinstance(block, AdapterCompositionBlock):
        return
    if not isinstance(block, Stack):
        missing = sorted(labels[name] for name in block.flatten() if name not in present)
        if missing:
            raise CompositionError(
                f"{path}: {type(block).__name__.lower()} has no part of {', '.join(missing)} here, "
                f"but the composition is run with "
                f"{', '.join(sorted(labels[name] for name in present))}",
                hint="adapters that run beside each other sit in the same places: leave the same "
                "layers out of all, or take `interpolate` or `ensemble`",
            )
    for child in block:
        _check(child, present, path, labels)
