"""A small masked language model made from nothing, for where no network is.

It is a plain checkpoint of transformers: a small XLM-R with a tokenizer of its own, both trained on
a few thousand lines. Word embeddings start from co-occurrences (positive pointwise mutual
information, factorised; Levy and Goldberg 2014, "Neural Word Embedding as Implicit Matrix
Factorization"): from random ones a model this small stays for long at guessing frequent tokens.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from xlmerge.errors import DataError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["Pretraining", "pretrain"]

_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")  # in XLM-R's order, but for the mask
_BEGIN, _PAD, _END, _UNKNOWN, _MASK = range(5)
_MASKED, _RANDOM = 0.8, 0.9  # of the tokens to guess: masked, replaced by a random one, kept
_WARMUP = 0.06
_EMBEDDING_DEVIATION = 0.08
_LINES_TOGETHER = 16  # batches whose lines are sorted by length together


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """How large the model is and how it is trained.

    Attributes:
        steps: Optimizer steps.
        batch_size: Lines a step.
        learning_rate: Its peak, reached after 6 % of the steps; then it falls to zero.
        mask_probability: Share of the tokens that have to be guessed.
        vocabulary: Largest number of tokens.
        hidden: Width of the model.
        layers: Layers of the model.
        heads: Attention heads of a layer; they divide ``hidden``.
        longest: Most tokens of a line; the rest is cut off.
        seed: Decides initial weights, the order of the lines and the masks.
    """

    steps: int = 1500
    batch_size: int = 32
    learning_rate: float = 2e-3
    mask_probability: float = 0.25
    vocabulary: int = 4000
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    longest: int = 64
    seed: int = 0


def pretrain(
    texts: Sequence[str],
    folder: Path,
    options: Pretraining | None = None,
    *,
    progress: Callable[[int, int, float], None] | None = None,
) -> float:
    """Train tokenizer and model, and write both.

    Args:
        texts: Lines, each an input of its own.
        folder: Where the checkpoint goes; ``AutoModelForMaskedLM`` and ``AutoTokenizer`` load it.
        options: Size and training.
        progress: Told steps done, steps in all, and the mean loss of late, after every 50 steps.

    Returns:
        The mean loss of the last 50 steps: nats for a masked token.

    Raises:
        DataError: There are no texts.
        TrainingError: The loss is not finite.
    """
    options = options or Pretraining()
    if not any(text.strip() for text in texts):
        raise DataError("pre-training: there are no texts", hint="give some lines of text")
    tokenizer = _tokenizer(texts, options)
    lines = [
        list(ids) for ids in tokenizer(list(texts), truncation=True)["input_ids"] if len(ids) > 2
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = _model(len(tokenizer), options)
        _start_embeddings(model, lines)
        loss = _train(model, lines, options, progress)
    model.eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return loss


def _tokenizer(texts: Sequence[str], options: Pretraining) -> Any:
    """Byte-pair encoding of lower-case text, numbers and punctuation by themselves."""
    from tokenizers import (
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token=_SPECIAL[_UNKNOWN]))
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits()]
    )
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=options.vocabulary, special_tokens=list(_SPECIAL), show_progress=False
        ),
    )
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", _BEGIN), ("</s>", _END)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        bos_token="<s>",  # noqa: S106 - tokens of a text
        cls_token="<s>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        sep_token="</s>",  # noqa: S106
        pad_token="<pad>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        mask_token="<mask>",  # noqa: S106
        model_max_length=options.longest,
        model_input_names=["input_ids", "attention_mask"],
    )


def _model(vocabulary: int, options: Pretraining) -> Any:
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=options.hidden,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=4 * options.hidden,
        # XLM-R counts positions from the number of the padding token, plus one.
        max_position_embeddings=options.longest + _PAD + 1,
        type_vocab_size=1,
        pad_token_id=_PAD,
        bos_token_id=_BEGIN,
        eos_token_id=_END,
        # A model this small, in so few steps, fits too little rather than too much.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
    )
    return XLMRobertaForMaskedLM(config)


def _start_embeddings(model: Any, lines: Sequence[Sequence[int]]) -> None:
    """Word embeddings from what stands beside what, at most two tokens away."""
    weight = model.get_input_embeddings().weight
    size, width = weight.shape
    together = np.zeros((size, size), dtype=np.float32)
    for line in lines:
        ids = np.asarray(line)
        for distance in (1, 2):
            np.add.at(together, (ids[:-distance], ids[distance:]), 1 / distance)
    counts = torch.from_numpy(together + together.T)
    expected = counts.sum(0, keepdim=True) * counts.sum(1, keepdim=True) / counts.sum()
    positive = torch.log((counts / expected.clamp(min=1e-9)).clamp(min=1.0))
    rank = min(width, size)
    left, values, _ = torch.svd_lowrank(positive, q=rank, niter=3)
    vectors = left * values.sqrt()
    with torch.no_grad():
        weight[:, :rank] = _EMBEDDING_DEVIATION * vectors / vectors.std().clamp(min=1e-9)
        weight += 0.01 * torch.randn_like(weight)
        weight[_PAD] = 0


def _train(
    model: Any,
    lines: Sequence[list[int]],
    options: Pretraining,
    progress: Callable[[int, int, float], None] | None,
) -> float:
    model.train()
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=options.learning_rate, weight_decay=0.01, fused=True
    )
    batches = _batches(lines, options)
    late: list[float] = []
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * _rate(step, options.steps)
        loss = _loss(model, next(batches), options)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        late = [*late[-49:], loss.item()]
        if not np.isfinite(late[-1]):
            raise TrainingError(
                f"pre-training: the loss is not finite at step {step + 1} of {options.steps}",
                hint="lower the learning rate",
            )
        if progress is not None and ((step + 1) % 50 == 0 or step + 1 == options.steps):
            progress(step + 1, options.steps, sum(late) / len(late))
    return sum(late) / max(1, len(late))


def _rate(step: int, steps: int) -> float:
    """Share of the peak learning rate: up in a straight line, and down in another."""
    return min((step + 1) / (_WARMUP * steps + 1), (steps - step) / steps)


def _batches(lines: Sequence[list[int]], options: Pretraining) -> Iterator[list[list[int]]]:
    """Batches without end, of lines of like length."""
    order = random.Random(options.seed)  # noqa: S311 - no secret
    size, numbers = options.batch_size, list(range(len(lines)))
    while True:
        order.shuffle(numbers)
        for start in range(0, len(numbers), size * _LINES_TOGETHER):
            window = numbers[start : start + size * _LINES_TOGETHER]
            window.sort(key=lambda number: len(lines[number]))
            parts = [window[at : at + size] for at in range(0, len(window), size)]
            order.shuffle(parts)
            yield from ([lines[number] for number in part] for part in parts)


def _loss(model: Any, batch: Sequence[list[int]], options: Pretraining) -> torch.Tensor:
    """Mean loss of the tokens to guess; logits are computed for these only."""
    width = max(map(len, batch))
    ids = torch.tensor([line + [_PAD] * (width - len(line)) for line in batch])
    guessed = (torch.rand(ids.shape) < options.mask_probability) & (ids >= len(_SPECIAL))
    guessed[0, 1] = True  # never none
    gold = ids[guessed]
    kind, other = (
        torch.rand(gold.shape),
        torch.randint_like(gold, len(_SPECIAL), model.config.vocab_size),
    )
    inputs = ids.clone()
    inputs[guessed] = torch.where(kind < _MASKED, _MASK, torch.where(kind < _RANDOM, other, gold))
    hidden = model.roberta(inputs, attention_mask=(ids != _PAD).long()).last_hidden_state
    return functional.cross_entropy(model.lm_head(hidden[guessed]), gold)
