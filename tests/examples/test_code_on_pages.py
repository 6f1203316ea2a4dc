"""Code that stands on the pages without being a file of a package does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from builders import tiny_training as tiny  # noqa: E402
from builders.launched import logs  # noqa: E402

PAGES = Path(__file__).parents[2] / "docs"

if not PAGES.is_dir():
    pytest.skip("the pages are not beside the tests", allow_module_level=True)


def code(page: str, holds: str) -> str:
    """The one block of Python on a page that holds some text."""
    text = (PAGES / page).read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    [block] = [block for block in blocks if holds in block]
    return str(block)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_base(tmp_path_factory.mktemp("base"), dropout=0.0)


def test_a_step_of_its_own(base: Path, tmp_path: Path) -> None:
    work = tiny.make_training(base, tmp_path, "metaxl")
    names: dict[str, Any] = {}
    exec(code("how-to/write-a-trainer.md", "step = Step("), names)
    options = {"steps": 30, "batch_size": 8, "learning_rate": 1e-2, "log_every": 1}
    names["train"](work, options)
    [log] = logs(tmp_path)
    assert all(line["against"] <= 0 for line in log)
    assert any(line["against"] < 0 for line in log), "no gradient was against the target's"
    assert log[-1]["target_loss"] < 0.7 * log[0]["target_loss"]
    assert {p.name for p in (tmp_path / "out").glob("*.bin")} == {
        "pytorch_adapter.bin",
        "pytorch_model_head.bin",
    }


def test_a_fine_tuned_model_elsewhere(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers
    from adapters import AutoAdapterModel

    full = tiny.named_config("full")
    work = tiny.make_training(base, tmp_path / "work", "task", adapter=full)
    tiny.run(work, "task", steps=3, batch_size=8, learning_rate=1e-2)
    work.live.load_adapter("trained", work.output)
    work.live.load_head("trained", work.output)
    inputs = work.live.tokenizer(["ba de fi", "go"], padding=True, return_tensors="pt")
    with torch.no_grad():
        plain = work.live.encode(**inputs)
        with work.live.activated("trained", head="trained"):
            states = work.live.encode(**inputs)
            logits = work.live.forward(**inputs).logits
    assert (states - plain).abs().max() > 0.01

    text = code("how-to/transfer-with-few-labels.md", 'model.save_pretrained("fine-tuned")')
    there = {"FacebookAI/xlm-roberta-base": str(base), "recipe/paper/0": str(work.output)}
    for name, place in there.items():
        assert name in text
        text = text.replace(name, place)
    monkeypatch.chdir(tmp_path)
    exec(text, {})

    model = AutoAdapterModel.from_pretrained("fine-tuned").eval()
    [head] = {*model.heads} - {"default"}
    model.active_head = head
    encoder = transformers.AutoModel.from_pretrained("fine-tuned").eval()
    with torch.no_grad():
        torch.testing.assert_close(model(**inputs).logits, logits, rtol=1e-5, atol=1e-5)
        found = encoder(**inputs).last_hidden_state
    torch.testing.assert_close(found, states, rtol=1e-5, atol=1e-5)


def test_a_hypergradient_by_hand() -> None:
    text = code("explanation/metaxl.md", "one_step_hypergradient(")
    assert "assert abs(slope" in text
    names: dict[str, Any] = {}
    before = torch.get_default_dtype()
    try:
        exec(text, names)
    finally:
        torch.set_default_dtype(before)
    assert sum(float(h.norm()) for h in names["found"].values()) > 1e-2
    # The same by half of it fails: the numbers are no zeros.
    wrong = text.replace("0.1 * found[name]", "0.05 * found[name]")
    assert wrong != text
    try:
        with pytest.raises(AssertionError):
            exec(wrong, {})
    finally:
        torch.set_default_dtype(before)
