"""What lies in a PEFT folder, fitted to the model that it is loaded into."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peft import PeftConfig, load_peft_weights, set_peft_model_state_dict

from xlmerge.errors import CheckpointError, CompositionError, ModelError
from xlmerge.runtime.guards.folders import adapter_settings
from xlmerge.runtime.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import torch

__all__ = ["PeftFile"]

_PREFIX = "base_model.model."
# Modules of transformers' heads.
_HEAD = re.compile(r"^(classifier|score|qa_outputs|lm_head|cls|predictions)\.")


@dataclass(frozen=True)
class PeftFile:
    """A PEFT folder that was read.

    Attributes:
        label: The adapter's name in the recipe.
        folder: The folder.
        settings: Content of ``adapter_config.json``.
        tensors: Its tensors; keys below the model, so that a head's begin with its module.
    """

    label: str
    folder: Path
    settings: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]

    @classmethod
    def read(cls, label: str, folder: Path) -> PeftFile:
        """Read a folder.

        Raises:
            CheckpointError: It cannot be read.
            CompositionError: It holds a prefix or soft prompts, which run by other means.
        """
        settings = adapter_settings(label, folder)
        kind = str(settings.get("peft_type", ""))
        if kind in {"PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING"}:
            raise CompositionError(
                f"{label}: PEFT runs {kind.lower().replace('_', ' ')} at other positions than it "
                "was trained with once anything is composed, so xlmerge does not run it",
                hint="LoRA and (IA)³ of PEFT can be run",
            )
        try:
            with quiet():
                tensors = load_peft_weights(str(folder), device="cpu")
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{label}: the weights in {folder} cannot be read: {error}"
            ) from error
        return cls(
            label,
            folder,
            settings,
            {key.removeprefix(_PREFIX): tensor for key, tensor in tensors.items()},
        )

    @property
    def head_modules(self) -> tuple[str, ...]:
        """Names of the modules of a head that the file brings."""
        found = (match[1] for key in self.tensors if (match := _HEAD.match(key)))
        return tuple(dict.fromkeys(found))

    @property
    def classes(self) -> int:
        """Number of classes of that head: rows of its last matrix; 0 without a head."""
        matrices = sorted(
            key
            for key, tensor in self.tensors.items()
            if _HEAD.match(key) and tensor.ndim == 2 and "lora_" not in key
        )
        return int(self.tensors[matrices[-1]].shape[0]) if matrices else 0

    def config_for(self, heads: Sequence[str]) -> Any:
        """PEFT's configuration, to load it with these modules of a head and no others.

        PEFT adds modules to save by the type of the task; the file itself knows better.
        """
        with quiet():
            config = PeftConfig.from_pretrained(str(self.folder))
        config.task_type = None
        config.inference_mode = True
        if hasattr(config, "modules_to_save"):
            config.modules_to_save = list(heads) or None
        return config

    def weights_for(self, model: Any, *, heads: Sequence[str]) -> dict[str, torch.Tensor]:
        """The tensors by the keys that a model of transformers has for them.

        Args:
            model: The model; its encoder may lie below a prefix or be all of it.
            heads: Modules of a head that are loaded, too.
        """
        prefix = f"{model.base_model_prefix}."
        below = prefix if model.base_model is not model else ""
        weights = {}
        for key, tensor in self.tensors.items():
            if match := _HEAD.match(key):
                if match[1] in heads:
                    weights[_PREFIX + key] = tensor
            else:
                weights[_PREFIX + below + _without_prefix(key, prefix)] = tensor
        return weights

    def put(self, model: Any, name: str, weights: Mapping[str, torch.Tensor]) -> None:
        """Put the weights into a PEFT model that has the adapter, and read the report.

        Raises:
            ModelError: Weights are missing, which would be random, or have no place.
        """
        report = set_peft_model_state_dict(model, dict(weights), adapter_name=name)
        missing = [key for key in report.missing_keys if name in key.split(".")]
        unexpected = list(report.unexpected_keys)
        if missing or unexpected:
            raise ModelError(
                f"{self.label}: {self.folder} does not fit the base model: {len(missing)} of its "
                f"weights are missing and {len(unexpected)} have no place ("
                f"{', '.join([*missing, *unexpected][:3])}, ...)",
                hint="`xlmerge inspect` tells which base model it was trained on",
            )


def _without_prefix(key: str, prefix: str) -> str:
    """A key below the encoder, whichever class the adapter was trained in."""
    for known in (prefix, "roberta.", "bert.", "model.", "transformer.", "deberta."):
        if known != "." and key.startswith(known):
            return key.removeprefix(known)
    return key
