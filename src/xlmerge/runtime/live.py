"""A base model that adapters are loaded into, composed and trained in.

A thin layer over the adapters library that keeps to its sound paths: one head at a time, loading
reports read, no activation by context, no averaging by the library.
"""

from __future__ import annotations

import copy
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from xlmerge.errors import ModelError, XLMergeError
from xlmerge.runtime.adapter_names import adapter_parameters, head_parameters
from xlmerge.runtime.base_model import find_base, load_adapter_model, load_tokenizer
from xlmerge.runtime.device import pick_device, pick_dtype
from xlmerge.runtime.guards import check_adapter, parts_of
from xlmerge.runtime.loading import apart_from_random_state, read_adapter, read_head
from xlmerge.runtime.own_kinds import install_kinds
from xlmerge.runtime.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xlmerge.plugin.registry import Registry

__all__ = ["LiveModel"]

LANGUAGE_MODEL_HEAD = "default"
"""Name of the masked-LM head that comes with a checkpoint."""


class LiveModel:
    """A base model on the adapters library.

    Attributes:
        model: The model, an ``AutoAdapterModel``.
        tokenizer: Its tokenizer.
        reference: The base model as its user names it.
    """

    def __init__(self, model: Any, tokenizer: Any, *, reference: str, registry: Registry) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.reference = reference
        self.registry = registry
        install_kinds(model, registry)
        model.requires_grad_(requires_grad=False)
        model.eval()

    @classmethod
    def load(
        cls,
        reference: str,
        *,
        start: Path | None = None,
        registry: Registry,
        device: str | None = None,
        dtype: str = "float32",
        attention: str | None = None,
    ) -> LiveModel:
        """Load a base model.

        Args:
            reference: A folder, or a hub id with an optional ``@revision``.
            start: What relative folders start from; the current folder if None.
            registry: Architectures, some of which have to be installed.
            device: Where it runs; see :func:`xlmerge.runtime.device.pick_device`.
            dtype: Its precision.
            attention: Attention implementation (``eager``, ``sdpa``).

        Raises:
            ModelError: It cannot be loaded or used.
        """
        place = find_base(reference, start or Path.cwd())
        where = pick_device(device)
        model = load_adapter_model(place, dtype=pick_dtype(dtype, where), attention=attention)
        model.to(where)
        return cls(model, load_tokenizer(place), reference=reference, registry=registry)

    # --- where it runs ----------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.model.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the base model."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def layers(self) -> int:
        """Number of transformer layers."""
        return len(list(self.model.iter_layers()))

    # --- adapters ---------------------------------------------------------------------------

    def adapters(self) -> tuple[str, ...]:
        """Names of the adapters in the model."""
        return tuple(self.model.adapters_config.adapters)

    def adapter_config(self, name: str) -> dict[str, Any]:
        """Configuration of an adapter in the model, all fields."""
        config = self.model.adapters_config.get(name)
        return dict(config.to_dict())

    def is_invertible(self, name: str) -> bool:
        """Whether an adapter has an invertible part at the embeddings."""
        return name in getattr(self.model.base_model, "invertible_adapters", {})

    def load_adapter(self, name: str, folder: Path, *, leave_out: Sequence[int] = ()) -> None:
        """Load an adapter under a name, all of it or nothing.

        Args:
            name: What it is called in the model.
            folder: Its folder.
            leave_out: Layers that get no part of it.

        Raises:
            CheckpointError: The folder cannot be read.
            ModelError: The adapter does not fit the model; the model is as it was.
        """
        with self._new_adapter(name):
            check_adapter(name, folder)
            read_adapter(self.model, name, folder, leave_out=leave_out, reference=self.reference)

    def add_adapter(self, name: str, config: Mapping[str, Any], *, seed: int) -> None:
        """Add an untrained adapter.

        Its initial values follow from the seed, the configuration and the model's shapes alone:
        the global random state is neither read nor changed, so that adapters of the same seed start
        from the same point whatever was done before.

        Args:
            name: What it is called.
            config: All fields of its configuration.
            seed: Of its initial values.

        Raises:
            ModelError: The library refuses the configuration, or makes no invertible part of it.
        """
        fields = {**config, "init_weights_seed": None} if "init_weights_seed" in config else config
        coupling = next((part for part in parts_of(config) if part.get("inv_adapter")), None)
        with self._new_adapter(name):
            try:
                with apart_from_random_state(self.device):
                    torch.manual_seed(seed)
                    self.model.add_adapter(name, config=dict(fields), set_active=False)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ModelError(f"the adapter {name!r} cannot be added: {error}") from error
            if coupling is not None and not self.is_invertible(name):
                raise ModelError(
                    f"the adapter {name!r} cannot be added: its configuration asks for an "
                    f"invertible part (`inv_adapter: {coupling['inv_adapter']}`), and the library "
                    f"puts none at the embeddings of {self.reference}",
                    hint="leave it out with `inv_adapter: null`",
                )

    def save_adapter(
        self, name: str, folder: Path, *, head: str | None = None, format_: str = "bin"
    ) -> None:
        """Write an adapter as the library does, and the head beside it if one is named.

        Args:
            name: The adapter.
            folder: Where to; made if it is not there.
            head: Name of the head that belongs to it.
            format_: ``bin``, which `load_adapter` finds by itself, or ``safetensors``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        safe = format_ == "safetensors"
        with quiet():
            self.model.save_adapter(str(folder), name, with_head=False, use_safetensors=safe)
            if head is not None:
                self.model.save_head(str(folder), head, use_safetensors=safe)

    def adapter_parameters(self, name: str) -> dict[str, torch.nn.Parameter]:
        """Parameters of an adapter by their names in the model."""
        return adapter_parameters(self.model, name)

    def delete_adapter(self, name: str) -> None:
        """Take an adapter out of the model, if it is there."""
        if name in self.adapters():
            with quiet():
                self.model.delete_adapter(name)

    # --- heads ------------------------------------------------------------------------------

    def add_head(self, name: str, config: Mapping[str, Any], *, seed: int = 0) -> None:
        """Add an untrained head, its initial values from the seed alone.

        Raises:
            ModelError: There is such a head, or the library refuses the configuration.
        """
        with self._new_head(name):
            try:
                with apart_from_random_state(self.device):
                    torch.manual_seed(seed)
                    self.model.add_prediction_head_from_config(
                        name, copy.deepcopy(dict(config)), set_active=False
                    )
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ModelError(f"the head {name!r} cannot be added: {error}") from error

    def load_head(self, name: str, folder: Path) -> None:
        """Load the head that lies in an adapter's folder.

        Raises:
            ModelError: It does not fit the model, or is of a kind that is not known to it.
        """
        with self._new_head(name):
            read_head(self.model, name, folder, reference=self.reference)

    def set_head(self, name: str | None) -> None:
        """Make a head the active one; None for none, so that forward gives hidden states."""
        self.model.active_head = name

    @property
    def head(self) -> Any:
        """The active head, a module; None without one."""
        name = self.model.active_head
        return None if name is None else self.model.heads[name]

    def head_parameters(self, name: str) -> dict[str, torch.nn.Parameter]:
        """Parameters of a head, without embeddings that it shares."""
        return head_parameters(self.model, name)

    def delete_head(self, name: str) -> None:
        """Take a head out of the model, if it is there."""
        if name in self.model.heads:
            with quiet():
                self.model.delete_head(name)

    # --- running ----------------------------------------------------------------------------

    @contextmanager
    def activated(self, block: Any, *, head: str | None = None) -> Iterator[None]:
        """Run with adapters composed as a block of the library, and a head.

        Args:
            block: A block, the name of an adapter, or None for the bare base model.
            head: The head, or None.
        """
        before = self.model.adapters_config.active_setup, self.model.active_head
        with quiet():
            self.model.set_active_adapters(block)
        self.model.active_head = head
        try:
            yield
        finally:
            # A setup may name what was deleted meanwhile; activating it again checks that.
            with quiet():
                self.model.set_active_adapters(before[0])
            self.model.active_head = before[1]

    def forward(self, **inputs: Any) -> Any:
        """Output of the active head with the active adapters."""
        return self.model(**inputs)

    def encode(self, **inputs: Any) -> torch.Tensor:
        """Last hidden states ``[batch, tokens, hidden]`` with the active adapters."""
        states: torch.Tensor = self.model.base_model(**inputs).last_hidden_state
        return states

    def inverse(self, states: torch.Tensor) -> torch.Tensor:
        """Hidden states before the output embeddings ``[batch, tokens, hidden]``.

        The inverse of the active invertible adapter; the states themselves without one.
        """
        inverted: torch.Tensor = self.model.base_model.invertible_adapters_forward(states, rev=True)
        return inverted

    # --- the rest ---------------------------------------------------------------------------

    @contextmanager
    def _new_adapter(self, name: str) -> Iterator[None]:
        """Bring an adapter that is made meanwhile to where the model is, or take it out again."""
        if name in self.adapters():
            raise ModelError(f"the model has an adapter {name!r} already")
        if any(sign in name for sign in ".,/ ") or not name:
            raise ModelError(f"{name!r} is no name for an adapter: the libraries split it")
        try:
            yield
        except XLMergeError:
            self.delete_adapter(name)
            raise
        self.model.adapter_to(name, device=self.device, dtype=self.dtype)
        for parameter in self.adapter_parameters(name).values():
            parameter.requires_grad_(requires_grad=False)  # the library leaves it trainable
        self.model.train(self.model.training)

    @contextmanager
    def _new_head(self, name: str) -> Iterator[None]:
        """Bring a head that is made meanwhile to where the model is, or take it out again."""
        if name in self.model.heads:
            raise ModelError(f"the model has a head {name!r} already")
        active = self.model.active_head
        try:
            yield
        except XLMergeError:
            self.delete_head(name)
            raise
        finally:
            self.model.active_head = active  # custom heads become active whatever one says
        self.model.heads[name].to(device=self.device, dtype=self.dtype)
        for parameter in self.head_parameters(name).values():
            parameter.requires_grad_(requires_grad=False)
        self.model.heads[name].train(self.model.training)
