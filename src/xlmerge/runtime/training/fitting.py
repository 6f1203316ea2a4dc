"""The one training loop, for every trainer."""

from __future__ import annotations

import hashlib
import warnings
from typing import TYPE_CHECKING, Any

import torch

from xlmerge.errors import ParameterError, TrainingError
from xlmerge.plugin.trees import tree_text
from xlmerge.runtime.distributed import barrier, rank, world_size
from xlmerge.runtime.quiet import quiet
from xlmerge.runtime.training.batches import Inputs, encoded, loader
from xlmerge.runtime.training.checkpoints import Checkpoints
from xlmerge.runtime.training.drawing import drawing_loader
from xlmerge.runtime.training.held_out import HeldOut
from xlmerge.runtime.training.log import Log
from xlmerge.runtime.training.loop import Loop
from xlmerge.runtime.training.objective import Objective
from xlmerge.runtime.training.progress import Progress
from xlmerge.runtime.training.surroundings import layers_computed_again, left_alone
from xlmerge.runtime.training.trained import Trained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from torch import nn

    from xlmerge.runtime.protocol import Batch, Outputs
    from xlmerge.runtime.training.options import FitOptions
    from xlmerge.runtime.training.step import Step
    from xlmerge.runtime.training.work import Training

__all__ = ["fit"]

_PRECISE = frozenset({torch.float32, torch.float64})


def fit(
    work: Training,
    parameters: Mapping[str, nn.Parameter],
    options: FitOptions,
    *,
    runs: Sequence[Callable[[Batch], Outputs]] = (),
    loss: Callable[[Batch], tuple[torch.Tensor, Any]] | None = None,
    step: Step | None = None,
) -> dict[str, Any]:
    """Train parameters of a model, and nothing else, on the data for ``train``.

    What is to be active in the model (adapters, head) is active when this is called. Where there
    is data for ``validation``, the state that scores best on it is loaded at the end. A training
    that was killed goes on from its last checkpoint in ``work.scratch``, on a processor to the
    same bits. Launched by ``torchrun`` or ``accelerate launch`` it runs in several processes that
    share each step.

    Args:
        work: The training.
        parameters: What is trained, by names in the model.
        options: How long and how hard.
        runs: From a batch to the task's outputs: one function for all data, or one for each data
            set; what is active in the model if not given.
        loss: Sum of the losses of a batch, and of how many items; the task's if not given.
        step: Computes gradients itself, of data of several roles; then ``runs`` are what
            validation data is scored by, and ``loss`` is not used.

    Returns:
        The report, which ``work.report`` holds, too.

    Raises:
        DataError: The data cannot be used.
        ParameterError: The options do not go together.
        TrainingError: The loss is not finite; or what is trained did not change, or what is frozen
            did.
    """
    live, task = work.live, work.task
    _check_model(work, parameters)
    runs = tuple(runs) or ((lambda batch: task.outputs(live, batch)),)
    _check_runs(work, runs, options)
    _check_step(step, parameters)

    def own_loss(batch: Batch, source: int) -> tuple[torch.Tensor, Any]:
        return loss(batch) if loss else task.loss(runs[source](batch), batch)

    barrier()  # the processes join before the library would do it for the accelerator alone
    roles = list(dict.fromkeys(draw.role for draw in step.draws.values())) if step else ["train"]
    drawn, held_out = {role: encoded(work, role) for role in roles}, HeldOut(work)
    inputs = drawn[roles[0]]
    if options.evaluate_every is not None and not held_out and rank() == 0:
        warnings.warn(
            f"{work.name}: `evaluate_every` does nothing: there is no validation data to score",
            stacklevel=2,
        )
    objective = Objective(live.model, parameters.values(), own_loss, bf16=options.bf16)

    def scores() -> dict[str, float]:
        training = objective.training
        objective.eval()
        try:
            with objective.autocast():
                return held_out.scores(runs)
        finally:
            objective.train(training)

    with (
        Trained(live.model, parameters) as trained,
        left_alone(),
        quiet(),
        layers_computed_again(live.model, on=options.gradient_checkpointing),
    ):
        settings = _settings(work, options, drawn.values(), trained, step)
        checkpoints = Checkpoints(work.scratch, settings)
        log = Log(work.output if rank() == 0 else None, tensorboard=options.tensorboard)
        progress = Progress(
            work,
            options,
            inputs=len(inputs),
            log=log,
            scores=scores if held_out else None,
            talks=rank() == 0,
            logged=step.logged if step else (),
        )

        def batches() -> Any:
            if step is not None:
                return drawing_loader(drawn, step.draws, work, options, progress.total)
            return loader(inputs, work, options, progress.total)

        loop = Loop(
            objective,
            trained=trained,
            batches=batches,
            options=options,
            seed=work.seed,
            scratch=work.scratch,
            checkpoints=checkpoints,
            progress=progress,
            step=step,
        )
        try:
            steps = loop.run()
        finally:
            log.close()
            live.model.eval()
        trained.check_changes(steps, step.may_stay if step else ())
        if held_out:
            _load_best(checkpoints, progress, trained, work.name)
    if loop.resumed_from is not None:
        work.report["resumed_from"] = loop.resumed_from
    if options.tensorboard and rank() == 0 and not log.events:
        work.report["tensorboard"] = "not installed: no event files were written"
        warnings.warn(f"{work.name}: tensorboard is {work.report['tensorboard']}", stacklevel=2)
    sizes = {"train": options.batch_size}
    if step is not None:
        sizes = {draw.role: draw.batch_size for draw in step.draws.values()}
    lengths = [size * float(drawn[role].lengths.mean()) for role, size in sizes.items()]
    inputs_a_step = sum(sizes.values())
    work.report |= progress.report(
        steps=steps,
        numbers=trained.size,
        inputs=inputs_a_step,
        mean_length=sum(lengths) / inputs_a_step,
    )
    return work.report


def _check_model(work: Training, parameters: Mapping[str, nn.Parameter]) -> None:
    """A device that the loop takes, and a precision that small steps do not vanish in."""
    live = work.live
    if world_size() == 1 and live.device.type == "cuda" and live.device.index:
        raise TrainingError(
            f"{work.name}: training runs on the first GPU that it sees; the model is on "
            f"{live.device}",
            hint=f"leave `device` out and set CUDA_VISIBLE_DEVICES={live.device.index}",
        )
    wrong = {str(p.dtype) for p in parameters.values() if p.dtype not in _PRECISE}
    if wrong:
        raise TrainingError(
            f"{work.name}: parameters are trained in float32; found {', '.join(sorted(wrong))}, "
            "whose steps are too coarse to learn in",
            hint="leave `dtype` out; `bf16: true` computes the forward pass in bfloat16",
        )


def _check_runs(
    work: Training, runs: Sequence[Callable[[Batch], Outputs]], options: FitOptions
) -> None:
    """Compositions that take turns need data sets to match, and one forward pass for each batch."""
    if len(runs) == 1:
        return
    for role in ("train", "validation"):
        found = len(work.sources(role))
        if found not in {0, len(runs)}:
            raise ParameterError(
                f"{work.name}: {len(runs)} compositions, and {found} data sets for `{role}`",
                hint="give one composition for each data set, in their order",
            )
    if options.gradient_checkpointing:
        raise ParameterError(
            f"{work.name}: gradient_checkpointing computes layers again when another composition "
            "may be active",
            hint="leave it out, or train on one composition",
        )


def _check_step(step: Step | None, parameters: Mapping[str, nn.Parameter]) -> None:
    """Parameters with rates of their own are among those that are trained."""
    if step is not None:
        step.check_groups(parameters)


def _load_best(checkpoints: Checkpoints, progress: Progress, trained: Trained, name: str) -> None:
    folder: Path | None = checkpoints.best(progress.best_step)
    if folder is None:
        raise TrainingError(
            f"{name}: the best state, of step {progress.best_step}, cannot be read again",
            hint="run again",
        )
    trained.load(checkpoints.tensors(folder))


def _settings(
    work: Training,
    options: FitOptions,
    drawn: Iterable[Inputs],
    trained: Trained,
    step: Step | None,
) -> dict[str, Any]:
    """What two trainings agree in, if one may go on where the other ended."""
    content = hashlib.sha256()
    for inputs in drawn:
        content.update(inputs.lengths.tobytes())
        for source in inputs.sources:
            for at in range(0, len(source), max(1, len(inputs) // 1000)):
                content.update(repr(sorted(source[at].items())).encode())
    start = hashlib.sha256()
    for tensor in trained.tensors().values():
        start.update(tensor.cpu().numpy().tobytes())
    return {
        "options": options.settings(),
        "seed": work.seed,
        "inputs": content.hexdigest(),
        "start": start.hexdigest(),
        "shapes": trained.shapes(),
        "on": [tree_text(tree) for tree in (work.on, *work.on_each) if tree is not None],
        "labels": list(work.labels),
        "step": step.remembered() if step else {},
    }
