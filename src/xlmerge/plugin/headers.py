"""What is known of an adapter folder before a single number is read.

This is what the file half of an architecture works on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FolderHeader", "TensorHeader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorHeader:
    """Name, dtype and shape of a stored tensor.

    Attributes:
        name: Key in the file, as stored.
        dtype: ``float64``, ``float32``, ``float16``, ``bfloat16``, or an integer or bool type by
            NumPy's name.
        shape: Lengths of the axes; ``()`` for a scalar.
        same_as: The first key (in file order) that holds the very same bytes, where a file stores a
            tensor once under several names; None for that first key itself.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    same_as: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderHeader:
    """An adapter folder as data, without payloads.

    Keys are *canonical*: the model's own prefix (``roberta.``, ``base_model.model.``, ...) is taken
    off, and the adapter's name is replaced by ``{name}``, so that the same tensor has the same key
    in every adapter.

    Attributes:
        path: The folder, for messages.
        format: The library whose folder it is.
        name: The adapter's name (``adapters``); empty for PEFT, whose keys carry none.
        config: The method's configuration: the inner ``config`` of an ``adapters`` folder with
            legacy spellings brought up to date, or the whole of a PEFT ``adapter_config.json``.
        tensors: Canonical key to header, for the adapter's own file.
        head_tensors: The same for the prediction head that lies beside it (``adapters`` only).
        head_config: Content of ``head_config.json``, or None.
        base_model: Name of the base model as recorded; None where the folder does not say.
        base_revision: Revision of the base model as recorded, if any.
        model_type: ``xlm-roberta``, ``bert``, ``llama``, ...; None where the folder does not say.
        hidden_size: Width of the base model; None where the folder does not say.
        version: Version of the library that wrote it, if recorded.
        extra: Further facts of the folder that are carried along (``model_class``, PEFT's task
            type, ...).
    """

    path: str
    format: Literal["adapters", "peft"]
    name: str
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorHeader]
    head_tensors: Mapping[str, TensorHeader] = field(default_factory=dict)
    head_config: Mapping[str, Any] | None = None
    base_model: str | None = None
    base_revision: str | None = None
    model_type: str | None = None
    hidden_size: int | None = None
    version: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
