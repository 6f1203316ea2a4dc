"""The model, the texts and the adapters of the shared data, as the plain libraries see them."""

from __future__ import annotations

import csv
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import adapters
import peft
import torch
import transformers
from safetensors.torch import load_file

import xlmerge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LONGEST = 96  # tokens; the model saw no more
NUSAX_LABELS = ("negative", "neutral", "positive")


@dataclass(frozen=True)
class World:
    """The shared data, and a folder for recipes."""

    data: Path
    folder: Path

    def adapter(self, name: str) -> Path:
        """The folder of one of its adapters."""
        return self.data / "adapters" / name

    def run(self, recipe: str, **adapters_: str | Path) -> dict[str, Path]:
        """Carry out a recipe; step to the folder of its result.

        Args:
            recipe: The ``steps`` in YAML.
            adapters_: Name to adapter, by its folder in the shared data or anywhere.
        """
        lines = ["version: 1", "base_model: xlm-mini-nusantara", "adapters:"]
        lines += [f"  {name}: {self._place(at)}" for name, at in adapters_.items()]
        path = self.folder / "recipe.yaml"
        path.write_text("\n".join([*lines, "steps:", recipe]), encoding="utf-8")
        result = xlmerge.run(path, force=True)
        return {step.name: step.folder for step in result.steps}

    def _place(self, adapter: str | Path) -> Path:
        return self.adapter(adapter) if isinstance(adapter, str) else adapter

    @property
    def base(self) -> str:
        """The folder of the model."""
        return str(self.data / "models" / "xlm-mini-nusantara")

    def encoder(self) -> Any:
        """The base model with adapter support."""
        model = _quietly(lambda: transformers.XLMRobertaModel.from_pretrained(self.base))
        adapters.init(model)
        return model.eval()

    def classifier(self, adapter: Path, labels: int) -> Any:
        """The base model with a PEFT adapter and its head."""
        kind = transformers.XLMRobertaForSequenceClassification
        model = _quietly(lambda: kind.from_pretrained(self.base, num_labels=labels))
        return peft.PeftModel.from_pretrained(model, str(adapter)).eval()

    def tokens(self, texts: Sequence[str]) -> Any:
        """Texts as a batch."""
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.base)
        return tokenizer(
            list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        )

    def rows(self, table: str) -> list[dict[str, str]]:
        """Rows of a table."""
        with (self.data / table).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def text(self, language: str, count: int = 12) -> Any:
        """A few sentences of a language as a batch."""
        return self.tokens(
            [row["text"] for row in self.rows(f"nusax_senti/{language}/test.csv")[:count]]
        )

    def batches(self, rows: list[dict[str, str]]) -> Iterator[tuple[Any, list[str]]]:
        """Batches of rows of similar length, with their labels."""
        rows = sorted(rows, key=lambda row: len(row["text"]))
        for start in range(0, len(rows), 50):
            part = rows[start : start + 50]
            yield self.tokens([row["text"] for row in part]), [row["label"] for row in part]


def _quietly(make: Any) -> Any:
    """Without the notice that a head is new: the adapter brings it."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make()
    finally:
        transformers.logging.set_verbosity(level)


def load(model: Any, folder: Path, name: str) -> str:
    """Load with the plain loader, and see that nothing was missing or left over."""
    info: dict[str, Any] = {}
    model.load_adapter(str(folder), load_as=name, loading_info=info)
    assert not info["missing_keys"], info
    assert not info["unexpected_keys"], info
    return name


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The stored tensors by their keys without the adapter's name, as float64."""
    file = folder / "pytorch_adapter.bin"
    if not file.exists():
        return {k: v.double() for k, v in load_file(folder / "adapter_model.safetensors").items()}
    stored = torch.load(file, weights_only=True)
    [name] = {_name(key) for key in stored}
    return {key.replace(f".{name}.", "."): tensor.double() for key, tensor in stored.items()}


def _name(key: str) -> str:
    parts = key.split(".")
    [at] = [
        at for at, part in enumerate(parts) if part in {"adapters", "invertible_adapters", "loras"}
    ]
    return parts[at + 1]
