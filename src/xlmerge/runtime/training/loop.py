"""The loop: the trainer of transformers, with the steps of ours where its own would not do.

What differs, and why:

- The loss of a step is the sum of all losses divided by the number of all items, over processes
  and accumulated parts. The library's own mean needs a column of labels that not all tasks have.
- Batches follow from positions, not from a random state; see :mod:`xlmerge.runtime.data.schedule`.
- Checkpoints hold what is trained, and are complete or absent.
- Losses and norms stay on the device until a line of the log is due.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parallel import DistributedDataParallel
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)

from xlmerge.errors import TrainingError
from xlmerge.runtime.distributed import rank, share, world_size
from xlmerge.runtime.training.optimizer import adamw
from xlmerge.runtime.training.step import Moment, Updates

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from torch import nn
    from torch.utils.data import DataLoader

    from xlmerge.runtime.protocol import Batch
    from xlmerge.runtime.training.checkpoints import Checkpoints
    from xlmerge.runtime.training.objective import Objective
    from xlmerge.runtime.training.options import FitOptions
    from xlmerge.runtime.training.progress import Progress
    from xlmerge.runtime.training.step import Drawn, Step
    from xlmerge.runtime.training.trained import Trained

__all__ = ["Loop"]

_TRAINER_STATE = "trainer_state.json"


class Loop(Trainer):  # type: ignore[misc]
    """One training.

    Args:
        objective: The model with its loss.
        trained: What is trained.
        batches: Makes the batches of this process.
        options: How long and how hard.
        seed: Of dropout.
        scratch: Folder that the library may write into.
        checkpoints: Where states go.
        progress: Log, scores and the best state so far.
        step: Computes the gradients of a step; the objective's backward pass does if None.

    Attributes:
        resumed_from: The step of the checkpoint that it went on from, if it did.
    """

    def __init__(  # noqa: PLR0913 - the parts of a training
        self,
        objective: Objective,
        *,
        trained: Trained,
        batches: Callable[[], DataLoader[Batch]],
        options: FitOptions,
        seed: int,
        scratch: Path,
        checkpoints: Checkpoints,
        progress: Progress,
        step: Step | None = None,
    ) -> None:
        device = next(objective.parameters()).device
        arguments = TrainingArguments(
            output_dir=str(scratch),
            max_steps=progress.total,
            gradient_accumulation_steps=1 if step else options.gradient_accumulation,
            seed=seed,
            use_cpu=device.type == "cpu",
            max_grad_norm=0.0,  # ours follows the division by the number of items
            eval_strategy="no",
            save_strategy="no",
            logging_strategy="no",
            logging_nan_inf_filter=False,  # it waits for the device at every step
            disable_tqdm=True,
            report_to=[],
            ddp_find_unused_parameters=False,
            ddp_broadcast_buffers=False,
        )
        # Without a launcher one device is used; the library would split batches among all.
        arguments._n_gpu = min(1, arguments.n_gpu)  # noqa: SLF001 - it has no other way to say so
        # All processes loaded the base model from the same files: nothing of it need be sent.
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(  # noqa: SLF001
            objective, [f"model.{name}" for name in trained.frozen]
        )
        super().__init__(model=objective, args=arguments, callbacks=[_AfterStep(self, progress)])
        self.remove_callback(PrinterCallback)
        self._objective, self._trained, self._batches = objective, trained, batches
        self._options, self._seed = options, seed
        self._checkpoints, self._progress = checkpoints, progress
        self._zero = torch.zeros((), device=self.args.device)
        self._sum, self._items = self._zero, self._zero
        self._step = step
        self._losses: list[torch.Tensor] = []
        self._values: list[Mapping[str, torch.Tensor]] = []
        self._norm = self._zero
        self._checked = False
        self.resumed_from: int | None = None

    def get_train_dataloader(self) -> DataLoader[Batch]:
        """The batches of this process."""
        return self._batches()

    def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
        """AdamW on what is trained, with the schedule of the options."""
        groups = self._step.groups if self._step else ()
        self.optimizer = adamw(self._trained.parameters, self._options, groups)
        options = self._options
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: options.rate(step, num_training_steps)
        )

    def training_step(
        self, model: Any, inputs: Batch, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Forward and backward for one part of a step; the last part finishes the gradients."""
        del num_items_in_batch
        if self._step is not None:
            self._own_step(self._step, self._prepare_inputs(inputs))
            return self._zero
        loss, items = model(self._prepare_inputs(inputs))
        loss.backward()
        self._sum = self._sum + loss.detach()
        self._items = self._items + items
        if self.accelerator.sync_gradients:
            self._finish_gradients()
        return self._zero

    def _finish_gradients(self) -> None:
        """From sums of gradients to those of the mean loss, cut to the largest norm."""
        self._check_gradients()
        pair = torch.stack([self._sum.float(), self._items.float()])
        if world_size() > 1:
            torch.distributed.all_reduce(pair)
        total, items = pair[0], pair[1].clamp(min=1)
        parameters = list(self._trained.parameters.values())
        gradients = [p.grad for p in parameters if p.grad is not None]
        # The processes' gradients were averaged, not summed.
        torch._foreach_mul_(gradients, (world_size() / items).to(gradients[0].dtype))
        self._norm = self._clip(parameters)
        self._losses.append(total / items)
        self._sum, self._items = self._zero, self._zero

    def _own_step(self, step: Step, batches: Drawn) -> None:
        """The gradients of a whole step, as its trainer computes them."""
        updates = Updates(self._trained.parameters.values(), self.optimizer)
        moment = Moment(
            step=self.state.global_step,
            learning_rate=float(self.lr_scheduler.get_last_lr()[0]),
            optimizer=self.optimizer,
            update=updates,
        )
        self._objective.train()
        values = dict(step.gradients(batches, moment))
        step.check_values(values)
        self._check_gradients(updates.done)
        unclipped = frozenset[str]().union(*(g.names for g in step.groups if not g.clipped))
        self._norm = self._clip(
            [p for name, p in self._trained.parameters.items() if name not in unclipped]
        )
        self._losses.append(values.pop("loss"))
        self._values.append(values)

    def _check_gradients(self, updated: Collection[int] = ()) -> None:
        """Once, after the first backward pass."""
        if not self._checked:
            self._trained.check_gradients(updated)
            self._checked = True

    def _clip(self, parameters: Sequence[nn.Parameter]) -> torch.Tensor:
        """Cut gradients to the largest norm; the norm before."""
        most = self._options.max_grad_norm or float("inf")
        norm: torch.Tensor = torch.nn.utils.clip_grad_norm_(parameters, most)
        return norm

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted."""
        del inputs
        return 0

    # --- after each step ----------------------------------------------------------------------

    def after_step(self, step: int) -> None:
        """Log and evaluate where it is due.

        Raises:
            TrainingError: A loss or a score is not finite.
        """
        progress = self._progress
        scores, line = progress.due_scores(step), progress.due_line(step)
        if scores or line or progress.due_checkpoint(step):
            self._flush(step)
        if scores and progress.evaluate(step):
            self._checkpoints.save("best", step, self._trained.tensors(), progress.remembered())
        if scores or line:
            progress.write(step)

    def _flush(self, step: int) -> None:
        """Bring the losses since the last time from the device.

        Raises:
            TrainingError: One of them is not finite.
        """
        losses: list[float] = torch.stack(self._losses).tolist()
        self._losses = []
        bad = [at for at, loss in enumerate(losses) if not math.isfinite(loss)]
        if bad:
            raise TrainingError(
                f"the loss is {losses[bad[0]]} at step {step - len(losses) + 1 + bad[0]} of "
                f"{self._progress.total}",
                hint="lower learning_rate, or give some warmup",
            )
        rate = self.lr_scheduler.get_last_lr()[0]
        further = {
            name: torch.stack([values[name] for values in self._values]).tolist()
            for name in (self._step.logged if self._step else ())
        }
        self._values = []
        self._progress.heard(
            losses, learning_rate=rate, grad_norm=float(self._norm), further=further
        )

    # --- checkpoints --------------------------------------------------------------------------

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        del model, trial
        self._checkpoints.save(
            "checkpoint",
            self.state.global_step,
            self._trained.tensors(),
            self._progress.remembered(),
            more=self._save_state,
        )
        self._checkpoints.trim({self._progress.best_step})

    def _save_state(self, folder: Path) -> None:
        """Optimizer, schedule, random states, and where the loop is."""
        self._save_optimizer_and_scheduler(str(folder))
        self._save_rng_state(str(folder))
        if rank() == 0:
            self.state.save_to_json(str(folder / _TRAINER_STATE))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """The trained parameters were loaded before the loop was made."""

    def run(self) -> int:
        """Train, from the last checkpoint on if there is one; how many steps were made."""
        self._trained.remember()
        checkpoint = share(self._checkpoints.last())
        if checkpoint is None:
            self._checkpoints.clear()
            self._progress.start(None)
        else:
            self._progress.start(self._checkpoints.progress(checkpoint))
            self._trained.load(self._checkpoints.tensors(checkpoint))
            saved = TrainerState.load_from_json(str(checkpoint / _TRAINER_STATE))
            self.resumed_from = done = int(saved.global_step)
            if done >= self._progress.total or self._progress.out_of_patience:
                return done
        # Dropout must not draw alike in all processes.
        torch.manual_seed(self._seed * world_size() + rank())
        self.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        return int(self.state.global_step)


class _AfterStep(TrainerCallback):  # type: ignore[misc]
    """Hands over to ours after each step."""

    def __init__(self, loop: Loop, progress: Progress) -> None:
        self._loop, self._progress = loop, progress

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Log, evaluate, save, stop."""
        del args
        self._loop.after_step(state.global_step)
        control.should_save = self._progress.due_checkpoint(state.global_step)
        control.should_training_stop |= self._progress.out_of_patience
        return control
