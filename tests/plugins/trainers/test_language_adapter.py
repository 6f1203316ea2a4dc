"""Language adapters: through the inverse, from one initial point, without a vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import DataError, ModelError, TrainingError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import tiny_training as tiny  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SHORT: dict[str, Any] = {"steps": 6, "batch_size": 8, "learning_rate": 1e-2}


def _work(base: Path, folder: Path, **more: Any) -> Any:
    return tiny.make_training(base, folder, "language", **more)


def _initial(work: Any) -> dict[str, Any]:
    return dict(torch.load(work.scratch / "initial" / "pytorch_adapter.bin", weights_only=True))


def test_it_learns_the_language(base: Path, tmp_path: Path) -> None:
    report = tiny.run(_work(base, tmp_path), "language", **{**SHORT, "steps": 60})
    before, best = report["validation_before"], report["validation_best"]
    assert best["perplexity"] < 0.7 * before["perplexity"]
    assert best["masked_accuracy"] > before["masked_accuracy"]
    assert report["loss_end"] < report["loss_start"]
    assert "perplexity" in report["summary"]


def test_the_folder_holds_the_adapter_alone(base: Path, tmp_path: Path) -> None:
    work = _work(base, tmp_path)
    tiny.run(work, "language", **SHORT)
    assert sorted(path.name for path in work.output.iterdir()) == [
        *("adapter_config.json", "log.csv", "log.jsonl", "pytorch_adapter.bin"),
    ]
    tensors = tiny.weights(tmp_path)
    assert len(tensors) == 4 * work.live.layers + 8
    vocabulary = len(work.live.tokenizer)
    assert all(vocabulary not in tensor.shape for tensor in tensors.values())
    assert all(".fresh." in name for name in tensors)


def test_the_plain_library_loads_it_and_computes_the_same(base: Path, tmp_path: Path) -> None:
    from adapters import AutoAdapterModel

    from libraries import tiny as libraries
    from xlmerge.plugin.trees import Leaf
    from xlmerge.runtime.composing import compose

    work = _work(base, tmp_path)
    tiny.run(work, "language", **SHORT)
    live, inputs = work.live, work.live.tokenizer(tiny.sentences(2, 5)[:1], return_tensors="pt")
    with (
        torch.no_grad(),
        compose(live, Leaf("a"), {"a": work.output}, live.registry, head="default") as run,
    ):
        ours = run(dict(inputs)).logits
    plain = AutoAdapterModel.from_pretrained(str(base))
    plain.eval()
    with torch.no_grad():  # what the library loses
        plain.heads["default"].get_output_embeddings().bias.copy_(
            live.model.heads["default"].get_output_embeddings().bias
        )
    name = libraries.load(plain, work.output)
    assert name == "fresh"
    plain.set_active_adapters(name)
    plain.active_head = "default"
    with torch.no_grad():
        libraries.close(ours, plain(**inputs).logits)


def test_the_head_stays_as_the_checkpoint_has_it(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM

    work = _work(base, tmp_path)
    head = work.live.model.heads["default"]
    before = {name: p.clone() for name, p in head.state_dict().items()}
    tiny.run(work, "language", **SHORT)
    after = head.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    bias = AutoModelForMaskedLM.from_pretrained(str(base)).lm_head.bias
    assert bias.abs().max() > 0.1
    assert torch.equal(head.get_output_embeddings().bias, bias)


def test_the_head_is_trained_if_asked_and_lies_beside(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    work = _work(base, tmp_path)
    before = {name: p.clone() for name, p in work.live.model.heads["default"].state_dict().items()}
    tiny.run(work, "language", **SHORT, train_head=True)
    saved = load_file(work.output / "language_model_head.safetensors")
    assert sorted(saved) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    for name, tensor in saved.items():
        assert not torch.equal(tensor, before[name]), name
    decoder = work.live.model.heads["default"].get_output_embeddings()
    assert torch.equal(decoder.bias, before["3.bias"])
    assert not (work.output / "head_config.json").exists()


def test_a_model_that_skips_the_inverse_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the library's documented recipe does, with a static head."""
    work = _work(base, tmp_path)
    monkeypatch.setattr(type(work.live), "inverse", lambda self, states: states)
    with pytest.raises(TrainingError, match="do not depend on the inverse"):
        tiny.run(work, "language", **SHORT)
    assert work.live.adapters() == ()


def test_all_languages_start_from_one_point(base: Path, tmp_path: Path) -> None:
    one = _work(base, tmp_path / "one", name="madura")
    tiny.run(one, "language", **SHORT)
    other = _work(base, tmp_path / "other", name="batak")
    torch.rand(7)  # neither what was drawn before nor what is in the model matters
    other.live.add_adapter("there", other.adapter, seed=5)
    tiny.run(other, "language", **SHORT)
    first, second = _initial(one), _initial(other)
    assert len(first) == len(second) == 4 * one.live.layers + 8
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name.replace("madura", "batak")]), name
    layers = [t for name, t in first.items() if name.endswith("adapter_down.0.weight")]
    assert not torch.equal(layers[0], layers[1]), "layers must differ from each other"


def test_another_seed_or_name_starts_elsewhere_if_asked(base: Path, tmp_path: Path) -> None:
    found = []
    for number, (name, seed, shared) in enumerate(
        [("madura", 0, True), ("madura", 1, True), ("madura", 0, False), ("batak", 0, False)]
    ):
        work = _work(base, tmp_path / str(number), name=name, seed=seed, validation=False)
        tiny.run(work, "language", steps=1, batch_size=2, shared_init=shared, held_out=0)
        found.append(next(iter(_initial(work).values())))
    pairs = [(a, b) for a in range(4) for b in range(a)]
    assert not any(torch.equal(found[a], found[b]) for a, b in pairs)


@pytest.mark.parametrize(("held_out", "rows"), [(None, 2), (5, 5)])
def test_rows_are_held_out_from_the_end(
    held_out: int | None, rows: int, base: Path, tmp_path: Path
) -> None:
    data = {"train": tiny.plain(230, 1)}
    work = _work(base, tmp_path, data=data)
    tiny.run(work, "language", **SHORT, held_out=held_out)
    [(train, _)], [(validation, _)] = work.sources("train"), work.sources("validation")
    assert (len(train), len(validation)) == (230 - rows, rows)
    assert validation["text"] == data["train"]["text"][-rows:]


def test_without_held_out_rows_the_last_state_is_kept(base: Path, tmp_path: Path) -> None:
    work = _work(base, tmp_path, validation=False)
    report = tiny.run(work, "language", **SHORT, held_out=0)
    assert "validation_best" not in report
    assert (work.output / "pytorch_adapter.bin").is_file()


def test_holding_everything_out_is_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="60 of 60 rows are held out"):
        tiny.run(_work(base, tmp_path, validation=False), "language", **SHORT, held_out=60)


def test_a_base_without_its_head_is_refused(base: Path, tmp_path: Path) -> None:
    work = _work(base, tmp_path)
    work.live.delete_head("default")
    with pytest.raises(ModelError, match="no masked-LM head"):
        tiny.run(work, "language", **SHORT)


def test_texts_of_several_sources_are_mixed_by_weight(base: Path, tmp_path: Path) -> None:
    data = {"train": [(tiny.plain(40, 1), 3.0), (tiny.plain(40, 2), 1.0)]}
    report = tiny.run(_work(base, tmp_path, data=data), "language", **SHORT, held_out=2)
    assert report["steps"] == SHORT["steps"]
