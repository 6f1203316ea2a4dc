"""PEFT as compositions see it: which model runs an adapter, and which head is used."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from xlmerge.errors import CompositionError, ModelError
from xlmerge.runtime.head_choice import check_class_count, check_head, no_head
from xlmerge.runtime.members import Child, Library, Member
from xlmerge.runtime.peft_files import PeftFile
from xlmerge.runtime.peft_live import PeftLive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xlmerge.runtime.head_choice import HeadWish
    from xlmerge.runtime.live import LiveModel

__all__ = ["PeftSide"]

# Types of heads of the adapters library that a class of transformers has the like of.
_OF_TRANSFORMERS = frozenset(
    {"classification", "tagging", "question_answering", "multiple_choice", "masked_lm"}
)


class PeftSide:
    """PEFT, as compositions see it.

    Args:
        live: The live model whose weights it shares.
        runner: The model.
    """

    library: Library = "peft"

    def __init__(self, live: LiveModel, runner: PeftLive) -> None:
        self.live = live
        self.runner = runner
        self._leaves: dict[str, Member] = {}

    @classmethod
    def of(
        cls,
        live: LiveModel,
        folders: Sequence[Path],
        *,
        head: str | None,
        auto_class: str | None,
    ) -> PeftSide:
        """The model for adapters of these folders; made once for each kind and shape of head.

        Raises:
            CheckpointError: A folder cannot be read.
            CompositionError: The adapters are of different kinds, which PEFT runs in no one model.
            ModelError: The heads in the files are for different numbers of classes.
        """
        files = [PeftFile.read(folder.name, folder) for folder in folders]
        kinds = sorted({str(file.settings.get("peft_type")) for file in files})
        if len(kinds) > 1:
            raise CompositionError(
                f"PEFT does not run {' and '.join(kinds)} in one model: "
                f"{', '.join(folder.name for folder in folders)}",
                hint="put each kind in a model of its own: `ensemble` takes both",
            )
        counts = {file.classes for file in files if file.head_modules}
        apart = head is not None and head in live.model.heads
        if len(counts) > 1 and not apart:
            raise ModelError(
                f"the adapters' heads are for {' and '.join(map(str, sorted(counts)))} classes",
                hint="compose adapters of one task, or name one head with `head:`",
            )
        own = bool(counts) and not apart
        if own and auto_class is None:
            raise ModelError(
                "the adapters bring a head of transformers, and the task names no class of "
                "transformers that has one",
                hint="give a head of its own with `head:`",
            )
        shape = (auto_class, counts.pop()) if own else (None, None)
        runners = _RUNNERS.setdefault(live, {})
        key = (*kinds, *shape)
        if key not in runners:
            runners[key] = PeftLive(live, *shape)
        return cls(live, runners[key])

    def child(self, label: str, folder: Path, leave_out: Sequence[int]) -> Child:
        """The adapter of a folder, loaded, as a part of a composition.

        Raises:
            CompositionError: Layers are to be left out, or PEFT cannot combine its kind.
            CheckpointError: The folder cannot be read.
            ModelError: It does not fit the model.
        """
        if leave_out:
            raise CompositionError(
                f"{label}: layers of PEFT's adapters cannot be left out",
                hint="train it with `layers_to_transform`",
            )
        member = self.runner.member(label, folder)
        self._leaves[label] = member
        return Child(label=label, block=(member.name,), members=(member,))

    @contextmanager
    def activated(self, child: Child, wish: HeadWish) -> Iterator[None]:
        """Run with a part active and a head.

        Raises:
            CompositionError: Several adapters bring heads, and none is named.
            ModelError: There is no head.
        """
        own, apart = self._heads(child, wish)
        if wish.scored and own is None and apart is None:
            raise no_head(child)
        if apart is not None:
            check_head(child.label, self.live.model.heads[apart].config, wish)
        elif own is not None:
            self._check_own(child, wish)
        with self.runner.activated(child.block, own=own, apart=apart):
            yield

    def trim(self, below: Path) -> None:
        """Take out adapters of folders that go, and the longest unused where there are many."""
        self.runner.trim(below)

    def _check_own(self, child: Child, wish: HeadWish) -> None:
        """A head of transformers has a form of its own, whatever a task's options say."""
        if wish.kind not in {None, *_OF_TRANSFORMERS}:
            raise ModelError(
                f"{child.label}: brings a head of transformers, and the task's options ask for one "
                f"of the type {wish.kind}",
                hint="leave out the options of the task that are about its head",
            )
        if self.runner.classes and self.runner.classes > 1:  # one row: choices, scored one by one
            check_class_count(child.label, self.runner.classes, wish.labels)

    def _heads(self, child: Child, wish: HeadWish) -> tuple[str | None, str | None]:
        """Name of the adapter whose head is used, or of a head of the live model."""
        if not self.runner.has_own_head:
            return None, wish.name
        heads = [member for member in child.members if member.head is not None]
        if wish.name is not None:
            # An interpolation has no head, but those it was made of may.
            heads = [member for member in self._leaves.values() if member.head is not None]
            named = [m.name for m in heads if wish.name in {m.label, m.name}]
            if not named:
                known = ", ".join(member.label for member in heads) or "none"
                raise ModelError(f"there is no head {wish.name!r}; these bring one: {known}")
            return named[0], None
        if len(heads) > 1:
            raise CompositionError(
                f"{child.label}: {', '.join(m.label for m in heads)} each bring a head in their "
                "file, and only one can be used",
                hint="name the adapter whose head is meant with `head:`",
            )
        return (heads[0].name if heads else None), None


_RUNNERS: WeakKeyDictionary[LiveModel, dict[Any, PeftLive]] = WeakKeyDictionary()
