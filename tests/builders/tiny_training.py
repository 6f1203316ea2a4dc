"""Trainings of a few steps on a model of a few thousand parameters, also as processes of their own.

python tiny_training.py '{"base": ..., "folder": ..., "kind": "language", ...}'
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlmerge.runtime import Training

WORDS = [
    a + b for a in ("ba", "ke", "li", "mo", "nu") for b in ("ri", "sa", "to", "wu", "ye", "za")
]
MAX_LENGTH = 16


def save_base(folder: Path, *, dropout: float = 0.1, **sizes: int) -> Path:
    """A random masked language model with a bias at its output embeddings, and its tokenizer.

    Args:
        folder: Where to.
        dropout: Its dropout.
        sizes: Fields of the configuration that differ from those of a tiny model.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    names = ["<s>", "<pad>", "</s>", "<unk>", *WORDS, "<mask>"]
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(names)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )
    tiny = {
        "vocab_size": len(names),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 40,
    }
    config = transformers.XLMRobertaConfig(
        **{**tiny, **sizes},
        pad_token_id=1,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(11)
        model = transformers.XLMRobertaForMaskedLM(config)
        torch.nn.init.normal_(model.lm_head.bias)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sentences(count: int, seed: int, longest: int = 12) -> list[str]:
    """Sentences of unlike length in which each word tells something of the next."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        at, words = draw.randrange(len(WORDS)), []
        for _ in range(draw.randint(3, longest)):
            words.append(WORDS[at])
            at = (at + draw.choice((1, 2))) % len(WORDS)
        found.append(" ".join(words))
    return found


def labelled(count: int, seed: int, longest: int = 12) -> Any:
    """Sentences, and whether their first word begins with an early letter."""
    from datasets import Dataset

    texts = sentences(count, seed, longest)
    labels = ["early" if text[0] in "bk" else "late" for text in texts]
    return Dataset.from_dict({"text": texts, "label": labels})


def plain(count: int, seed: int, longest: int = 12) -> Any:
    """Sentences alone."""
    from datasets import Dataset

    return Dataset.from_dict({"text": sentences(count, seed, longest)})


def registry() -> Any:
    """The bundled plugins."""
    from xlmerge.plugin import discover

    return discover()


def named_config(name: str, **fields: Any) -> dict[str, Any]:
    """A configuration of an adapter by name."""
    for registered in registry().architectures.values():
        live = registered.descriptor.live
        if live is not None and name in live.configs:
            return {**live.configs[name], **fields}
    raise KeyError(name)


def make_training(
    base: Path,
    folder: Path,
    kind: str = "language",
    *,
    adapter: dict[str, Any] | None = None,
    validation: bool = True,
    max_length: int = MAX_LENGTH,
    device: str = "cpu",
    **more: Any,
) -> Training:
    """A training as a step of a recipe would make it.

    Args:
        base: The base model.
        folder: Result in ``out``, checkpoints in ``scratch``.
        kind: ``language``, ``task`` or ``metaxl``.
        adapter: Configuration.
        validation: Whether there is validation data.
        max_length: Longest input in tokens.
        device: Where it runs.
        more: Further fields; ``attention`` and ``dtype`` are how the model is loaded.
    """
    from xlmerge.runtime import LiveModel, Training

    found = registry()
    attention = more.pop("attention", "eager" if kind == "metaxl" else None)
    dtype = more.pop("dtype", "float32")
    live = LiveModel.load(
        str(base), registry=found, device=device, dtype=dtype, attention=attention
    )
    make = plain if kind == "language" else labelled
    name = "masked_lm" if kind == "language" else "sequence_classification"
    task = found.task(name).descriptor
    options = {p.name: p.default for p in task.parameters} | {"max_length": max_length}
    logic = task.function(**options)
    logic.prepare(live.model)
    data: dict[str, Any] = {"train": make(60, 1)}
    if validation:
        data["validation"] = make(21, 2)
    if kind == "metaxl":
        data["source"] = [(make(40, 3), None), (make(24, 4), None)]
        more = {"columns": ("source",), "names": {"source": ("aa", "bb")}, **more}
    for part in ("out", "scratch"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    if adapter is None:
        adapter = (
            named_config("madx_language")
            if kind == "language"
            else named_config("seq_bn", reduction_factor=4)
        )
    fields: dict[str, Any] = {
        "live": live,
        "name": "fresh",
        "task": logic,
        "labels": logic.label_names(data["train"]),
        "data": data,
        "adapter": adapter,
        "output": folder / "out",
        "scratch": folder / "scratch",
        "metric": task.metric,
        "greater_is_better": task.greater_is_better,
    }
    return Training(**{**fields, **more})


def run(work: Training, kind: str = "language", **options: Any) -> dict[str, Any]:
    """Carry it out; the report."""
    name = kind if kind == "metaxl" else f"{kind}_adapter"
    trainer = registry().trainer(name).descriptor
    defaults = {p.name: p.default for p in trainer.parameters}
    values = {**defaults, **options}
    trainer.check(values, work.live.model.config.to_dict())
    trainer.function(work, **values)
    return work.report


def weights(folder: Path) -> dict[str, Any]:
    """The tensors of a result: of the adapter, of its head and of networks if there are any."""
    import torch

    found: dict[str, Any] = {}
    for file in sorted((folder / "out").rglob("*.bin")):
        found |= torch.load(file, weights_only=True)
    assert found
    return found


def main() -> None:
    """One training; with ``kill_at`` the process kills itself once that step is over."""
    import torch

    torch.set_num_threads(1)
    asked = json.loads(sys.argv[1])
    kill_at = asked.pop("kill_at", None)

    def progress(done: int, total: int, note: str) -> None:
        if done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    kind = asked.pop("kind", "language")
    more = {"dtype": asked.pop("dtype", "float32"), "progress": progress}
    work = make_training(Path(asked.pop("base")), Path(asked.pop("folder")), kind, **more)
    run(work, kind, **asked)


if __name__ == "__main__":
    main()
