"""The recipes of the page on few labels pass the check, on files such as the page asks for."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from xlmerge.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "transfer-with-few-labels.md"

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the pages are not beside the tests")

CONFIG = {
    "architectures": ["XLMRobertaForMaskedLM"],
    "model_type": "xlm-roberta",
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 514,
    "pad_token_id": 1,
    "vocab_size": 250002,
}


def recipes() -> list[str]:
    if not PAGE.is_file():
        return []
    found = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [text for text in found if text.startswith("version:")]


def files(folder: Path) -> None:
    """Reviews and texts of all languages of the page, and the header of a base model."""
    for language in ("id", "en", "mad", "bbc", "te"):
        rows = [["text", "label"], ["a fine day", "positive"], ["a foul day", "negative"]]
        place = folder / "reviews" / language
        place.mkdir(parents=True)
        for split in ("train", "validation", "test"):
            with (place / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(rows)
        (folder / "text").mkdir(exist_ok=True)
        (folder / "text" / f"{language}.txt").write_text("a fine day\n", encoding="utf-8")
    (folder / "base").mkdir()
    (folder / "base" / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")


@pytest.mark.parametrize("at", [0, 1], ids=["comparison", "paper"])
def test_the_page_s_recipes_pass_the_check(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files(tmp_path)
    text = recipes()[at]
    assert "FacebookAI/xlm-roberta-base" in text
    there = text.replace("FacebookAI/xlm-roberta-base", "./base")
    (tmp_path / "recipe.yaml").write_text(there, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["check", "recipe.yaml"])
    out, err = capsys.readouterr()
    assert end.value.code == 0, err
    assert "no problems" in out


def test_no_recipe_of_the_page_is_left_out() -> None:
    assert len(recipes()) == 2
