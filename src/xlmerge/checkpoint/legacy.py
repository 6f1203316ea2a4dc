"""What `adapters` does to old configurations when it loads them, done to the data.

A file read here has to mean what it means to the library, or a merge of two would be of something
else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

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
_VERSION = re.compile(r"adapters\.(?P<release>\d+(?:\.\d+)*)(?P<suffix>.*)")
_PRE_RELEASE = re.compile(r"[.-]?(?:dev|a|b|c|rc|alpha|beta|pre)")
_RIGHT_SCALE_SINCE = (1, 1, 0)


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
            hint="load the adapter with `adapters` and save it again; that writes it out in full",
        )
    config = {_KEYS.get(key, key): value for key, value in config.items()}
    nested = config.pop("invertible_adapter", None)
    if nested:
        if not isinstance(nested, dict) or "block_type" not in nested:
            raise UnsupportedAdapterError(
                f"{where}: `invertible_adapter`: expected a mapping with `block_type`, "
                f"found {nested!r}"
            )
        config["inv_adapter"] = nested["block_type"]
        config["inv_adapter_reduction_factor"] = nested.get("reduction_factor")
    activation = config.get("non_linearity")
    if "version" not in document and isinstance(activation, str):
        config["non_linearity"] = _ACTIVATIONS.get(activation, activation)
    if document.get("type") == "text_task" and not any(
        key.startswith("invertible_adapters.") for key in keys
    ):
        # Task adapters of that time declared an invertible adapter and had none.
        config["inv_adapter"] = config["inv_adapter_reduction_factor"] = None
    if config.get("architecture") == "lora" and "r" in config and _scaled_by_one(document):
        config["alpha"] = config["r"]
    return config


def _scaled_by_one(document: Mapping[str, Any]) -> bool:
    """Whether LoRA of this version was trained with a scale of 1, whatever alpha it records.

    So it was in releases of `adapters` before 1.1.0 (their pull request 770); files of
    adapter-transformers, whose versions have no prefix, are left alone.
    """
    version = document.get("version")
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        return False
    numbers = [int(part) for part in match["release"].split(".")]
    release = tuple([*numbers, 0, 0, 0][: max(3, len(numbers))])
    if release[:3] == _RIGHT_SCALE_SINCE and not any(release[3:]):
        return bool(_PRE_RELEASE.match(match["suffix"]))
    return release < _RIGHT_SCALE_SINCE
