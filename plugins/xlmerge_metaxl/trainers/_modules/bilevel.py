"""The bi-level step of MetaXL (Xia et al. 2021, algorithm 1).

One step, with source rows S and two halves Q and E of target rows:

1. ``g = grad_theta (L_S + L_Q)``, both means, added;
2. ``theta' = theta - eta P g`` with the rate eta of this step, and P = 1 or Adam's factor;
3. ``v = grad L_E (theta')``;
4. ``h = -grad_phi < grad_theta L_S, w >`` with ``w = P v``, or that of the cosine, and no factor
   eta: Adam, which gets h, would divide by it again;
5. ``phi`` moves along h, and ``theta`` along g: g of before (`lagged`), or g with the new ``phi``
   (`fresh`, as in the paper). ``theta'`` is gone.

In several processes the gradients of steps 1 and 3 are averaged before step 4, and h after it: h is
bilinear in both, so an average at the end alone would be that of other products.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import torch

from xlmerge.runtime.distributed import rank, sum_of_all, world_size
from xlmerge_metaxl._modules.direction import adam_diagonal, cosine, cosine_direction
from xlmerge_metaxl._modules.randomness import drawn_apart
from xlmerge_metaxl.trainers._modules.algorithms import Sums, added, sums
from xlmerge_metaxl.trainers._modules.losses import Share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from xlmerge.runtime import Batch
    from xlmerge.runtime.training import Moment
    from xlmerge_metaxl.trainers._modules.algorithms import Algorithm
    from xlmerge_metaxl.trainers._modules.losses import Losses

__all__ = ["LOGGED", "Bilevel", "Joint"]

LOGGED = (
    "source_loss",
    "target_loss",
    "meta_loss",
    "hypergradient_norm",
    "gradient_cosine",
    "network_share",
)


class Bilevel:
    """Gradients of one step for main parameters and networks.

    Args:
        losses: Of batches.
        theta: Main parameters by names in the model.
        phi: Those of the networks.
        algorithm: How the hypergradient is computed.
        adam: Whether the inner step is scaled like Adam's; plain SGD if not.
        normalize: Whether the cosine of the gradients is raised in place of their inner product.
        fresh: Whether the main gradient is computed again with the new networks.
        seed: Of the dropout of the evaluation half.
    """

    def __init__(  # noqa: PLR0913 - the parts of the step
        self,
        losses: Losses,
        theta: Mapping[str, nn.Parameter],
        phi: Mapping[str, nn.Parameter],
        algorithm: Algorithm,
        *,
        adam: bool,
        normalize: bool,
        fresh: bool,
        seed: int,
    ) -> None:
        self._losses, self._algorithm = losses, algorithm
        self._names, self._theta = tuple(theta), list(theta.values())
        self._phi = list(phi.values())
        self._adam, self._normalize, self._fresh, self._seed = adam, normalize, fresh, seed

    def __call__(
        self, batches: Mapping[str, Sequence[Batch]], moment: Moment
    ) -> Mapping[str, torch.Tensor]:
        """Set the gradients; the losses and what tells how the networks do."""
        self._losses.share = share = Share()
        source = _mean(self._algorithm.source(batches["source"]))
        self._losses.share = None
        target = _gradients(self._losses, batches["target"], self._theta, source=False)
        pairs = zip(source.gradients, target.gradients, strict=True)
        # In place where the target's own are not needed again: they may be as large as the model.
        gradients = [a + b for a, b in pairs] if self._fresh else [b.add_(a) for a, b in pairs]
        factor = adam_diagonal(gradients, moment.optimizer, self._theta) if self._adam else None
        meta = self._evaluation(batches["meta"], gradients, factor, moment)
        scaled = meta.gradients
        if factor is not None:
            scaled = [p * v for p, v in zip(factor, meta.gradients, strict=True)]
        direction = cosine_direction(source.gradients, scaled) if self._normalize else scaled
        local = self._algorithm.along(direction)
        hyper = [h / source.items for h in sum_of_all(local)]
        for parameter, gradient in zip(self._phi, hyper, strict=True):
            parameter.grad = gradient
        if self._fresh:
            moment.update(self._phi)
            again = _gradients(self._losses, batches["source"], self._theta, source=True)
            gradients = [a + b for a, b in zip(again.gradients, target.gradients, strict=True)]
        for parameter, gradient in zip(self._theta, gradients, strict=True):
            parameter.grad = gradient
        return {
            "loss": source.loss + target.loss,
            "source_loss": source.loss,
            "target_loss": target.loss,
            "meta_loss": meta.loss,
            "hypergradient_norm": torch.stack([h.norm() for h in hyper]).norm(),
            "gradient_cosine": cosine(source.gradients, meta.gradients),
            "network_share": _share(share, source.loss),
        }

    def _evaluation(
        self,
        batches: Sequence[Batch],
        gradients: Sequence[torch.Tensor],
        factor: Sequence[torch.Tensor] | None,
        moment: Moment,
    ) -> Sums:
        """Loss and gradient of the evaluation half at ``theta'``."""
        change = gradients
        if factor is not None:
            change = [p * g for p, g in zip(factor, gradients, strict=True)]
        moved = {
            name: (p.detach() - moment.learning_rate * c).requires_grad_()
            for name, p, c in zip(self._names, self._theta, change, strict=True)
        }
        by = list(moved.values())
        seed = zlib.crc32(f"{self._seed} {moment.step} {rank()} of {world_size()}".encode())
        with drawn_apart(self._theta[0].device, seed):
            total = added(
                sums(self._losses.at(moved, batch, source=False), by)[0] for batch in batches
            )
        return _mean(total)


class Joint:
    """Gradients of joint training: networks, if there are any, learn by the training loss itself.

    The paper's ablation with networks, and its baseline without.

    Args:
        losses: Of batches.
        theta: Main parameters.
        phi: Those of the networks; none for the baseline.
    """

    def __init__(
        self,
        losses: Losses,
        theta: Mapping[str, nn.Parameter],
        phi: Mapping[str, nn.Parameter],
    ) -> None:
        self._losses = losses
        self._all = [*theta.values(), *phi.values()]

    def __call__(
        self, batches: Mapping[str, Sequence[Batch]], moment: Moment
    ) -> Mapping[str, torch.Tensor]:
        """Set the gradients of both losses, added."""
        del moment
        self._losses.share = share = Share()
        source = _gradients(self._losses, batches["source"], self._all, source=True)
        self._losses.share = None
        target = _gradients(self._losses, batches["target"], self._all, source=False)
        pairs = zip(source.gradients, target.gradients, strict=True)
        for parameter, (a, b) in zip(self._all, pairs, strict=True):
            parameter.grad = a + b
        return {
            "loss": source.loss + target.loss,
            "source_loss": source.loss,
            "target_loss": target.loss,
            "network_share": _share(share, source.loss),
        }


def _gradients(
    losses: Losses, batches: Sequence[Batch], parameters: Sequence[Any], *, source: bool
) -> Sums:
    """Means over the rows of all processes, which go through networks if they are a source's."""
    parts = (sums(losses(batch, source=source), parameters)[0] for batch in batches)
    return _mean(added(parts))


def _mean(local: Sums) -> Sums:
    """From this process's sums to means over the items of all; ``items`` stays their number."""
    *gradients, loss, items = sum_of_all([*local.gradients, local.loss, local.items])
    count = items.clamp(min=1)
    return Sums([g / count for g in gradients], loss / count, count)


def _share(share: Share, like: torch.Tensor) -> torch.Tensor:
    """Norm of what the networks add over that of the hidden states, over all processes."""
    own = torch.zeros(2, device=like.device) if share.sums is None else share.sums.float()
    [all_] = sum_of_all([own])
    added, states = all_[0], all_[1]
    return (added / states.clamp(min=1e-30)).sqrt()
