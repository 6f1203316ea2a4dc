"""One model with an adapter and a network, and every step on it: the inside of metaxl.py.

A scene is a process of its own. Its steps are the trainer's: options, gradients, optimizer and
clipping as in a training, without its log and checkpoints. All steps run on one live model, which
each of them changes a little; what a step costs does not depend on what the parameters are.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from metaxl_memory import allocate, allocated, allocated_cuda, resident, saved
from metaxl_peer import ReleasedStep

from builders import tiny_training as tiny
from xlmerge.errors import ModelError

__all__ = ["STEPS", "measure"]

STEPS: dict[str, dict[str, str]] = {
    "joint training": {"network": "none"},
    "double_backward, lagged": {},
    "double_backward, fresh": {"main_gradient": "fresh"},
    "forward_over_reverse": {"algorithm": "forward_over_reverse"},
    "split_difference": {"algorithm": "split_difference"},
    "split_forward": {"algorithm": "split_forward"},
    "as released": {},
}
"""What is measured, and which options of the trainer make it; the last is no option."""

RATE, BATCHES = 1e-5, 4


def measure(asked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By name of the step: seconds of each round, and bytes.

    Args:
        asked: See :func:`metaxl.main`.
    """
    # Copies of a process with threads may hang; memory does not depend on how many there are.
    torch.set_num_threads(1)
    cuda = asked["device"] == "cuda"
    # Tensors in pages of their own, which are given back with them: what is counted then are
    # tensors, and not the holes between them.
    allocate(mapped_from=1 << 14)
    with _scene(asked) as (steps, model):
        found: dict[str, dict[str, Any]] = {name: {} for name in steps}
        for name, step in list(steps.items()):
            try:
                step(0)
            except (ModelError, RuntimeError) as error:  # a kernel without second derivatives
                if not isinstance(error, ModelError) and "derivative" not in str(error):
                    raise
                found[name] = {"error": str(error)}
                del steps[name]
                continue
            found[name]["resident"] = None if cuda else resident(step)
            found[name]["tensors"] = allocated_cuda(step) if cuda else allocated(step)
            found[name]["saved"] = saved(step, model.parameters())
        allocate(mapped_from=1 << 25)  # what glibc itself arrives at after a while
        torch.set_num_threads(asked["threads"])
        for step in steps.values():  # a round that does not count
            step(0)
        for number in range(asked["rounds"]):
            for name, step in steps.items():
                for key, seconds in _timed(step, number, cuda).items():
                    found[name].setdefault(key, []).append(seconds)
    return found


# --- the scene ------------------------------------------------------------------------------------


@contextmanager
def _scene(
    asked: dict[str, Any],
) -> Iterator[tuple[dict[str, Callable[[int], None]], torch.nn.Module]]:
    from xlmerge.runtime.training import FitOptions, staged
    from xlmerge.runtime.training.batches import encoded
    from xlmerge.runtime.training.drawing import drawing_loader
    from xlmerge.runtime.training.trained import Trained
    from xlmerge_metaxl.trainers._modules import train
    from xlmerge_metaxl.trainers._modules.losses import Losses

    rows, length = asked["rows"], asked["length"]
    work = tiny.make_training(
        Path(asked["base"]),
        Path(asked["folder"]),
        "task",
        adapter=tiny.named_config(asked["adapter"]),
        attention=asked["attention"],
        device=asked["device"],
        max_length=length,
        validation=False,
        data={
            "source": [(_texts(rows * BATCHES, length), None) for _ in range(asked["sources"])],
            "train": _texts(rows * BATCHES, length),
        },
        columns=("source",),
    )
    fitting = FitOptions(steps=BATCHES, batch_size=rows, learning_rate=RATE)
    steps: dict[str, Callable[[int], None]] = {}
    with ExitStack() as held:
        work.live.model.to(asked["device"])
        stage = held.enter_context(staged(work))
        meta = _options(train, asked["layer"], {})
        networks = held.enter_context(train._networks(work, meta))
        everything = train._step(work, meta, fitting, stage, networks)[1]
        held.enter_context(Trained(work.live.model, everything))
        work.live.model.to(asked["device"])
        work.live.model.train()
        inputs = {role: encoded(work, role) for role in ("source", "train")}
        for name in asked["steps"]:
            options = _options(train, asked["layer"], STEPS[name])
            own = networks if options.network != "none" else {}
            step, parameters, _ = train._step(work, options, fitting, stage, own)
            loader = drawing_loader(inputs, step.draws, work, fitting, BATCHES)
            batches = [_moved(batch, asked["device"]) for batch in loader]
            phi = [p for group in step.groups for p in map(parameters.__getitem__, group.names)]
            apart = {id(p) for p in phi}
            theta = [p for p in parameters.values() if id(p) not in apart]
            if name == "as released":
                names = list(networks.values()) * asked["sources"]
                losses = Losses(work, stage.run, names)
                peer = ReleasedStep(_mean(losses), theta, phi, rate=RATE, meta_rate=RATE)
                steps[name] = lambda at, peer=peer, batches=batches: peer(batches[at % BATCHES])
            else:
                steps[name] = _ours(step.gradients, batches, theta, phi)
        yield steps, work.live.model


def _options(train: Any, layer: int, chosen: dict[str, str]) -> Any:
    defaults = {p.name: p.default for p in tiny.registry().trainer("metaxl").descriptor.parameters}
    config = ("reduction_factor", "gate", "stop_gradient", "init")
    fields = {key: defaults[key] for key in train.Options.__dataclass_fields__ if key in defaults}
    fields |= {"network_config": {key: defaults[key] for key in config}}
    # One network for all sources, as the released code has it.
    return train.Options(**{**fields, "layers": (layer,), "shared_network": True, **chosen})


def _texts(count: int, length: int) -> Any:
    """Rows that are all cut to the longest length, so that nothing hangs on their order."""
    from datasets import Dataset

    words = tiny.WORDS
    texts = [" ".join(words[(at * k) % len(words)] for k in range(length)) for at in range(count)]
    return Dataset.from_dict(
        {"text": texts, "label": [("early", "late")[at % 2] for at in range(count)]}
    )


def _moved(batches: Any, device: str) -> Any:
    return {
        name: [{key: value.to(device) for key, value in batch.items()} for batch in parts]
        for name, parts in batches.items()
    }


def _mean(losses: Any) -> Callable[[Any, bool], torch.Tensor]:
    def mean(batch: Any, source: bool) -> torch.Tensor:
        loss, items = losses(batch, source=source)
        return loss / items

    return mean


def _ours(gradients: Any, batches: list[Any], theta: list[Any], phi: list[Any]) -> Any:
    """A step as the loop makes it: gradients, cut, AdamW."""
    from xlmerge.runtime.training.step import Moment, Updates

    groups = [{"params": theta}, *([{"params": phi}] if phi else [])]
    optimizer = torch.optim.AdamW(groups, lr=RATE, weight_decay=0.0, fused=True)

    def step(number: int) -> None:
        update = Updates([*theta, *phi], optimizer)
        moment = Moment(step=number, learning_rate=RATE, optimizer=optimizer, update=update)
        gradients(batches[number % BATCHES], moment)
        torch.nn.utils.clip_grad_norm_(theta, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


# --- what is measured -----------------------------------------------------------------------------


def _timed(step: Callable[[int], None], number: int, cuda: bool) -> dict[str, float]:
    """Seconds on the clock, and those that the process got."""
    if cuda:
        torch.cuda.synchronize()
    clock, own = time.perf_counter(), time.process_time()
    step(number)
    if cuda:
        torch.cuda.synchronize()
    return {"wall": time.perf_counter() - clock, "cpu": time.process_time() - own}


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
