"""A new adapter on the stage: made, put into a composition with frozen ones, and saved."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlmerge.plugin.trees import Leaf, Node, tree_text
from xlmerge.runtime.columns import columns_of
from xlmerge.runtime.composing import compose
from xlmerge.runtime.distributed import barrier, rank
from xlmerge.runtime.loaded import Loaded
from xlmerge.runtime.members import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from xlmerge.plugin.trees import Tree
    from xlmerge.runtime.protocol import Batch, Outputs
    from xlmerge.runtime.training.work import Training

__all__ = ["Stage", "staged"]

_NEW = "initial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A composition whose last adapter is new.

    Attributes:
        runs: From a batch to the task's outputs: one function, or one for each data set where
            they have compositions of their own.
        adapter: Parameters of the new adapter, by names in the model.
        head: Those of the head.
        tree: The composition in words.
    """

    runs: tuple[Callable[[Batch], Outputs], ...]
    adapter: dict[str, nn.Parameter]
    head: dict[str, nn.Parameter]
    tree: str

    @property
    def run(self) -> Callable[[Batch], Outputs]:
        """The function of the first data set."""
        return self.runs[0]


@contextmanager
def staged(work: Training, *, head: str | None = None, seed: int | None = None) -> Iterator[Stage]:
    """Make the adapter of a training, and activate it on top of what lies beneath.

    Its initial values follow from the seed and the shapes alone. It is called like the step,
    and gone from the model afterwards.

    Args:
        work: The training.
        head: A head that is in the model; a new one of the task's, called like the step, if None.
        seed: Of the initial values; the training's if None.

    Raises:
        CompositionError: The adapters cannot run together like this.
        ModelError: The adapter or the head cannot be made.
    """
    live, name = work.live, work.name
    live.add_adapter(name, work.adapter, seed=work.seed if seed is None else seed)
    try:
        if head is None:
            live.add_head(name, work.task.head_config(work.labels), seed=work.seed)
        # Compositions know adapters by their folders, and look into them.
        folder = work.scratch / _NEW
        if rank() == 0:
            live.save_adapter(name, folder)
        barrier()
        config, invertible = live.adapter_config(name), live.is_invertible(name)
        Loaded.of(live).adopt(
            Member(name=name, label=name, config=config, invertible=invertible, folder=folder)
        )
        trees = [_on_top(tree, name) for tree in work.on_each or (work.on,)]
        with ExitStack() as held:
            runs = [
                held.enter_context(
                    compose(
                        live,
                        tree,
                        {**work.folders, name: folder},
                        live.registry,
                        task=work.task,
                        head=head or name,
                        in_turn=len(trees) > 1,
                    )
                )
                for tree in trees
            ]
            yield Stage(
                runs=tuple(_knowing(run, work.columns) for run in runs),
                adapter=live.adapter_parameters(name),
                head=live.head_parameters(head or name),
                tree="; ".join(map(tree_text, trees)),
            )
    finally:
        Loaded.of(live).forget(work.scratch)
        live.delete_adapter(name)
        if head is None:
            live.delete_head(name)


def _knowing(run: Callable[[Batch], Outputs], columns: Sequence[str]) -> Callable[[Batch], Outputs]:
    """A function whose architectures may ask for columns of the batch."""
    if not columns:
        return run

    def knowing(batch: Batch) -> Outputs:
        with columns_of(batch, columns):
            return run(batch)

    return knowing


def _on_top(tree: Tree | None, name: str) -> Tree:
    """The new adapter on a composition, or alone."""
    return Leaf(name) if tree is None else Node(rule="stack", children=(tree, Leaf(name)))
