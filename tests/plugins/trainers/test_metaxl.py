"""MetaXL on every task, with every kind of adapter, and what it says where it cannot work."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import DataError, ModelError, ParameterError

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import tiny_training as tiny  # noqa: E402
from xlmerge.testing import trainer_laws as laws  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

FEW = 3  # the one neuron of a tiny bottleneck may sleep: more steps have to wake it
SHORT: dict[str, Any] = {"steps": 4, "batch_size": 4, "learning_rate": 1e-2}
ALGORITHMS = ("double_backward", "forward_over_reverse", "split_difference", "split_forward")
LABELLED = [{"text": "good " * (at % 4 + 1), "label": "ab"[at % 2]} for at in range(8)]
TAGGED = [{"tokens": ["Budi", "in", "Rome"], "tags": ["PER", "O", "LOC"]}] * 6
QUESTIONS = [
    {
        "id": str(at),
        "context": "here is Budi",
        "question": "who?",
        "answers": {"text": ["Budi"], "answer_start": [8]},
    }
    for at in range(6)
]
CHOICES = [
    {"premise": "wet", "question": "effect", "choice1": "a", "choice2": "bc", "label": at % 2}
    for at in range(6)
]
ROWS: dict[str, Any] = {
    "sequence_classification": LABELLED,
    "token_classification": [{**row, "tags": ["B-PER", "O", "B-LOC"]} for row in TAGGED],
    "tagging": TAGGED,
    "extractive_qa": QUESTIONS,
    "multiple_choice": CHOICES,
    "masked_lm": [{"text": row["text"]} for row in LABELLED],
}


def _on_task(task: str, folder: Path, options: dict[str, Any], **more: Any) -> laws.TrainingRun:
    """A training of three steps in a tiny model of letters."""
    registry = tiny.registry()
    case = laws.TrainerCase(
        trainer=registry.trainer("metaxl").descriptor,
        registry=registry,
        task=registry.task(task).descriptor,
        data={"source": ROWS[task], "train": ROWS[task], "validation": ROWS[task][:2]},
        options={**SHORT, "steps": FEW, "epochs": None, **options},
        **{"adapter": "seq_bn", **more},
    )
    folder.mkdir(exist_ok=True)
    return laws.run_training(case, folder)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("task", ROWS)
def test_every_task_trains_with_every_algorithm(task: str, algorithm: str, tmp_path: Path) -> None:
    run = _on_task(task, tmp_path, {"algorithm": algorithm})
    assert run.report["steps"] == FEW
    laws.check_a_whole_adapter_is_written(run)
    laws.check_nothing_else_changes(run)
    last = json.loads((run.output / "log.jsonl").read_text().splitlines()[-1])
    assert last["hypergradient_norm"] > 0


@pytest.mark.parametrize("layers", [[0], [-1]], ids=str)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_models_that_read_from_left_to_right(
    algorithm: str, layers: list[int], base: Path, tmp_path: Path
) -> None:
    from xlmerge.runtime.tiny import tiny_model, tiny_rows

    registry = tiny.registry()
    live = tiny_model(registry, causal=True, attention="eager")
    task = registry.task("causal_lm").descriptor
    options = {p.name: p.default for p in task.parameters}
    logic = task.function(**{**options, "max_length": 32})
    logic.prepare(live.model)
    rows = tiny_rows([{"text": row["text"]} for row in LABELLED])
    work = tiny.make_training(
        base,
        tmp_path,
        "metaxl",
        live=live,
        task=logic,
        labels=(),
        data={"source": [(rows, None)], "train": rows},
        adapter=tiny.named_config("seq_bn"),
        metric=None,
        names={},
    )
    options = {**SHORT, "steps": FEW, "layers": layers, "algorithm": algorithm}
    assert tiny.run(work, "metaxl", **options)["steps"] == FEW
    last = json.loads((work.output / "log.jsonl").read_text().splitlines()[-1])
    assert last["hypergradient_norm"] > 0


@pytest.mark.parametrize("layers", [[0], [1], [-1], [1, -1]], ids=str)
@pytest.mark.parametrize("adapter", ["seq_bn", "lora", "ia3"])
def test_every_adapter_trains_with_networks_anywhere(
    adapter: str, layers: list[int], tmp_path: Path
) -> None:
    from xlmerge.plugin.trees import parse_tree

    run = _on_task(
        "sequence_classification",
        tmp_path,
        {"layers": layers},
        adapter=adapter,
        beneath={"language": "seq_bn_inv"},
        on=parse_tree("language"),
    )
    laws.check_a_whole_adapter_is_written(run)
    laws.check_training_changes_the_adapter(run)
    laws.check_nothing_else_changes(run)
    [network] = (run.output / "networks").iterdir()
    tensors = torch.load(network / "pytorch_adapter.bin", weights_only=True)
    places = {name.split(".")[-3] for name in tensors}
    assert places == {str(at % 4 if at >= 0 else 3) for at in layers}


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("weighed", [False, True])
def test_each_source_has_a_network_or_all_share_one(
    count: int, weighed: bool, base: Path, tmp_path: Path
) -> None:
    weights = [1.0 + at if weighed else None for at in range(count)]
    source = [(tiny.labelled(20, 3 + at), weight) for at, weight in enumerate(weights)]
    data = {"source": source, "train": tiny.labelled(20, 1)}
    names = {"source": [f"few/{at}" for at in range(count)]}
    for shared, folders in ((False, [f"few-{at}" for at in range(count)]), (True, ["shared"])):
        folder = tmp_path / str(shared)
        work = tiny.make_training(base, folder, "metaxl", data=data, names=names)
        tiny.run(work, "metaxl", **{**SHORT, "batch_size": 12}, shared_network=shared)
        assert sorted(p.name for p in (folder / "out" / "networks").iterdir()) == folders


@pytest.mark.parametrize("names", [("a/b", "a/b"), ("a/b", "a-b"), ("a", "a")])
def test_sources_of_like_names_keep_networks_apart(
    names: tuple[str, str], base: Path, tmp_path: Path
) -> None:
    work = tiny.make_training(base, tmp_path, "metaxl", names={"source": names})
    tiny.run(work, "metaxl", **{**SHORT, "batch_size": 12})
    assert len(list((tmp_path / "out" / "networks").iterdir())) == 2


@pytest.mark.parametrize("network", ["meta", "joint"])
def test_a_source_that_is_hardly_drawn_costs_no_result(
    network: str, base: Path, tmp_path: Path
) -> None:
    source = [(tiny.labelled(20, 3), 1e6), (tiny.labelled(20, 4), 1.0)]
    data = {"source": source, "train": tiny.labelled(20, 1)}
    work = tiny.make_training(base, tmp_path, "metaxl", data=data)
    with pytest.warns(UserWarning, match="the networks of bb are as they began"):
        report = tiny.run(work, "metaxl", **{**SHORT, "steps": 6}, network=network)
    assert report["unmoved_networks"] == ["bb"]
    assert (work.output / "networks" / "bb" / "pytorch_adapter.bin").is_file()


@pytest.mark.parametrize("network", ["meta", "joint", "none"])
def test_the_log_tells_how_the_networks_do(network: str, base: Path, tmp_path: Path) -> None:
    work = tiny.make_training(base, tmp_path, "metaxl", validation=False)
    tiny.run(work, "metaxl", **SHORT, network=network, log_every=1)
    with (work.output / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    meta = ["meta_loss", "hypergradient_norm", "gradient_cosine"] if network == "meta" else []
    names = list(rows[0])[6:]
    assert names == ["source_loss", "target_loss", *meta, "network_share"]
    for row in rows:
        found = {name: float(row[name]) for name in ("loss", *names)}
        assert found["loss"] == pytest.approx(found["source_loss"] + found["target_loss"])
        assert abs(found.get("gradient_cosine", 0.0)) <= 1
    shares = [float(row["network_share"]) for row in rows]
    assert shares[0] == 0, "it starts as the identity"
    assert (shares[-1] > 0) == (network != "none")
    assert (work.output / "networks").is_dir() == (network != "none")


@pytest.mark.parametrize("halves", ["each_step", "fixed"])
def test_one_target_row_cannot_be_halved(halves: str, base: Path, tmp_path: Path) -> None:
    data = {"source": [(tiny.labelled(20, 3), None)], "train": tiny.labelled(1, 1)}
    work = tiny.make_training(base, tmp_path, "metaxl", data=data, labels=["early", "late"])
    with pytest.raises(DataError, match="1 target row cannot be halved"):
        tiny.run(work, "metaxl", **SHORT, halves=halves)


@pytest.mark.filterwarnings("ignore:.*are as they began")  # a few rows of the second source
@pytest.mark.parametrize("halves", ["each_step", "fixed"])
@pytest.mark.parametrize("size", [2, 3])
def test_a_target_batch_may_be_small_and_odd(
    size: int, halves: str, base: Path, tmp_path: Path
) -> None:
    work = tiny.make_training(base, tmp_path, "metaxl")
    options = {**SHORT, "batch_size": 1, "target_batch_size": size, "halves": halves}
    assert tiny.run(work, "metaxl", **options)["steps"] == SHORT["steps"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch_size": 1}, "give `target_batch_size`: 2 or more"),
        ({"bf16": True}, "`bf16` rounds"),
        ({"gradient_checkpointing": True}, "`algorithm: split_difference` needs as little memory"),
        ({"gradient_checkpointing": True, "network": "joint"}, "without their networks"),
        ({"layers": [1, -1], "algorithm": "forward_over_reverse"}, "take `double_backward`"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together(
    options: dict[str, Any], words: str, base: Path, tmp_path: Path
) -> None:
    work = tiny.make_training(base, tmp_path, "metaxl")
    with pytest.raises(ParameterError, match=words):
        tiny.run(work, "metaxl", **{**SHORT, **options})
    assert work.live.adapters() == ()


@pytest.mark.parametrize("layers", [[99], [-4], [2, -1]], ids=str)
def test_layers_that_are_not_there(layers: list[int], base: Path, tmp_path: Path) -> None:
    work = tiny.make_training(base, tmp_path, "metaxl")
    with pytest.raises(ModelError, match=r"after layers 0 \(the embeddings\) to 2, each once"):
        tiny.run(work, "metaxl", **SHORT, layers=layers)
    assert work.live.adapters() == ()


@pytest.mark.parametrize("algorithm", ["double_backward", "forward_over_reverse"])
def test_a_kernel_without_second_derivatives_is_told(
    algorithm: str, base_without_dropout: Path, tmp_path: Path
) -> None:
    work = tiny.make_training(base_without_dropout, tmp_path, "metaxl", attention="sdpa")
    with pytest.raises(ModelError, match="`attention: eager` has second derivatives"):
        tiny.run(work, "metaxl", **SHORT, algorithm=algorithm)


@pytest.mark.filterwarnings("ignore:.*are as they began")  # a few rows of the second source
def test_split_difference_needs_none_at_the_top(base_without_dropout: Path, tmp_path: Path) -> None:
    work = tiny.make_training(base_without_dropout, tmp_path, "metaxl", attention="sdpa")
    report = tiny.run(work, "metaxl", **SHORT, algorithm="split_difference")
    assert report["steps"] == SHORT["steps"]


@pytest.mark.parametrize(
    ("options", "attention"),
    [
        ({}, "eager"),
        ({"algorithm": "split_difference"}, None),
        ({"algorithm": "split_difference", "layers": (1, -1)}, "eager"),
        ({"algorithm": "split_forward"}, "eager"),
        ({"network": "joint"}, None),
        ({"network": "none"}, None),
        ({"attention": "sdpa"}, "sdpa"),
    ],
    ids=str,
)
def test_attention_follows_from_the_options(options: dict[str, Any], attention: str | None) -> None:
    trainer = tiny.registry().trainer("metaxl").descriptor
    values = {spec.name: spec.default for spec in trainer.parameters}
    assert trainer.attention_for({**values, **options}) == attention
