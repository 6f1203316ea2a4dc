"""Adapters of PEFT in a running model of transformers, beside a live model of the adapters library.

The two libraries do not share a model; they share its weights. A head that lies apart, or the
masked-LM head of the base model, is the live model's own.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import proxy

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import ModulesToSaveWrapper

from xlmerge.errors import ModelError
from xlmerge.runtime.loaded import name_in_model
from xlmerge.runtime.members import Member
from xlmerge.runtime.peft_files import PeftFile
from xlmerge.runtime.quiet import quiet
from xlmerge.runtime.twin import twin_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from xlmerge.runtime.live import LiveModel

__all__ = ["PeftLive"]

_MOST = 32


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
        return replace(self._members[key], label=label)

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
