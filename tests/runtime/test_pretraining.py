"""A base model made from nothing is a plain checkpoint that has learnt something."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from xlmerge.errors import DataError, TrainingError

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from xlmerge.runtime.pretraining import Pretraining, _loss, _rate, pretrain  # noqa: E402

pytestmark = pytest.mark.libraries

TINY = Pretraining(steps=60, batch_size=8, vocabulary=120, hidden=16, heads=2, layers=1, longest=16)


def texts(count: int = 120) -> list[str]:
    """Lines of one colour or of one animal, never of both."""
    draw = random.Random(0)
    kinds = (["red", "green", "blue", "white"], ["dog", "cat", "horse", "goat"])
    return [", ".join(draw.choices(draw.choice(kinds), k=3)) for _ in range(count)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    folder = tmp_path_factory.mktemp("base")
    return folder, pretrain(texts(), folder, TINY)


def test_it_learns(made: tuple[Path, float]) -> None:
    assert made[1] < 3.0  # nats; a guess among all tokens costs more


def test_transformers_loads_it(made: tuple[Path, float]) -> None:
    model = transformers.AutoModelForMaskedLM.from_pretrained(made[0])
    tokenizer = transformers.AutoTokenizer.from_pretrained(made[0])
    assert type(model).__name__ == "XLMRobertaForMaskedLM"
    assert tokenizer.is_fast
    assert len(tokenizer) == model.config.vocab_size
    batch = tokenizer(["Red, GREEN", "dog"], padding=True, return_tensors="pt")
    assert set(batch) == {"input_ids", "attention_mask"}
    assert batch["input_ids"][0, 0] == tokenizer.cls_token_id == model.config.bos_token_id
    assert batch["input_ids"][1, -1] == tokenizer.pad_token_id == model.config.pad_token_id
    assert model(**batch).logits.isfinite().all()
    assert tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True) == "red, green"


def test_the_longest_input_fits(made: tuple[Path, float]) -> None:
    model = transformers.AutoModelForMaskedLM.from_pretrained(made[0])
    tokenizer = transformers.AutoTokenizer.from_pretrained(made[0])
    batch = tokenizer("dog " * 50, truncation=True, return_tensors="pt")
    assert batch["input_ids"].shape == (1, TINY.longest)
    assert model(**batch).logits.isfinite().all()


def test_numbers_keep_to_themselves(made: tuple[Path, float]) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(made[0])
    offsets = tokenizer("red2dog", return_offsets_mapping=True)["offset_mapping"]
    assert {3, 4} <= {end for _, end in offsets}


def test_the_same_seed_makes_the_same_model(tmp_path: Path) -> None:
    options = Pretraining(steps=3, vocabulary=120, hidden=16, heads=2, layers=1)
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        pretrain(texts(), tmp_path / name, _with_seed(options, seed))
    files = {n: (tmp_path / n / "model.safetensors").read_bytes() for n in ("one", "two", "other")}
    assert files["one"] == files["two"] != files["other"]


def _with_seed(options: Pretraining, seed: int) -> Pretraining:
    from dataclasses import replace

    return replace(options, seed=seed)


def test_the_state_of_torch_is_left_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    pretrain(texts(), tmp_path, Pretraining(steps=1, vocabulary=120, hidden=16, heads=2))
    assert torch.equal(before, torch.get_rng_state())


def test_the_loss_is_that_of_the_whole_model(made: tuple[Path, float]) -> None:
    """Computed at masked positions only, it is what transformers computes from labels."""
    model = transformers.AutoModelForMaskedLM.from_pretrained(made[0])
    tokenizer = transformers.AutoTokenizer.from_pretrained(made[0])
    lines = tokenizer(texts(8))["input_ids"]
    seen = {}
    model.roberta.register_forward_pre_hook(
        lambda module, args, kwargs: seen.update(ids=args[0], **kwargs), with_kwargs=True
    )
    torch.manual_seed(3)
    loss = _loss(model, lines, TINY)
    width = max(map(len, lines))
    gold = torch.tensor([line + [1] * (width - len(line)) for line in lines])
    torch.manual_seed(3)
    guessed = (torch.rand(gold.shape) < TINY.mask_probability) & (gold >= 5)
    guessed[0, 1] = True
    labels = torch.where(guessed, gold, -100)
    theirs = model(seen["ids"], attention_mask=seen["attention_mask"], labels=labels).loss
    assert (seen["ids"] != gold).any()
    assert not ((seen["ids"] != gold) & ~guessed).any()
    assert loss.item() == pytest.approx(theirs.item(), abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 10, 100])
def test_the_rate_rises_and_falls(steps: int) -> None:
    rates = [_rate(step, steps) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_progress_is_told(tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    options = Pretraining(steps=60, batch_size=2, vocabulary=90, hidden=8, heads=1, layers=1)
    pretrain(texts(20), tmp_path, options, progress=lambda done, of, loss: heard.append((done, of)))
    assert heard == [(50, 60), (60, 60)]


@pytest.mark.parametrize("nothing", [[], ["", "  "]])
def test_no_texts(tmp_path: Path, nothing: list[str]) -> None:
    with pytest.raises(DataError, match="no texts"):
        pretrain(nothing, tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_a_loss_that_is_not_finite(tmp_path: Path) -> None:
    options = Pretraining(
        steps=20, learning_rate=1e30, vocabulary=120, hidden=16, heads=2, layers=1
    )
    with pytest.raises(TrainingError, match="not finite"):
        pretrain(texts(), tmp_path / "base", options)
    assert not (tmp_path / "base").exists()
