"""Adapters of PEFT in a running model of transformers, beside a live model of the adapters library.

The two libraries do not share a model; they share its weights. A head that lies apart, or the
masked-LM head of the base model, is the live model's own.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, proxy

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import ModulesToSaveWrapper

from xlmerge.errors import CompositionError, ModelError
from xlmerge.runtime.head_choice import check_class_count, check_head, no_head
from xlmerge.runtime.loaded import name_in_model
from xlmerge.runtime.members import Child, Library, Member
from xlmerge.runtime.peft_files import PeftFile
from xlmerge.runtime.quiet import quiet
from xlmerge.runtime.twin import twin_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xlmerge.runtime.head_choice import HeadWish
    from xlmerge.runtime.live import LiveModel

__all__ = ["PeftLive", "PeftSide"]

_MOST = 32
# Types of heads of the adapters library that a class of transformers has the like of.
_OF_TRANSFORMERS = frozenset(
    {"classification", "tagging", "question_answering", "multiple_choice", "masked_lm"}
)


class PeftLive:
    """A model of transformers under PEFT; tasks call it like a live model.

    Attributes:
        tokenizer: The tokenizer of the live model.
        head: The live model's head that is used; None where the adapter's file brings one.
        has_own_head: Whether it is of a class with a head, which adapters fill.
        classes: How many classes that head has.

    Args:
        live: The live model whose weights it shares.
        auto_class: Class of transformers with the head; None for the encoder alone.
        classes: Number of classes of that head; None for as many as the base model has.
    """

    def __init__(self, live: LiveModel, auto_class: str | None, classes: int | None) -> None:
        self._live: LiveModel = proxy(live)
        self.has_own_head = auto_class is not None
        self.classes = classes
        self._base = twin_of(live.model, auto_class, classes)
        self._model: Any = None
        self._members: OrderedDict[Path, Member] = OrderedDict()
        self.tokenizer = live.tokenizer
        self.head: Any = None
        self._head_name: str | None = None

    # --- what tasks call --------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._live.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the base model."""
        return self._live.dtype

    @property
    def model(self) -> Any:
        """The model itself, under PEFT."""
        return self._base if self._model is None else self._model

    def forward(self, **inputs: Any) -> Any:
        """Output of the head with the active adapters; of the encoder where there is no head."""
        output = self.model(**inputs)
        if self._head_name is None:
            return output
        return self._live.model.forward_head(
            output,
            head_name=self._head_name,
            attention_mask=inputs.get("attention_mask"),
            return_dict=True,
        )

    def encode(self, **inputs: Any) -> torch.Tensor:
        """Last hidden states ``[batch, tokens, hidden]`` with the active adapters."""
        if not self.has_own_head:
            states: torch.Tensor = self.model(**inputs).last_hidden_state
            return states
        output = self.model(**inputs, output_hidden_states=True)
        last: torch.Tensor = output.hidden_states[-1]
        return last

    def inverse(self, states: torch.Tensor) -> torch.Tensor:
        """The states themselves: PEFT has no invertible adapters."""
        return states

    # --- adapters ---------------------------------------------------------------------------

    def member(self, label: str, folder: Path) -> Member:
        """The adapter of a folder, in the model, loaded once.

        Raises:
            CheckpointError: The folder cannot be read.
            CompositionError: It is of a kind that PEFT cannot combine with others.
            ModelError: It does not fit the model; the model is as it was.
        """
        key = folder.resolve()
        if key not in self._members:
            self._members[key] = self._load(label, folder)
        self._members.move_to_end(key)
        return self._members[key]

    def _load(self, label: str, folder: Path) -> Member:
        file = PeftFile.read(label, folder)
        name = name_in_model(label, folder)
        heads = file.head_modules if self.has_own_head else ()
        config = file.config_for(heads)
        weights = file.weights_for(self._base, heads=heads)
        first = self._model is None
        try:
            with quiet(), torch.random.fork_rng(devices=[]):
                if first:
                    self._model = PeftModel(
                        self._base, config, adapter_name=name, autocast_adapter_dtype=False
                    )
                else:
                    self._model.add_adapter(name, config)
                file.put(self._model, name, weights)
        except (ValueError, KeyError, RuntimeError, TypeError, NotImplementedError) as error:
            self._drop(name, first=first)
            if isinstance(error, ModelError):
                raise
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{label}: {folder} does not fit the base model: {reason[:400]}"
            ) from error
        self._model.to(device=self.device, dtype=self.dtype)
        self._model.requires_grad_(requires_grad=False)
        self._model.eval()
        return Member(
            name=name,
            label=label,
            config=file.settings,
            library="peft",
            head=name if heads else None,
            folder=folder,
        )

    def _drop(self, name: str, *, first: bool) -> None:
        """Take out what was half loaded."""
        if self._model is None:
            return
        if first:
            with quiet():
                self._base = self._model.unload()
            self._model = None
        elif name in self._model.peft_config:
            self._model.delete_adapter(name)

    def trim(self, below: Path) -> None:
        """Take out adapters whose folders go, and the longest unused where there are many."""
        for folder in list(self._members):
            gone = below.resolve() in folder.parents
            if gone or len(self._members) > _MOST:
                member = self._members.pop(folder)
                with quiet():
                    self._drop(member.name, first=not self._members)

    @contextmanager
    def activated(
        self, names: Sequence[str], *, own: str | None, apart: str | None
    ) -> Iterator[None]:
        """Run with adapters added up.

        Args:
            names: Adapters in the model.
            own: The one of them whose head is used.
            apart: Name of a head of the live model that is used instead.
        """
        for module in self._model.modules():
            if isinstance(module, BaseTunerLayer):
                module.set_adapter(list(names))
            elif isinstance(module, ModulesToSaveWrapper) and own is not None:
                module.set_adapter(own)
        self._model.requires_grad_(requires_grad=False)
        self._head_name = apart
        self.head = None if apart is None else self._live.model.heads[apart]
        try:
            with self._live.activated(None):
                yield
        finally:
            self._head_name, self.head = None, None


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

    @classmethod
    def of(
        cls,
        live: LiveModel,
        folders: Sequence[Path],
        *,
        head: str | None,
        auto_class: str | None,
    ) -> PeftSide:
        """The model for adapters of these folders; made once for each shape of head.

        Raises:
            CheckpointError: A folder cannot be read.
            ModelError: The heads in the files are for different numbers of classes.
        """
        files = [PeftFile.read(folder.name, folder) for folder in folders]
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
        key = (auto_class, counts.pop()) if own else (None, None)
        runners = _RUNNERS.setdefault(live, {})
        if key not in runners:
            runners[key] = PeftLive(live, *key)
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
            named = [m.name for m in heads if wish.name in {m.label, m.name}]
            if not named:
                known = ", ".join(member.label for member in heads)
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
