"""A bi-level step on a tiny model, and what it computes by hand.

The hand shares no line with the plugin: networks are written out from their tensors, the cross
entropy is torch's, main parameters move in place, and the derivative is a central difference.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from builders import tiny_training as tiny

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from xlmerge.runtime import LiveModel, Training

__all__ = ["ALGORITHMS", "Case", "adapter_config", "error", "flat", "made", "rows_of", "save_base"]

ALGORITHMS = ("double_backward", "forward_over_reverse", "split_forward", "split_difference")
STEP = 1e-5
"""Of the central differences."""

SIZES = {"hidden_size": 8, "intermediate_size": 12}


def save_base(folder: Path, *, dropout: float = 0.0) -> Path:
    """Two layers, eight numbers wide."""
    return tiny.save_base(folder, dropout=dropout, **SIZES)


def adapter_config(name: str) -> dict[str, Any]:
    """A small adapter by name."""
    return tiny.named_config(name, **({"reduction_factor": 4} if name == "seq_bn" else {}))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model on the stage with its networks, and one step's rows.

    Attributes:
        work: The training.
        run: From a batch to the task's outputs.
        theta: Main parameters.
        phi: Parameters of the networks.
        networks: Names of the network of each source.
        places: Where they sit.
        stop_gradient: Whether their input is a constant.
        batches: Draw by name to its rows.
    """

    work: Training
    run: Callable[[Any], Any]
    theta: Mapping[str, nn.Parameter]
    phi: Mapping[str, nn.Parameter]
    networks: Sequence[str]
    places: tuple[int, ...]
    stop_gradient: bool
    batches: Mapping[str, Any]

    @property
    def live(self) -> LiveModel:
        """The model."""
        return self.work.live

    # --- as the plugin computes it ------------------------------------------------------------

    @cached_property
    def losses(self) -> Any:
        """The plugin's losses."""
        from xlmerge_metaxl.trainers._modules.losses import Losses

        return Losses(self.work, self.run, self.networks)

    def algorithm(self, name: str = "double_backward") -> Any:
        """One of the plugin's algorithms."""
        from xlmerge_metaxl.trainers._modules.algorithms import ALGORITHMS

        return ALGORITHMS[name](self.losses, self.theta, self.phi, self.places)

    def optimizer(self, rate: float, meta_rate: float | None = None) -> Any:
        """AdamW on all that is trained; the networks do not decay."""
        main = {"params": list(self.theta.values()), "weight_decay": 0.01}
        networks = {"params": list(self.phi.values()), "weight_decay": 0.0}
        if meta_rate is not None:
            networks["lr"] = meta_rate
        return torch.optim.AdamW([main, networks], lr=rate)

    def step(self, algorithm: Any = "double_backward", **options: bool) -> Callable[..., Any]:
        """The plugin's step: batches in parts, rate and optimizer in, numbers to log out."""
        from xlmerge.runtime.training import Moment
        from xlmerge.runtime.training.step import Updates
        from xlmerge_metaxl.trainers._modules.bilevel import Bilevel

        made = self.algorithm(algorithm) if isinstance(algorithm, str) else algorithm
        chosen = {"adam": False, "normalize": False, "fresh": False, **options}
        step = Bilevel(self.losses, self.theta, self.phi, made, seed=0, **chosen)

        def carry_out(batches: Any, rate: float, optimizer: Any = None, number: int = 0) -> Any:
            optimizer = optimizer or self.optimizer(rate)
            update = Updates([*self.theta.values(), *self.phi.values()], optimizer)
            moment = Moment(step=number, learning_rate=rate, optimizer=optimizer, update=update)
            return step(batches, moment)

        return carry_out

    def parts(self, count: int = 1, **other: Any) -> dict[str, list[Any]]:
        """The rows of a step, each draw in some parts."""
        found = {}
        for name, batch in {**self.batches, **other}.items():
            rows = len(batch["source"])
            cuts = [range(rows * at // count, rows * (at + 1) // count) for at in range(count)]
            found[name] = [rows_of(batch, list(cut)) for cut in cuts]
        return found

    def hypergradient(
        self,
        algorithm: Any = "double_backward",
        *,
        rate: float = 0.3,
        parts: int = 1,
        optimizer: Any = None,
        batches: Mapping[str, Any] | None = None,
        **options: bool,
    ) -> dict[str, torch.Tensor]:
        """What the step leaves as gradients of the networks; nothing of it stays."""
        self.step(algorithm, **options)(self.parts(parts, **(batches or {})), rate, optimizer)
        found = {name: p.grad.clone() for name, p in self.phi.items()}
        for parameter in (*self.theta.values(), *self.phi.values()):
            parameter.grad = None
        return found

    # --- by hand ------------------------------------------------------------------------------

    def cross_entropy(self, name: str, *, networks: bool = False) -> torch.Tensor:
        """Mean loss of a draw's rows."""
        batch = self.batches[name]
        with self._by_hand(batch["source"]) if networks else ExitStack():
            logits = self.run(batch)["logits"]
        return functional.cross_entropy(logits, batch["labels"])

    def gradient(self, loss: torch.Tensor) -> list[torch.Tensor]:
        """By the main parameters."""
        found = torch.autograd.grad(loss, list(self.theta.values()), allow_unused=True)
        pairs = zip(found, self.theta.values(), strict=True)
        return [torch.zeros_like(p) if g is None else g for g, p in pairs]

    def source_gradient(self) -> list[torch.Tensor]:
        """Of the source rows through their networks."""
        return self.gradient(self.cross_entropy("source", networks=True))

    def target_gradient(self) -> list[torch.Tensor]:
        """Of the target rows to train on."""
        return self.gradient(self.cross_entropy("target"))

    @contextmanager
    def moved(self, change: Sequence[torch.Tensor], rate: float) -> Iterator[None]:
        """Main parameters after a step, for a while."""
        before = [p.detach().clone() for p in self.theta.values()]
        with torch.no_grad():
            for p, along in zip(self.theta.values(), change, strict=True):
                p.sub_(rate * along)
        try:
            yield
        finally:
            with torch.no_grad():
                for p, value in zip(self.theta.values(), before, strict=True):
                    p.copy_(value)

    def looked_ahead(
        self, rate: float, factor: Sequence[torch.Tensor] | None = None
    ) -> Callable[[], float]:
        """Evaluation loss after a step, as a function of what the networks hold.

        Args:
            rate: Of the step.
            factor: What scales each entry of the gradient.
        """
        target = self.target_gradient()

        def loss() -> float:
            change = [a + b for a, b in zip(self.source_gradient(), target, strict=True)]
            if factor is not None:
                change = [f * c for f, c in zip(factor, change, strict=True)]
            with self.moved(change, rate), torch.no_grad():
                return float(self.cross_entropy("meta"))

        return loss

    def differences(self, function: Callable[[], float]) -> dict[str, torch.Tensor]:
        """Derivative of a function by every number of the networks."""
        found = {}
        for name, parameter in self.phi.items():
            values = parameter.data.view(-1)
            slopes = torch.empty_like(values)
            for at in range(len(values)):
                value = values[at].item()
                ends = []
                for sign in (1, -1):
                    values[at] = value + sign * STEP
                    ends.append(function())
                values[at] = value
                slopes[at] = (ends[0] - ends[1]) / (2 * STEP)
            found[name] = slopes.view_as(parameter)
        return found

    @contextmanager
    def _by_hand(self, source: torch.Tensor) -> Iterator[None]:
        model = self.live.model
        layers = [layer for _, layer in model.iter_layers()]
        with ExitStack() as held:
            for place in self.places:
                module = layers[place - 1] if place else model.base_model.embeddings
                hook = self._transforming(place, source)
                held.callback(module.register_forward_hook(hook).remove)
            yield

    def _transforming(self, place: int, source: torch.Tensor) -> Callable[..., Any]:
        def hook(_: Any, __: Any, output: Any) -> Any:
            states = output[0] if isinstance(output, tuple) else output
            found = states.clone()
            for number in range(len(self.networks)):
                rows = source == number
                found[rows] = states[rows] + self._added(place, number, states[rows])
            return (found, *output[1:]) if isinstance(output, tuple) else found

        return hook

    def _added(self, place: int, number: int, states: torch.Tensor) -> torch.Tensor:
        """``sigmoid(o_d) o_(0..d-1)`` with ``o = W2 relu(W1 h + b1) + b2``."""
        stem = f"shared_parameters.{self.networks[number]}.{place}."
        [start] = {name.partition(stem)[0] for name in self.phi if stem in name}
        kinds = ("down.weight", "down.bias", "up.weight", "up.bias")
        [down, down_bias, up, up_bias] = [self.phi[start + stem + kind] for kind in kinds]
        given = states.detach() if self.stop_gradient else states
        out = (given @ down.T + down_bias).clamp(min=0) @ up.T + up_bias
        return out[..., :-1] / (1 + torch.exp(-out[..., -1:]))


@contextmanager
def made(
    base: Path,
    folder: Path,
    *,
    adapter: str | None = "seq_bn",
    layers: tuple[int, ...] = (-1,),
    stop_gradient: bool = True,
    shared: bool = False,
    init: str = "paper",
    reduction_factor: float = 8,
    dtype: str = "float64",
    attention: str = "eager",
) -> Iterator[Case]:
    """A model on the stage, rows of two sources and of the target.

    Args:
        base: The base model.
        folder: To write into.
        adapter: Name of its configuration; None for full fine-tuning without an adapter.
        layers: Where networks sit.
        stop_gradient: Whether their input is a constant.
        shared: Whether both sources share a network.
        init: How networks start. ``identity`` is left as it is; all else, zeros for one, is moved
            away from where it starts.
        reduction_factor: The model's width over theirs.
        dtype: Precision.
        attention: Attention implementation.
    """
    from xlmerge.runtime import LiveModel
    from xlmerge_metaxl.architectures.rtn import FIELDS, layers_of

    data = {"source": [(tiny.labelled(8, 3), None), (tiny.labelled(8, 5), None)]}
    work = tiny.make_training(
        base,
        folder,
        "task",
        data={**data, "train": tiny.labelled(8, 1)},
        columns=("source",),
        validation=False,
        adapter=adapter_config(adapter or "ia3"),
    )
    work.live = live = LiveModel.load(
        str(base), registry=tiny.registry(), attention=attention, dtype=dtype, device="cpu"
    )
    work.task.prepare(live.model)
    fields = {"stop_gradient": stop_gradient, "init": init, "reduction_factor": reduction_factor}
    names = ["both"] if shared else ["first", "second"]
    with _stage(work, full=adapter is None) as (run, theta):
        for seed, name in enumerate(names):
            live.add_adapter(name, {**FIELDS, **fields, "layers": list(layers)}, seed=seed)
        phi = {k: p for name in names for k, p in live.adapter_parameters(name).items()}
        draw = torch.Generator().manual_seed(0)
        for parameter in (*theta.values(), *phi.values()):
            parameter.requires_grad_()
        for parameter in (*theta.values(), *(() if init == "identity" else phi.values())):
            noise = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
            parameter.data += 0.1 * noise.to(parameter.dtype)
        yield Case(
            work=work,
            run=run,
            theta=theta,
            phi=phi,
            networks=names * (2 if shared else 1),
            places=layers_of(layers, live.layers),
            stop_gradient=stop_gradient,
            batches={
                "source": _batch(work, 11, [0, 1, 1, 0]),
                "target": _batch(work, 12, [0] * 4),
                "meta": _batch(work, 13, [0] * 4),
            },
        )


@contextmanager
def _stage(work: Training, *, full: bool) -> Iterator[tuple[Callable[[Any], Any], dict[str, Any]]]:
    """An adapter with its head, or the whole base model with one."""
    from xlmerge.runtime.columns import columns_of
    from xlmerge.runtime.quiet import quiet
    from xlmerge.runtime.training import staged

    if not full:
        with staged(work) as stage:
            yield stage.run, {**stage.adapter, **stage.head}
        return
    live = work.live
    base = dict(live.model.named_parameters())
    live.add_head(work.name, work.task.head_config(work.labels), seed=work.seed)

    def run(batch: Any) -> Any:
        with columns_of(batch, work.columns), quiet():  # the library warns that none is active
            return work.task.outputs(live, batch)

    with live.activated(None, head=work.name):
        yield run, {**base, **live.head_parameters(work.name)}


def _batch(work: Training, seed: int, sources: list[int]) -> dict[str, Any]:
    """Labelled rows, and of which source each is."""
    rows = tiny.labelled(len(sources), seed, 6)
    features = work.task.encode(rows, work.live.tokenizer, work.labels, training=True)
    batch = dict(work.task.collate(features, work.live.tokenizer))
    return {**batch, "source": torch.tensor(sources)}


def rows_of(batch: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """Some rows of a batch, padded as they were."""
    return {name: column[list(rows)] for name, column in batch.items()}


def flat(tensors: Any) -> torch.Tensor:
    """Tensors in a mapping or a list as one vector."""
    pieces = tensors.values() if hasattr(tensors, "values") else tensors
    return torch.cat([piece.detach().reshape(-1) for piece in pieces])


def error(found: Any, expected: Any) -> float:
    """Norm of the difference over the norm of what was expected."""
    return float((flat(found) - flat(expected)).norm() / flat(expected).norm())
