"""A tokenizer of letters and a few words, a random model of its size, and the shortest training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORDS = ("good", "bad", "plain", "who", "lives", "here", "in", "the", "town", "old", "budi", "rome")


def make_tokenizer() -> Any:
    """A fast tokenizer like XLM-R's: words that it knows are one token, others their letters."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = "abcdefghijklmnopqrstuvwxyz.?"
    pieces = [(token, 0.0) for token in special]
    pieces += [("▁" + word, -2.0) for word in WORDS]
    pieces += [("▁", -5.0), *((letter, -5.0) for letter in letters), ("<mask>", 0.0)]
    backend = Tokenizer(models.Unigram(pieces, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def make_model(vocabulary: int) -> Any:
    import adapters
    import torch
    import transformers

    config = transformers.XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=200,
        pad_token_id=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.3,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return adapters.XLMRobertaAdapterModel(config)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture
def live(tokenizer: Any) -> Any:
    from xlmerge.plugin import load_registry
    from xlmerge.runtime import LiveModel

    return LiveModel(
        make_model(len(tokenizer)), tokenizer, reference="tiny", registry=load_registry([])
    )


@pytest.fixture
def add_head(live: Any) -> Callable[..., None]:
    """Give the model the head of a task and make it the active one."""

    def add(logic: Any, labels: Sequence[str], name: str = "head") -> None:
        logic.prepare(live.model)
        live.add_head(name, logic.head_config(labels))
        live.set_head(name)

    return add


@pytest.fixture
def fit(live: Any, tokenizer: Any) -> Callable[..., float]:
    """Train everything on all inputs at once; gives the last mean loss."""

    import torch

    def train(logic: Any, features: Sequence[Any], steps: int = 60, rate: float = 0.01) -> float:
        live.model.requires_grad_(requires_grad=True)
        optimizer = torch.optim.Adam(live.model.parameters(), lr=rate)
        loss = torch.tensor(float("nan"))
        for step in range(steps):
            positioned = [
                {**feature, "position": step * len(features) + at}
                for at, feature in enumerate(features)
            ]
            batch = logic.collate(positioned, tokenizer)
            total, count = logic.loss(logic.outputs(live, batch), batch)
            loss = total / count
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        live.model.eval()
        return float(loss.detach())

    return train


@pytest.fixture
def scored(live: Any, tokenizer: Any) -> Callable[..., Any]:
    """Score rows by the runtime, in batches of different lengths."""

    import torch

    def run(logic: Any, rows: Any, labels: Sequence[str], batch_size: int = 3) -> Any:
        from xlmerge.runtime import score

        return score(
            lambda batch: logic.outputs(live, batch),
            logic,
            rows,
            labels,
            tokenizer,
            device=torch.device("cpu"),
            batch_size=batch_size,
        )

    return run


@pytest.fixture
def loaded_elsewhere(live: Any, tokenizer: Any, tmp_path: Any) -> Callable[[Any], Any]:
    """The same base model in the plain library, with the head loaded from a folder."""

    def load(logic: Any) -> Any:
        folder = tmp_path / "head"
        live.model.save_head(str(folder), live.model.active_head)
        other = make_model(len(tokenizer))
        own = {k: v for k, v in live.model.state_dict().items() if not k.startswith("heads.")}
        other.load_state_dict(own)
        logic.prepare(other)
        other.load_head(str(folder))
        return other.eval()

    return load
