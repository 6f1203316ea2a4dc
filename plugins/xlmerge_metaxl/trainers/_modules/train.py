"""How MetaXL trains."""

from __future__ import annotations

import warnings
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from xlmerge.errors import DataError
from xlmerge.runtime.distributed import rank
from xlmerge.runtime.training import Draw, FitOptions, Group, Step, fit, staged
from xlmerge_metaxl.architectures.rtn import FIELDS, layers_of
from xlmerge_metaxl.trainers._modules.algorithms import ALGORITHMS, SplitDifference
from xlmerge_metaxl.trainers._modules.bilevel import LOGGED, Bilevel, Joint
from xlmerge_metaxl.trainers._modules.losses import Losses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn

    from xlmerge.runtime import Training
    from xlmerge.runtime.training import Stage
    from xlmerge_metaxl.trainers._modules.algorithms import Algorithm

__all__ = ["Options", "train"]

_EPOCHS = 20
_JOINT_LOGGED = ("source_loss", "target_loss", "network_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What :func:`xlmerge_metaxl.trainers.metaxl.metaxl` takes, beside the shared options.

    Attributes:
        network: How the networks are learned: ``meta``, ``joint``, or ``none``.
        target_batch_size: Target inputs a step; as many as source inputs if None.
        halves: ``each_step`` or ``fixed``.
        algorithm: Name of one of the algorithms.
        main_gradient: ``lagged`` or ``fresh``.
        inner: ``sgd`` or ``adam_diag``.
        objective: ``inner_product`` or ``cosine``.
        meta_learning_rate: Of the networks.
        shared_network: Whether all sources share one.
        layers: Where networks sit.
        network_config: Further fields of their configuration.
    """

    network: str
    target_batch_size: int | None
    halves: str
    algorithm: str
    main_gradient: str
    inner: str
    objective: str
    meta_learning_rate: float
    shared_network: bool
    layers: tuple[int, ...]
    network_config: Mapping[str, Any] = field(default_factory=dict)


def train(work: Training, options: Options, shared: Mapping[str, Any]) -> None:
    """Train, and write the adapter with its head, and the networks below it.

    Args:
        work: The training.
        options: MetaXL's own.
        shared: Those of :class:`xlmerge.runtime.training.FitOptions`.

    Raises:
        DataError: There are too few target rows to halve.
        ModelError: A network's layer is not the model's, or torch has no second derivative for a
            kernel of the model.
    """
    chosen = dict(shared)
    if chosen["steps"] is None and chosen["epochs"] is None:
        chosen["epochs"] = _EPOCHS
    fitting = FitOptions(**chosen)
    if options.network == "meta" and sum(len(rows) for rows, _ in work.sources("train")) == 1:
        raise DataError(f"{work.name}: 1 target row cannot be halved")
    if options.network == "meta" and options.halves == "fixed":
        work.data = {**work.data, **_fixed_halves(work)}
    with staged(work) as stage, _networks(work, options) as networks:
        work.report["composition"] = stage.tree
        step, parameters, algorithm = _step(work, options, fitting, stage, networks)
        before = _state(work, networks)
        fit(work, parameters, fitting, runs=stage.runs, step=step)
        _tell_unmoved(work, before, _state(work, networks))
        if isinstance(algorithm, SplitDifference) and algorithm.error is not None:
            work.report["difference_error"] = algorithm.error
        if rank() == 0:
            work.live.save_adapter(work.name, work.output, head=work.name)
            for folder, name in networks.items():
                work.live.save_adapter(name, work.output / "networks" / folder)


def _state(work: Training, networks: Mapping[str, str]) -> dict[str, list[torch.Tensor]]:
    """Name of each network's folder to copies of its parameters."""
    return {
        folder: [p.detach().clone() for p in work.live.adapter_parameters(name).values()]
        for folder, name in networks.items()
    }


def _tell_unmoved(
    work: Training,
    before: Mapping[str, list[torch.Tensor]],
    after: Mapping[str, list[torch.Tensor]],
) -> None:
    """Warn of networks that learned nothing at all: no row of their source was drawn."""
    unmoved = [
        folder
        for folder, tensors in after.items()
        if all(torch.equal(a, b) for a, b in zip(before[folder], tensors, strict=True))
    ]
    if unmoved:
        work.report["unmoved_networks"] = unmoved
        if rank() == 0:
            warnings.warn(
                f"{work.name}: the networks of {', '.join(unmoved)} are as they began: train "
                "longer, or draw their sources more often",
                stacklevel=2,
            )


def _fixed_halves(work: Training) -> dict[str, Any]:
    """Every other target row for training, the rest for evaluation, throughout."""
    found: dict[str, list[Any]] = {"train": [], "meta": []}
    for rows, weight in work.sources("train"):
        for first, role in enumerate(found):
            found[role].append((rows.select(range(first, len(rows), 2)), weight))
    return found


@contextmanager
def _networks(work: Training, options: Options) -> Iterator[dict[str, str]]:
    """Make the networks, and take them out of the model afterwards.

    Yields:
        Name of each network's folder to its name in the model, by source; those that share one
        network come once.
    """
    live = work.live
    count = len(work.sources("source"))
    names = list(work.names.get("source", ())) or [f"source{at}" for at in range(count)]
    if options.shared_network:
        names = ["shared"]
    config = {**FIELDS, **options.network_config, "layers": list(options.layers)}
    with ExitStack() as held:
        made: dict[str, str] = {}
        for at, name in enumerate(names if options.network != "none" else ()):
            folder = name.replace("/", "-")
            while folder in made:
                folder += f"-{at}"
            inside = f"{work.name}-network-{at}"
            seed = zlib.crc32(f"{work.seed} network {at}".encode())
            live.add_adapter(inside, config, seed=seed)
            held.callback(live.delete_adapter, inside)
            made[folder] = inside
        yield made


def _step(
    work: Training,
    options: Options,
    fitting: FitOptions,
    stage: Stage,
    networks: Mapping[str, str],
) -> tuple[Step, dict[str, nn.Parameter], Algorithm | None]:
    """The step, all that is trained, and what computes the hypergradient."""
    live = work.live
    theta = {**stage.adapter, **stage.head}
    phi = {key: p for name in networks.values() for key, p in live.adapter_parameters(name).items()}
    names = list(networks.values())
    if options.shared_network:
        names *= len(work.sources("source"))
    losses = Losses(work, stage.run, names)
    target = options.target_batch_size or fitting.batch_size
    draws = {"source": Draw(role="source", batch_size=fitting.batch_size)}
    settings = {"metaxl": repr(options)}
    rarely = frozenset(phi)  # a source may not have been drawn, or its neurons sleep
    if options.network != "meta":
        draws["target"] = Draw(role="train", batch_size=target)
        step = Step(
            gradients=Joint(losses, theta, phi),
            draws=draws,
            logged=_JOINT_LOGGED,
            settings=settings,
            may_stay=rarely,
        )
        return step, {**theta, **phi}, None
    if options.halves == "fixed":
        draws["target"] = Draw(role="train", batch_size=(target + 1) // 2)
        draws["meta"] = Draw(role="meta", batch_size=max(1, target // 2))
    else:
        draws["target"] = Draw(role="train", batch_size=target, part=0, parts=2)
        draws["meta"] = Draw(role="train", batch_size=target, part=1, parts=2)
    places = layers_of(options.layers, live.layers)
    algorithm = ALGORITHMS[options.algorithm](losses, theta, phi, places)
    gradients = Bilevel(
        losses,
        theta,
        phi,
        algorithm,
        adam=options.inner == "adam_diag",
        normalize=options.objective == "cosine",
        fresh=options.main_gradient == "fresh",
        seed=work.seed,
    )
    step = Step(
        gradients=gradients,
        draws=draws,
        groups=(Group(names=rarely, learning_rate=options.meta_learning_rate),),
        logged=LOGGED,
        settings=settings,
        may_stay=rarely,
    )
    return step, {**theta, **phi}, algorithm
