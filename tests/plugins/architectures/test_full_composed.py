"""Fine-tuned base models in compositions, merges, copies and recipes."""

from __future__ import annotations

import copy
import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import CompositionError, ParameterError, UnsupportedAdapterError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from adapters.composition import Average, Parallel, Stack  # noqa: E402

import xlmerge  # noqa: E402
from builders import tiny_training as tiny  # noqa: E402
from builders.fine_tuned import (  # noqa: E402
    CONFIGS,
    FULL,
    HEAD,
    close,
    differences,
    made,
    moved,
    states,
    tokens,
    written,
)
from xlmerge.checkpoint.cover import cover  # noqa: E402
from xlmerge.checkpoint.folder import open_adapter_folder  # noqa: E402
from xlmerge.plugin.trees import parse_tree  # noqa: E402
from xlmerge.runtime import LiveModel, compose  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


def composed(live: LiveModel, folders: dict[str, Path], tree: Any) -> Any:
    with torch.no_grad(), compose(live, parse_tree(tree), folders, live.registry) as run:
        return run(tokens()).last_hidden_state


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two fine-tuned models, a language adapter and a bottleneck."""
    root = tmp_path_factory.mktemp("folders")
    live = made("a", "b")
    for seed, (name, config) in enumerate({"en": "madx_language", "bn": "seq_bn"}.items()):
        live.add_adapter(name, CONFIGS[config], seed=seed)
        moved(live, name)
    for name in ("a", "b", "en", "bn"):
        live.save_adapter(name, root / name)
    return {name: root / name for name in ("a", "b", "en", "bn")}


def weighed(live: LiveModel, **weights: float) -> Any:
    """States of a model that the differences were added to, each with a weight."""
    with torch.no_grad():
        for name, weight in weights.items():
            for parameter in live.adapter_parameters(name).values():
                parameter.mul_(weight)
    return states(written(live, *weights), None)


def test_add_sums_them(folders: dict[str, Path]) -> None:
    live = made("a", "b")
    close(composed(live, folders, {"add": ["a", "b"]}), weighed(live, a=1, b=1))


def test_interpolate_weighs_them(folders: dict[str, Path]) -> None:
    live = made("a", "b")
    found = composed(live, folders, {"interpolate": {"a": 0.25, "b": 0.75}})
    close(found, weighed(live, a=0.25, b=0.75), 1e-6)


@pytest.mark.parametrize(
    "tree", [{"stack": ["en", "a"]}, {"madx": {"language": "en", "task": "a"}}]
)
def test_it_runs_on_a_language_adapter(folders: dict[str, Path], tree: Any) -> None:
    live = made("a")
    live.load_adapter("en", folders["en"])
    close(composed(live, folders, tree), states(live, Stack("en", "a")))


def test_mad_x_leaves_it_out_of_the_last_layer(folders: dict[str, Path]) -> None:
    live = made("a")
    live.load_adapter("en", folders["en"], leave_out=[2])
    live.load_adapter("short", folders["a"], leave_out=[2])
    tree = {"madx": {"language": "en", "task": "a"}, "with": {"drop_last": "both"}}
    close(composed(live, folders, tree), states(live, Stack("en", "short")))


@pytest.mark.parametrize("other", ["b", "bn"])
@pytest.mark.parametrize("rule", ["average", "parallel", "fuse", "split", "batch_split"])
def test_rules_beside_each_other_refuse_it(folders: dict[str, Path], rule: str, other: str) -> None:
    tree: dict[str, Any] = {rule: ["a", other]}
    if rule in {"split", "batch_split"}:
        tree["weights"] = [1, 2]
    with pytest.raises(CompositionError, match="a is full") as caught:
        composed(made(), folders, tree)
    assert "interpolate" in str(caught.value.hint)


def test_two_in_a_stack_are_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(CompositionError, match="would add up") as caught:
        composed(made(), folders, {"stack": ["a", "b"]})
    assert "`add`" in str(caught.value.hint)


def test_a_sum_takes_no_weights_and_no_other_kind(folders: dict[str, Path]) -> None:
    with pytest.raises(ParameterError, match="no weights for fine-tuned base models"):
        composed(made(), folders, {"add": ["a", "b"], "weights": [1, 2]})
    with pytest.raises(CompositionError, match="bn is bottleneck"):
        composed(made(), folders, {"add": ["a", "bn"]})


@pytest.mark.parametrize("block", [Average("a", "b"), Stack("c", Parallel("a", "b"))])
def test_the_library_s_blocks_are_no_way_around_that(block: Any) -> None:
    live = made("a", "b", "c")
    with pytest.raises(CompositionError, match="alone or in a stack"):
        states(live, block)


def test_a_deleted_one_leaves_nothing_behind() -> None:
    live = made()
    before = states(live, None)
    kept = {name: p.detach().clone() for name, p in live.model.state_dict().items()}
    live.add_adapter("x", FULL, seed=0)
    moved(live, "x")
    assert not torch.equal(states(live, "x"), before)
    assert torch.equal(states(live, None), before)
    live.delete_adapter("x")
    assert torch.equal(states(live, None), before)
    after = live.model.state_dict()
    assert after.keys() == kept.keys()
    assert all(torch.equal(after[name], kept[name]) for name in kept)


def test_a_copy_of_the_model_has_differences_of_its_own() -> None:
    live = made("x")
    live.add_head("words", HEAD, seed=0)
    live.model.heads["words"].double()
    model = copy.deepcopy(live.model)
    other = LiveModel(model, live.tokenizer, reference="copy", registry=live.registry)

    def logits(which: LiveModel) -> Any:
        with torch.no_grad(), which.activated("x", head="words"):
            return which.forward(**tokens()).logits

    before = logits(live)
    assert torch.equal(logits(other), before)
    moved(other, "x", seed=9)
    assert not torch.equal(logits(other), before)
    assert torch.equal(logits(live), before)
    other.add_adapter("y", FULL, seed=0)
    assert "y" not in live.adapters()


@pytest.mark.parametrize(
    ("method", "options", "weights"),
    [
        ("linear", {"weights": [0.3, 0.9]}, (0.3, 0.9)),
        ("task_arithmetic", {"weights": [0.5, -0.25]}, (0.5, -0.25)),
    ],
)
def test_merges_are_arithmetic_with_differences(
    folders: dict[str, Path],
    tmp_path: Path,
    method: str,
    options: dict[str, Any],
    weights: tuple[float, float],
) -> None:
    xlmerge.merge(method, [folders["a"], folders["b"]], output=tmp_path / "merged", **options)
    live = made("a", "b")
    live.load_adapter("merged", tmp_path / "merged")
    one, other, found = (differences(live, name) for name in ("a", "b", "merged"))
    assert found.keys() == one.keys()
    for name, tensor in found.items():
        close(tensor, weights[0] * one[name] + weights[1] * other[name])
    close(states(live, "merged"), weighed(live, a=weights[0], b=weights[1]))


def test_a_model_without_tables_does_not_merge_with_one_that_has_them(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    made("c", config={**FULL, "embeddings": False}).save_adapter("c", tmp_path / "c")
    with pytest.raises(xlmerge.errors.XLMergeError, match="embeddings"):
        xlmerge.merge("linear", [folders["a"], tmp_path / "c"], output=tmp_path / "out")


def test_the_parameters_say_where_they_are(folders: dict[str, Path]) -> None:
    with open_adapter_folder(folders["a"]) as opened:
        layout = cover(opened, tiny.registry())
    found = {p.name: p for _, bundle in layout.bundles() for p in bundle.parameters}
    query = found["shared_parameters.encoder.layer.1.attention.self.query.weight"]
    assert (query.part, query.layer, query.site) == ("full", 1, "attention.self.query")
    words = found["shared_parameters.embeddings.word_embeddings.weight"]
    assert (words.part, words.layer, words.site) == ("full", None, "embeddings.word_embeddings")


def test_a_folder_that_is_not_whole_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    content = torch.load(folders["a"] / "pytorch_adapter.bin", weights_only=True)
    config = (folders["a"] / "adapter_config.json").read_text()
    for part, message in ((".layer.1.", "no tensors for layer 1"), ("shared", "holds no param")):
        folder = tmp_path / part.strip(".")
        folder.mkdir()
        (folder / "adapter_config.json").write_text(config)
        left = {name: tensor for name, tensor in content.items() if part not in name}
        other = {"roberta.encoder.layer.0.strange_adapters.a.weight": torch.ones(1)}
        torch.save(left or other, folder / "pytorch_adapter.bin")
        expected = pytest.raises(UnsupportedAdapterError, match=message)
        with open_adapter_folder(folder) as opened, expected:
            cover(opened, tiny.registry())


RECIPE = """
version: 1
base_model: base
datasets:
  labels: {path: "labels", labels: [early, late]}
steps:
  tuned:
    for_each: {seed: [0, 1]}
    train: task_adapter
    adapter: full
    task: {sequence_classification: {pooling: mean, max_length: 16}}
    data: labels
    with: {steps: 4, batch_size: 8, learning_rate: 1e-2, seed: <seed>}
  small:
    train: task_adapter
    adapter: {config: full, embeddings: false}
    task: {sequence_classification: {pooling: mean, max_length: 16}}
    data: labels
    with: {steps: 4, batch_size: 8, learning_rate: 1e-2}
  soup:
    merge: task_arithmetic
    adapters: {tuned/0: 0.5, tuned/1: 0.5}
    heads: from tuned/0
  scores:
    evaluate: {sequence_classification: {pooling: mean}}
    data: labels
    head: tuned/0
    rows:
      alone: tuned/0
      soup: soup
      weighed: {interpolate: {tuned/0: 0.5, tuned/1: 0.5}}
      both: {ensemble: [tuned/0, tuned/1]}
      small: small
    with: {max_length: 16, bootstrap: 100}
"""


def test_a_recipe_trains_merges_and_scores_it(tmp_path: Path) -> None:
    tiny.save_base(tmp_path / "base")
    for split, count in (("train", 48), ("validation", 16), ("test", 40)):
        path = tmp_path / "labels" / f"{split}.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows(tiny.labelled(count, seed=count))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    xlmerge.check(recipe)
    result = xlmerge.run(recipe)
    assert [step.status for step in result.steps] == [*["trained"] * 3, "merged", "evaluated"]
    scores = result.steps[-1].report["scores"]
    assert scores["soup"] == scores["weighed"]
    config = json.loads((tmp_path / "recipe" / "small" / "adapter_config.json").read_text())
    assert config["config"] == {**FULL, "embeddings": False}
