"""Compositions: a tree of rules and adapters, made into something that runs.

Rules that work *inside* a model get a :class:`Composing` and parts, and say what the library is to
activate. Rules that work *around* it get functions from a batch to outputs and give one.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.errors import CompositionError
from xlmerge.plugin.trees import Leaf, leaves, tree_text
from xlmerge.runtime.guards.folders import adapter_settings
from xlmerge.runtime.head_choice import HeadWish
from xlmerge.runtime.interpolating import Interpolations
from xlmerge.runtime.members import Block, Child, Library, Member
from xlmerge.runtime.rules import arguments_of, rule_of
from xlmerge.runtime.sides import AdaptersSide, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from xlmerge.plugin.registry import Registry
    from xlmerge.plugin.trees import Tree
    from xlmerge.runtime.live import LiveModel
    from xlmerge.runtime.protocol import Batch, TaskLogic

__all__ = ["Block", "Child", "Composing", "Forward", "Member", "compose"]

Forward: TypeAlias = "Callable[[Batch], Any]"
"""A batch to a task's outputs, or to what the model gives where there is no task."""


class Composing:
    """What rules inside a model may ask of it.

    Attributes:
        live: The model.
        library: The library that runs it.
        last_layer: Index of the last transformer layer, counted from 0.
    """

    def __init__(self, side: Side, interpolations: Interpolations, held: ExitStack) -> None:
        self._side = side
        self._interpolations = interpolations
        self._held = held
        self.live = side.live
        self.library: Library = side.library
        self.last_layer: int = side.live.layers - 1

    def hold(self, context: AbstractContextManager[Any]) -> Any:
        """Enter a context for as long as the composition runs; what it gives on entering."""
        return self._held.enter_context(context)

    def variant(self, child: Child, *, leave_out: Sequence[int]) -> Child:
        """The same part with no adapter in some layers; invertible adapters stay.

        Args:
            child: A part that is one adapter.
            leave_out: Indices of layers, counted from 0, on top of those it leaves out already.

        Raises:
            CompositionError: The part is a composition, an index is no layer's, or the library
                cannot leave layers out.
        """
        member = child.single
        if member is None or member.folder is None:
            raise CompositionError(f"layers are left out of single adapters, not of {child.label}")
        wrong = [layer for layer in leave_out if not 0 <= layer <= self.last_layer]
        if wrong:
            raise CompositionError(
                f"{child.label}: the model's layers are 0 to {self.last_layer}; found {wrong[0]}"
            )
        layers = sorted({*member.leave_out, *leave_out})
        return self._side.child(member.label, member.folder, layers)

    def interpolate(self, children: Sequence[Child], weights: Sequence[float]) -> Child:
        """One adapter whose weights are sums of those of others, ``sum_i w_i theta_i``.

        What the merge method ``linear`` writes, loaded. The weights need not sum to 1.

        Args:
            children: Parts that are one adapter each, with the same layers left out.
            weights: One for each.

        Raises:
            CompositionError: A part is a composition, or other layers are left out of it.
            RecipeError: The adapters do not fit together.
        """
        members = [child.single for child in children]
        label = " + ".join(f"{w:g} {c.label}" for w, c in zip(weights, children, strict=True))
        singles = [m for m in members if m is not None and m.folder is not None]
        if len(singles) < len(members):
            raise CompositionError(f"only single adapters can be interpolated; found {label}")
        if len({member.leave_out for member in singles}) > 1:
            raise CompositionError(f"{label}: the adapters leave out different layers")
        folder = self._interpolations.folder(singles, weights)
        return self._side.child(label, folder, singles[0].leave_out)


class _Composition:
    """One tree on its way to a function; lives as long as the function is used."""

    def __init__(
        self,
        folders: Mapping[str, Path],
        registry: Registry,
        side: Callable[[Library, Sequence[Path]], Side],
        interpolations: Interpolations,
        wish: HeadWish,
        task: TaskLogic | None,
    ) -> None:
        self._folders = folders
        self._registry = registry
        self._side = side
        self._interpolations = interpolations
        self._wish = wish
        self._task = task
        self._sides: dict[tuple[str, ...], Side] = {}

    def close(self) -> None:
        """Take out of the models what was made for this composition alone."""
        for side in self._sides.values():
            side.trim(self._interpolations.scratch)

    @contextmanager
    def function(self, tree: Tree) -> Iterator[Forward]:
        """The whole tree; a rule around the model stands at its root or nowhere."""
        rule = None if isinstance(tree, Leaf) else rule_of(tree, self._registry)
        if isinstance(tree, Leaf) or rule is None or rule.kind != "around":
            with self.running(tree) as forward:
                yield forward
            return
        for child in tree.children:  # what cannot run is told before the first batch
            with self.running(child):
                pass
        children = [self._switched(child) for child in tree.children]
        yield rule.function(**arguments_of(rule, tree, children))

    @contextmanager
    def in_turn(self, tree: Tree) -> Iterator[Forward]:
        """A tree without rules around the model, active only while a batch runs."""
        with self.running(tree):  # what cannot run is told before the first batch
            pass
        yield self._switched(tree)

    def _switched(self, tree: Tree) -> Forward:
        """A child of a rule around the model, activated anew for each batch."""

        def forward(batch: Batch) -> Any:
            with self.running(tree) as run:
                return run(batch)

        return forward

    @contextmanager
    def running(self, tree: Tree) -> Iterator[Forward]:
        """A tree without rules around the model, active."""
        with ExitStack() as held:
            side = self._side_of(tree)
            composing = Composing(side, self._interpolations, held)
            child = self._part(composing, side, tree)
            held.enter_context(side.activated(child, self._wish))
            task = self._task
            if task is None:
                yield lambda batch: side.runner.forward(**batch)
            else:
                yield lambda batch: task.outputs(side.runner, batch)

    def _part(self, composing: Composing, side: Side, tree: Tree) -> Child:
        """A subtree, from its leaves up."""
        if isinstance(tree, Leaf):
            return side.child(tree.name, self._folders[tree.name], ())
        rule = rule_of(tree, self._registry)
        if rule.kind == "around":
            raise CompositionError(
                f"{tree_text(tree)}: `{rule.name}` works on outputs of whole models, so it can "
                "only be the root of a composition"
            )
        children = [self._part(composing, side, child) for child in tree.children]
        made = rule.function(composing, **arguments_of(rule, tree, children))
        if isinstance(made, Child):
            return made
        members = tuple(member for child in children for member in child.members)
        return Child(label=tree_text(tree), block=made, members=members)

    def _side_of(self, tree: Tree) -> Side:
        """The library that runs a tree, by the folders of its leaves."""
        names = leaves(tree)
        if not names:
            raise CompositionError(f"{tree_text(tree)}: there is no adapter in it")
        if names in self._sides:
            return self._sides[names]
        libraries: dict[Library, list[str]] = {}
        for name in names:
            if name not in self._folders:
                raise CompositionError(f"{tree_text(tree)}: there is no adapter {name!r}")
            settings = adapter_settings(name, self._folders[name])
            library: Library = "peft" if "peft_type" in settings else "adapters"
            libraries.setdefault(library, []).append(name)
        if len(libraries) > 1:
            raise CompositionError(
                f"{tree_text(tree)}: {', '.join(libraries['peft'])} is of PEFT and "
                f"{', '.join(libraries['adapters'])} of the adapters library; the two do not run "
                "in one model",
                hint="put each in a model of its own: `ensemble` takes both",
            )
        [library] = libraries
        # A head of PEFT lies in an adapter's file, which has to be loaded for it.
        head = self._wish.name if library == "peft" else None
        apart = (head,) if head is not None and head in self._folders else ()
        needed = dict.fromkeys((*names, *apart))
        side = self._side(library, [self._folders[name] for name in needed])
        for name in apart:
            side.child(name, self._folders[name], ())
        self._sides[names] = side
        return side


@contextmanager
def compose(  # noqa: PLR0913 - what a composition depends on
    live: LiveModel,
    tree: Tree,
    folders: Mapping[str, Path],
    registry: Registry,
    *,
    task: TaskLogic | None = None,
    head: str | None = None,
    labels: Sequence[str] = (),
    auto_class: str | None = None,
    in_turn: bool = False,
) -> Iterator[Forward]:
    """Run a model with adapters composed as a tree says.

    The model is as it was afterwards, whatever happens; the adapters stay in it, inactive.

    Args:
        live: The model.
        tree: The composition.
        folders: Adapter by name to its folder.
        registry: Composition rules and merge methods.
        task: Gives the outputs; without one the function gives what the model does.
        head: Name of a head in the model; by default the last one that an adapter brings.
        labels: Names of the classes in order, where they are known: a head of others is refused.
        auto_class: Class of transformers that carries the head of PEFT adapters.
        in_turn: Whether it is activated anew for each batch, so that several compositions may be
            open at once and take turns.

    Yields:
        A function from a batch to outputs.

    Raises:
        CompositionError: The adapters cannot run together like this.
        ModelError: An adapter or a head does not fit the model, or there is no head.
        ParameterError: A rule's weights or options are not as it asks for.
    """
    if task is not None:
        task.prepare(live.model)

    kind = None if task is None else str(task.head_config(labels)["head_type"])
    wish = HeadWish(name=head, labels=labels, kind=kind)

    def side(library: Library, paths: Sequence[Path]) -> Side:
        if library == "adapters":
            return AdaptersSide(live)
        from xlmerge.runtime.peft_side import PeftSide

        return PeftSide.of(live, paths, head=head, auto_class=auto_class)

    with TemporaryDirectory(prefix="xlmerge-") as scratch:
        made = _Composition(folders, registry, side, Interpolations(scratch, registry), wish, task)
        try:
            with made.in_turn(tree) if in_turn else made.function(tree) as forward:
                yield forward
        finally:
            made.close()
