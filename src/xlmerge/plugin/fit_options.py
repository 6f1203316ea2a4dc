"""The options that trainers share, declared once.

    @trainer(summary="Train an adapter.", source="our paper", data={"train": "rows"})
    @fit_options(length="10 epochs", batch_size=16)
    def my_trainer(work: Training, *, mine: Annotated[bool, "my own"] = False, **fit: Any) -> None:
        from acme._modules.training import train

        train(work, mine=mine, fit=fit)

What stands in place of ``**fit`` for a recipe are the arguments of ``_shared`` below.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from xlmerge.errors import ParameterError
from xlmerge.plugin.parameters import AtLeast, Between, annotations_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["fit_options"]

CHECKS = "__xlmerge_checks__"
"""Attribute of a function that holds what is to be checked of its options."""

_Function = TypeVar("_Function", bound="Callable[..., Any]")


def _shared(  # noqa: PLR0913 - one argument for each option
    *,
    steps: Annotated[int | None, AtLeast(1), "optimizer steps"] = None,
    epochs: Annotated[int | None, AtLeast(1), "passes over the data, in place of steps"] = None,
    batch_size: Annotated[int, AtLeast(1), "inputs a step, over all processes together"] = 16,
    gradient_accumulation: Annotated[
        int, AtLeast(1), "parts that a process computes a batch in"
    ] = 1,
    learning_rate: Annotated[float, AtLeast(0, open=True), "peak learning rate"] = 1e-4,
    schedule: Annotated[
        Literal["linear", "constant", "cosine"], "how the rate falls after the warmup"
    ] = "linear",
    warmup: Annotated[float, Between(0, 1, open_high=True), "share of steps it rises in"] = 0.0,
    weight_decay: Annotated[float, AtLeast(0), "decay of matrices (AdamW)"] = 0.0,
    max_grad_norm: Annotated[float, AtLeast(0), "norm that gradients are cut to; 0: never"] = 1.0,
    evaluate_every: Annotated[
        int | None, AtLeast(1), "steps between evaluations; default each epoch, or ten times"
    ] = None,
    patience: Annotated[
        int, AtLeast(0), "evaluations without a better score before training ends; 0: never"
    ] = 0,
    save_every: Annotated[
        int | None, AtLeast(1), "steps between checkpoints; default ten times, at most 500"
    ] = None,
    log_every: Annotated[int | None, AtLeast(1), "steps between lines of the log"] = None,
    bf16: Annotated[bool, "forward pass in bfloat16 where that is safe"] = False,
    gradient_checkpointing: Annotated[
        bool, "compute layers again in the backward pass, for less memory"
    ] = False,
    length_bucketing: Annotated[bool, "inputs of like length share a batch"] = True,
    tensorboard: Annotated[bool, "write event files, too, if tensorboard is installed"] = False,
) -> None:
    """Arguments of a training loop, as :class:`xlmerge.runtime.FitOptions` describes them."""


def _one_length(values: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """At most one of both says how long a training is."""
    del base
    if values["steps"] is not None and values["epochs"] is not None:
        raise ParameterError(
            "a training takes `steps` or `epochs`; found both", hint="give one of them"
        )


def fit_options(*, length: str, **defaults: Any) -> Callable[[_Function], _Function]:
    """Put the shared options in place of a function's ``**`` argument.

    Args:
        length: How long it trains if neither ``steps`` nor ``epochs`` is given, in words.
        **defaults: Defaults that differ.

    Raises:
        TypeError: The function has no ``**`` argument, or a default is of no shared option.
    """

    def wrap(function: _Function) -> _Function:
        own = inspect.signature(function)
        shared = inspect.signature(_shared).parameters
        if unknown := sorted(set(defaults) - set(shared)):
            raise TypeError(f"{function.__qualname__}: no shared option: {', '.join(unknown)}")
        rest = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        if len(rest) == len(own.parameters):
            raise TypeError(f"{function.__qualname__}: takes no `**` argument for the options")
        annotations = annotations_of(_shared)
        annotations["steps"] = Annotated[
            int | None,
            AtLeast(1),
            f"optimizer steps; {length} if neither they nor epochs are given",
        ]
        added = [
            p.replace(default=defaults.get(p.name, p.default), annotation=annotations[p.name])
            for p in shared.values()
        ]
        function.__signature__ = own.replace(parameters=[*rest, *added])  # type: ignore[attr-defined]
        function.__annotations__ = {**function.__annotations__, **annotations}
        setattr(function, CHECKS, (_one_length,))
        return function

    return wrap
