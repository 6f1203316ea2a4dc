"""What `adapters` does to old configurations when it loads them, done to the data.

A file read here has to mean what it means to the library, or a merge of two would be of something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from xlmerge.errors import UnsupportedAdapterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["current_config"]

# Activation names of files without a version.
_ACTIVATIONS = {"gelu": "gelu_new", "gelu_orig": "gelu"}
# Spellings of the first releases.
_KEYS = {
    "MH_Adapter": "mh_adapter",
    "Output_Adapter": "output_adapter",
    "LN_before": "ln_before",
    "LN_after": "ln_after",
}


def current_config(document: Mapping[str, Any], keys: Iterable[str], where: str) -> dict[str, Any]:
    """The method's configuration in today's spelling and meaning.

    Args:
        document: The whole of ``adapter_config.json``.
        keys: Canonical keys of the file.
        where: The folder, for messages.

    Raises:
        UnsupportedAdapterError: There is no configuration of a known form.
    """
    config = document.get("config")
    if not isinstance(config, dict):
        raise UnsupportedAdapterError(
            f"{where}: `config` in adapter_config.json: expected a mapping, found {config!r}",
            hint="load the adapter with `adapters` and save it again; that writes the configuration out",
        )
    config = {_KEYS.get(key, key): value for key, value in config.items()}
    nested = config.pop("invertible_adapter", None)
    if nested:
        config["inv_adapter"] = nested.get("block_type")
        config["inv_adapter_reduction_factor"] = nested.get("reduction_factor")
    version = document.get("version")
    activation = config.get("non_linearity")
    if version is None and isinstance(activation, str):
        config["non_linearity"] = _ACTIVATIONS.get(activation, activation)
    if document.get("type") == "text_task" and not any(key.startswith("invertible_adapters.") for key in keys):
        # Task adapters of that time declared an invertible adapter and had none.
        config["inv_adapter"] = config["inv_adapter_reduction_factor"] = None
    if _scaled_wrongly(version) and config.get("architecture") == "lora" and "r" in config:
        # Releases before 1.1.0 trained with a scale of 1 whatever alpha said (adapters PR 770).
        config["alpha"] = config["r"]
    return config


def _scaled_wrongly(version: object) -> bool:
    """Whether LoRA files of this version were trained with a scale other than the one they record."""
    prefix = "adapters."
    if not isinstance(version, str) or not version.startswith(prefix):
        return False
    try:
        return Version(version.removeprefix(prefix)) < Version("1.1.0")
    except InvalidVersion:
        return False
