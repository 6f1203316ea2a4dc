"""Compositions whose outputs no score can read: several channels, and shares of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from libraries import tiny  # noqa: E402
from libraries.defects import known_defect  # noqa: E402
from xlmerge.errors import CompositionError, ModelError  # noqa: E402
from xlmerge.plugin.trees import parse_tree  # noqa: E402
from xlmerge.runtime.composing import compose  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def outputs(live: Any, kept: dict[str, Path], registry: Any) -> Any:
    """What the model gives under a tree."""

    @torch.no_grad()
    def computing(tree: Any, **how: Any) -> Any:
        with compose(live, parse_tree(tree), kept, registry, **how) as forward:
            return forward(dict(tiny.INPUTS))

    return computing


def test_channels_are_what_each_gives_alone(outputs: Any) -> None:
    names = ["plain_a", "plain_b"]
    found = outputs({"parallel": names}).last_hidden_state
    expected = torch.cat([outputs(name).last_hidden_state for name in names])
    tiny.close(found, expected)


def test_channels_below_a_task(outputs: Any) -> None:
    """In a stack, each channel goes through what comes after; all with the one head."""
    found = outputs({"stack": [{"parallel": ["plain_a", "plain_b"]}, "task"]}).head_outputs
    for channel, name in zip(found, ("plain_a", "plain_b"), strict=True):
        tiny.close(channel.logits, outputs({"stack": [name, "task"]}).logits)


def test_each_channel_has_its_head(outputs: Any) -> None:
    found = outputs({"parallel": ["task", "task_b"]}).head_outputs
    for channel, name in zip(found, ("task", "task_b"), strict=True):
        tiny.close(channel.logits, outputs(name).logits)


def test_rows_of_a_batch(outputs: Any) -> None:
    found = outputs({"batch_split": {"plain_a": 1, "plain_b": 1}}).last_hidden_state
    tiny.close(found[:1], outputs("plain_a").last_hidden_state[:1])
    tiny.close(found[1:], outputs("plain_b").last_hidden_state[1:])


def test_positions_of_a_text(outputs: Any, kept: dict[str, Path]) -> None:
    from runtime import reference as plain

    files = [plain.File.read(kept[name], name) for name in ("plain_a", "plain_b")]
    sizes = [2, 4]

    def after(layer: int, output: Any, residual: Any, norm: Any) -> Any:
        state = norm(output + residual)
        parts = [
            plain.bottleneck(file, layer, s, o)
            for file, s, o in zip(files, state.split(sizes, 1), output.split(sizes, 1), strict=True)
        ]
        return norm(torch.cat(parts, 1) + residual)

    model = tiny.head_model("xlmr")
    xlmr = plain.Reference(model.base_model.state_dict(), model.config)
    found = outputs({"split": {"plain_a": 2, "plain_b": 4}}).last_hidden_state
    real = tiny.INPUTS["attention_mask"].bool()
    expected = xlmr.hidden(**tiny.INPUTS, after=after)
    tiny.close(found.double()[real], expected[real], 1e-5)


# --- fusion ------------------------------------------------------------------------------------


def test_channels_of_low_rank(outputs: Any, kept: dict[str, Path]) -> None:
    """Refused: with LoRA in attention and in the feed-forward part the library counts wrong."""
    from adapters.composition import Parallel

    model = tiny.head_model("xlmr")
    for name in ("lora_a", "lora_b"):
        model.load_adapter(str(kept[name]), with_head=False)
    with known_defect("LoRA in parallel (adapters 1.3.0)", RuntimeError):
        tiny.outputs(model, Parallel("lora_a", "lora_b"))
    with pytest.raises(CompositionError, match="lora_a is lora"):
        outputs({"parallel": ["lora_a", "lora_b"]})


@pytest.fixture
def fused(kept: dict[str, Path], tmp_path: Path) -> tuple[dict[str, Path], Any]:
    """Two adapters, the second's folder with a trained attention; what the library gives."""
    import shutil

    from adapters.composition import Fuse

    model = tiny.head_model("xlmr")
    folders = {name: tmp_path / name for name in ("plain_a", "task")}
    for name, folder in folders.items():
        shutil.copytree(kept[name], folder)
        model.load_adapter(str(folder))
    before = {id(p) for p in model.parameters()}
    model.add_adapter_fusion(Fuse("plain_a", "task"))
    tiny.fill(model, [p for p in model.parameters() if id(p) not in before], seed=7)
    model.save_adapter_fusion(str(folders["task"]), "plain_a,task")
    model.set_active_adapters(Fuse("plain_a", "task"))
    model.active_head = "task"
    with torch.no_grad():
        return folders, model.eval()(**tiny.INPUTS).logits


def test_a_trained_attention(
    fused: tuple[dict[str, Path], Any], live: Any, registry: Any, outputs: Any
) -> None:
    folders, expected = fused
    tree = parse_tree({"fuse": ["plain_a", "task"]})
    for _ in range(2):  # it is gone in between
        with torch.no_grad(), compose(live, tree, folders, registry) as forward:
            tiny.close(forward(dict(tiny.INPUTS)).logits, expected)
        assert not live.model.adapters_config.fusions
    assert not torch.allclose(outputs("task").logits, expected)


def test_an_attention_for_others(
    fused: tuple[dict[str, Path], Any], live: Any, kept: dict[str, Path], registry: Any
) -> None:
    folders = {**fused[0], "plain_b": kept["plain_b"]}
    for tree in ({"fuse": ["plain_a", "plain_b", "task"]}, {"fuse": ["task", "task"]}):
        with (
            pytest.raises((CompositionError, ModelError), match="attention"),
            compose(live, parse_tree(tree), folders, registry),
        ):
            pass
        assert not live.model.adapters_config.fusions
