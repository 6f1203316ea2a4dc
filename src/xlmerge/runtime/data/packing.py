"""Texts for language modelling: documents one after the other, cut into blocks of one length."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from xlmerge.errors import DataError, ModelError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["blocks_of", "packed", "special_frame"]

_BATCH = 1000  # texts that are tokenised together
_FEWEST = 2  # tokens of a tail that are worth a block: one predicts nothing of another


def packed(texts: Iterable[str], tokenizer: Any, length: int) -> list[list[int]]:
    """The blocks of :func:`blocks_of`, all at once."""
    return list(blocks_of(texts, tokenizer, length))


def blocks_of(texts: Iterable[str], tokenizer: Any, length: int) -> Iterator[list[int]]:
    """Blocks of token ids that hold all of the texts, in their order.

    A separator stands between two texts, and each block begins and ends with the special tokens
    that the tokenizer puts around a text. A text that is longer than a block goes on in the next.

    Args:
        texts: Documents or lines. Those without a token are passed over.
        tokenizer: A tokenizer of transformers.
        length: Tokens of a block, special ones included. The last block may be shorter; fewer than
            2 tokens of text that are left over are dropped.

    Raises:
        DataError: There are fewer than 2 tokens in all.
        ModelError: The tokenizer has no token that could separate texts.
        ParameterError: Special tokens leave no room for 2 tokens of text.
    """
    before, after = special_frame(tokenizer)
    room = length - len(before) - len(after)
    if room < _FEWEST:
        raise ParameterError(
            f"length of a block: {length} leaves room for {room} tokens of text beside "
            f"{len(before) + len(after)} special ones",
            hint=f"take at least {len(before) + len(after) + _FEWEST}",
        )
    count = 0
    left: list[int] = []
    separator = _separator(tokenizer)
    first = True
    for ids in _tokenised(texts, tokenizer):
        if not ids:
            continue
        left += ids if first else [separator, *ids]
        first = False
        whole = len(left) - len(left) % room
        for at in range(0, whole, room):
            count += 1
            yield [*before, *left[at : at + room], *after]
        left = left[whole:]
    if len(left) >= _FEWEST:
        count += 1
        yield [*before, *left, *after]
    if not count:
        raise DataError("the texts hold fewer than 2 tokens", hint="is it the file that was meant?")


def _tokenised(texts: Iterable[str], tokenizer: Any) -> Iterator[list[int]]:
    source = iter(texts)
    while batch := list(islice(source, _BATCH)):
        # Not verbose: a text that is longer than the model bears is what blocks are for.
        encoded = tokenizer(
            batch, add_special_tokens=False, return_attention_mask=False, verbose=False
        )
        yield from encoded["input_ids"]


def special_frame(tokenizer: Any) -> tuple[Sequence[int], Sequence[int]]:
    """Special tokens that the tokenizer puts before and after a text.

    Taken from a text it has encoded: ``build_inputs_with_special_tokens`` is not what the fast
    tokenizers do.

    Raises:
        ModelError: It makes no token of a text.
    """
    encoded = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    text = [index for index, is_special in enumerate(special) if not is_special]
    if not text:  # a vocabulary without this letter: what stands for it counts as special
        unknown = tokenizer.unk_token_id
        text = [index for index, token in enumerate(ids) if token == unknown]
    if not text:
        raise ModelError("the tokenizer gives no token at all for the text 'a'")
    return ids[: text[0]], ids[text[-1] + 1 :]


def _separator(tokenizer: Any) -> int:
    names = ("sep_token_id", "eos_token_id", "bos_token_id")
    tokens = (getattr(tokenizer, name, None) for name in names)
    token: int | None = next((each for each in tokens if each is not None), None)
    if token is None:
        raise ModelError(
            "the tokenizer has no token that could separate texts (sep, eos or bos)",
            hint="set its `eos_token`",
        )
    return token
