"""Texts in blocks of one length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import DataError, ModelError, ParameterError
from xlmerge.runtime.data import packed

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.libraries

WORDS = [*"abcdefghijklmnopqrstuvwxyz"]
FIRST = 5  # id of the first word, after the special tokens


@pytest.fixture
def tokenizer() -> Callable[..., Any]:
    """One token a letter; `[CLS] ... [SEP]` around a text unless it is plain."""
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {token: index for index, token in enumerate([*special, *WORDS])}

    def make(*, around: bool = True, **tokens: str) -> Any:
        made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        made.pre_tokenizer = pre_tokenizers.Whitespace()
        if around:
            made.post_processor = processors.TemplateProcessing(
                single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
            )
        named = {"unk_token": "[UNK]", "pad_token": "[PAD]", **tokens}
        return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=8, **named)

    return make


def texts(*lengths: int) -> list[str]:
    """Texts of so many tokens, the letters running on from one to the next."""
    letters = iter(WORDS * sum(lengths))
    return [" ".join(next(letters) for _ in range(length)) for length in lengths]


def test_blocks(tokenizer: Callable[..., Any]) -> None:
    blocks = packed(["a b c", "d e"], tokenizer(sep_token="[SEP]"), 6)
    assert blocks == [[2, 5, 6, 7, 3, 3], [2, 8, 9, 3]]  # a b c [SEP] | d e


@pytest.mark.parametrize("length", [4, 5, 7, 16, 1000])
@pytest.mark.parametrize("around", [True, False])
def test_no_document_is_lost(tokenizer: Callable[..., Any], length: int, *, around: bool) -> None:
    documents = texts(3, 1, 40, 2, 1, 9)
    blocks = packed(documents, tokenizer(around=around, eos_token="[SEP]"), length)
    edge = 1 if around else 0
    assert all(len(block) == length for block in blocks[:-1])
    assert len(blocks[-1]) <= length
    if around:
        assert all((block[0], block[-1]) == (2, 3) for block in blocks)
    inside = [token for block in blocks for token in block[edge : len(block) - edge]]
    expected: list[int] = []
    for document in documents:
        expected += [3] * bool(expected) + [FIRST + WORDS.index(w) for w in document.split()]
    assert inside == expected[: len(inside)]
    assert len(expected) - len(inside) <= 1  # a tail of one token


def test_a_tail_of_one_token_is_dropped(tokenizer: Callable[..., Any]) -> None:
    assert packed(["a b c d e"], tokenizer(sep_token="[SEP]"), 6) == [[2, 5, 6, 7, 8, 3]]
    assert len(packed(["a b c d e f"], tokenizer(sep_token="[SEP]"), 6)) == 2


def test_texts_without_tokens_leave_no_separators(tokenizer: Callable[..., Any]) -> None:
    blocks = packed(["", "a b", " ", "", "c"], tokenizer(sep_token="[SEP]"), 10)
    assert blocks == [[2, 5, 6, 3, 7, 3]]


def test_batches_of_texts_do_not_show(
    tokenizer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tokenizer(sep_token="[SEP]")
    documents = texts(*range(1, 12))
    whole = packed(documents, made, 7)
    monkeypatch.setattr("xlmerge.runtime.data.packing._BATCH", 2)
    assert packed(iter(documents), made, 7) == whole


def test_long_texts_are_no_reason_to_warn(
    tokenizer: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    packed(texts(500), tokenizer(sep_token="[SEP]"), 8)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("documents", "length", "error", "words"),
    [
        (["a b"], 3, ParameterError, r"(?s)3 leaves room for 1 .* 2 special.*at least 4"),
        ([], 8, DataError, "fewer than 2 tokens"),
        (["a", " "], 8, DataError, "fewer than 2 tokens"),
    ],
)
def test_nothing_to_pack(
    tokenizer: Callable[..., Any],
    documents: list[str],
    length: int,
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        packed(documents, tokenizer(sep_token="[SEP]"), length)


def test_a_tokenizer_that_cannot_separate(tokenizer: Callable[..., Any]) -> None:
    with pytest.raises(ModelError, match="no token that could separate"):
        packed(["a b"], tokenizer(around=False), 4)
