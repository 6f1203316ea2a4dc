"""Heads that lie apart from their adapter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from xlmerge.errors import CheckpointError, ModelError, ParameterError, XLMergeError
from xlmerge.plan.request import HeadRequest
from xlmerge.plugin import discover

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
pytestmark = pytest.mark.libraries

LABELS = ("negative", "neutral", "positive")
WIDTH = 16


@pytest.fixture
def live() -> Any:
    from libraries.tiny import head_model
    from xlmerge.plugin import load_registry
    from xlmerge.runtime import LiveModel

    return LiveModel(head_model("xlmr"), None, reference="tiny", registry=load_registry([]))


@pytest.fixture
def load(live: Any, tmp_path: Path) -> Any:
    from xlmerge.runtime.heads import load_head_apart

    registry = discover()

    def run(path: str, labels: tuple[str, ...] = LABELS, **options: Any) -> str:
        request = HeadRequest(
            name="linear/0",
            path=path,
            task=options.pop("task", "sequence_classification"),
            labels=labels,
            options=options,
            start=tmp_path,
        )
        return load_head_apart(live, request, registry)

    return run


def linear(folder: Path, **tensors: Any) -> dict[str, Any]:
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(0)
    made = {
        "weight": torch.randn(3, WIDTH, generator=generator),
        "bias": torch.randn(3, generator=generator),
    } | tensors
    kept = {name: tensor for name, tensor in made.items() if tensor is not None}
    save_file(kept, folder / "linear.safetensors")
    return kept


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_linear_layer_is_a_head(pooling: str, live: Any, load: Any, tmp_path: Path) -> None:
    from libraries.tiny import INPUTS

    tensors = linear(tmp_path)
    name = load("linear.safetensors", pooling=pooling)
    assert live.model.active_head is None
    with torch.no_grad(), live.activated(None, head=name):
        found = live.forward(**INPUTS).logits
        states = live.encode(**INPUTS)
    mask = INPUTS["attention_mask"].unsqueeze(-1)
    pooled = (states * mask).sum(1) / mask.sum(1) if pooling == "mean" else states[:, 0]
    expected = pooled @ tensors["weight"].T + tensors["bias"]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert not any(p.requires_grad for p in live.model.heads[name].parameters())


def test_a_layer_without_bias_has_none(live: Any, load: Any, tmp_path: Path) -> None:
    linear(tmp_path, bias=None)
    head = live.model.heads[load("linear.safetensors", pooling="mean")]
    assert head[1].bias.tolist() == [0.0, 0.0, 0.0]


def test_the_same_head_is_loaded_once(live: Any, load: Any, tmp_path: Path) -> None:
    linear(tmp_path)
    first = load("linear.safetensors", pooling="mean")
    assert load("linear.safetensors", pooling="mean") == first
    assert load("linear.safetensors", pooling="cls") != first
    assert load("linear.safetensors", labels=LABELS[::-1], pooling="mean") != first
    assert len(live.model.heads) == 3


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_folder_is_loaded_as_it_was_saved(
    pooling: str, live: Any, load: Any, tmp_path: Path
) -> None:
    from libraries.tiny import INPUTS

    linear(tmp_path)
    name = load("linear.safetensors", pooling=pooling)
    live.model.save_head(str(tmp_path / "saved"), name)
    again = load("saved", labels=(), pooling=pooling)
    outputs = []
    for head in (name, again):
        with torch.no_grad(), live.activated(None, head=head):
            outputs.append(live.forward(**INPUTS).logits)
    assert torch.equal(*outputs)


def test_classes_are_told_by_their_numbers() -> None:
    from xlmerge.runtime.heads import labels_of_head

    assert labels_of_head({"label2id": {"a": 1, "b": 0}}) == ("b", "a")
    assert labels_of_head({"label2id": {"LABEL_0": 0, "LABEL_1": 1}}) == ()
    assert labels_of_head({"label2id": None}) == ()


@pytest.mark.parametrize(
    ("tensors", "options", "message"),
    [
        ({"weight": torch.zeros(2, WIDTH)}, {}, r"weight of shape \(3, 16\).*found \(2, 16\)"),
        ({"weight": torch.zeros(3, 8)}, {}, r"weight of shape \(3, 16\).*found \(3, 8\)"),
        ({"bias": torch.zeros(2)}, {}, r"bias of shape \(3,\).*found \(2,\)"),
        ({"weight": None}, {}, "expected the `weight` of a linear layer.*found bias"),
        ({"more": torch.zeros(1)}, {}, "expected the `weight` of a linear layer.*more"),
        ({"bias": torch.tensor([0.0, 1.0, float("nan")])}, {}, "bias holds numbers that are not"),
        ({}, {"layers": 2}, "cannot be a head of 2 layers"),
        ({}, {"labels": ()}, "does not say what its classes are called"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    tensors: Any, options: Any, message: str, live: Any, load: Any, tmp_path: Path
) -> None:
    linear(tmp_path, **tensors)
    with pytest.raises(ModelError, match=rf"head linear/0: .*{message}"):
        load("linear.safetensors", **options)
    assert not live.model.heads


def test_a_folder_for_something_else_is_refused(live: Any, load: Any, tmp_path: Path) -> None:
    linear(tmp_path)
    name = load("linear.safetensors", pooling="mean")
    live.model.save_head(str(tmp_path / "saved"), name)
    live.delete_head(name)
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "expected a head of type classification, found xlmerge_mean_classification"),
        ({"pooling": "mean", "labels": ("a", "b", "c")}, "has the classes negative, neutral"),
        ({"task": "tagging"}, "expected a head of type tagging"),
    ]
    for options, message in cases:
        with pytest.raises(ModelError, match=message):
            load("saved", **options)
    config = json.loads((tmp_path / "saved" / "head_config.json").read_text("utf-8"))
    config["config"]["label2id"] = {f"LABEL_{at}": at for at in range(3)}
    (tmp_path / "saved" / "head_config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(ModelError, match="has 3 classes; the recipe names 2: a, b"):
        load("saved", labels=("a", "b"), pooling="mean")
    config["config"] = None
    (tmp_path / "saved" / "head_config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(ModelError, match="a model with a fixed head"):
        load("saved", pooling="mean")
    assert not live.model.heads


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda path: None, CheckpointError, "there is no such file or folder"),
        (lambda path: path.mkdir(), CheckpointError, "holds no head_config.json"),
        (lambda path: path.write_bytes(b"x" * 99), CheckpointError, "head"),
    ],
)
def test_what_cannot_be_read_is_named(
    make: Any, kind: type[XLMergeError], message: str, load: Any, tmp_path: Path
) -> None:
    make(tmp_path / "head")
    with pytest.raises(kind, match=message):
        load("head", pooling="mean")


def test_an_unknown_option_is_named(load: Any, tmp_path: Path) -> None:
    linear(tmp_path)
    with pytest.raises(ParameterError, match="no option `poling`; it has max_length, pooling"):
        load("linear.safetensors", poling="mean")
