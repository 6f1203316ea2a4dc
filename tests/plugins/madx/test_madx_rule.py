"""The rule ``madx``: which roles it refuses, and what a model computes under it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
adapters = pytest.importorskip("adapters")

from adapters.composition import Stack  # noqa: E402

from libraries import tiny  # noqa: E402
from xlmerge.errors import CompositionError, ParameterError, XLMergeError  # noqa: E402
from xlmerge.plugin import discover  # noqa: E402
from xlmerge.plugin.trees import parse_tree  # noqa: E402
from xlmerge.runtime import Child, LiveModel, Member  # noqa: E402
from xlmerge.runtime.composing import compose  # noqa: E402
from xlmerge_madx.compositions.madx import madx  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REGISTRY = discover(strict=True)
LAST = tiny.LAYERS - 1
CONFIGS = {
    name: config
    for each in REGISTRY.architectures.values()
    if each.descriptor.live
    for name, config in each.descriptor.live.configs.items()
}


# --- roles, without a model -------------------------------------------------------------------


@dataclass
class FakeComposing:
    """What the rule asks of a composition."""

    library: str = "adapters"
    last_layer: int = 11
    asked: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def variant(self, child: Child, *, leave_out: tuple[int, ...]) -> Child:
        self.asked.append((child.label, leave_out))
        return child


def part(label: str, *, invertible: bool = False, more: tuple[Member, ...] = ()) -> Child:
    member = Member(name=f"{label}-1", label=label, config={}, invertible=invertible)
    return Child(label=label, block=member.name, members=(member, *more))


INDONESIAN, SENTIMENT = part("indonesian", invertible=True), part("sentiment")


def call(live: FakeComposing | None = None, **arguments: Any) -> Any:
    return madx.function(live or FakeComposing(), **arguments)


def test_the_declaration() -> None:
    assert [(role.name, role.required) for role in madx.roles] == [
        ("language", True),
        ("task", False),
    ]
    assert madx.count is None
    assert {spec.name: (spec.choices, spec.default) for spec in madx.parameters} == {
        "drop_last": (("nothing", "language", "both"), "nothing"),
        "invertible": (("required", "optional"), "required"),
    }


def test_it_is_a_stack() -> None:
    made = call(language=INDONESIAN, task=SENTIMENT)
    assert made.block == Stack("indonesian-1", "sentiment-1")
    assert [member.label for member in made.members] == ["indonesian", "sentiment"]


def test_a_language_alone_is_itself() -> None:
    assert call(language=INDONESIAN) is INDONESIAN


@pytest.mark.parametrize(
    ("drop_last", "left_out"),
    [("nothing", []), ("language", ["indonesian"]), ("both", ["indonesian", "sentiment"])],
)
def test_which_adapters_lose_the_last_layer(drop_last: str, left_out: list[str]) -> None:
    live = FakeComposing()
    call(live, language=INDONESIAN, task=SENTIMENT, drop_last=drop_last)
    assert live.asked == [(label, (11,)) for label in left_out]


WITH_TWO = part("pair", invertible=True, more=part("javanese", invertible=True).members)
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "swapped": (
        {"language": SENTIMENT, "task": INDONESIAN},
        r"the roles are swapped\n  -> write madx: {language: indonesian, task: sentiment}",
    ),
    "no invertible part": (
        {"language": part("english"), "task": SENTIMENT},
        "the language adapter english has no invertible part",
    ),
    "alone without one": ({"language": part("english")}, "english has no invertible part"),
    "two languages": (
        {"language": INDONESIAN, "task": part("javanese", invertible=True)},
        "part of javanese would be ignored: only that of indonesian",
    ),
    "two languages below": (
        {"language": WITH_TWO, "task": SENTIMENT},
        "part of javanese would be ignored",
    ),
    "two languages, optional": (
        {"language": WITH_TWO, "task": SENTIMENT, "invertible": "optional"},
        "part of javanese would be ignored",
    ),
    "swapped, optional": (
        {"language": SENTIMENT, "task": INDONESIAN, "invertible": "optional"},
        "the roles are swapped",
    ),
    "nothing to drop": ({"language": INDONESIAN, "drop_last": "both"}, "and there is none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    arguments, message = REFUSED[case]
    with pytest.raises(CompositionError, match=message):
        call(**arguments)


def test_without_an_invertible_part_on_request() -> None:
    made = call(language=part("english"), task=SENTIMENT, invertible="optional")
    assert made.block == Stack("english-1", "sentiment-1")


def test_peft_is_refused() -> None:
    with pytest.raises(CompositionError, match="indonesian is an adapter of PEFT"):
        call(FakeComposing(library="peft"), language=INDONESIAN)


# --- in a model -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live() -> LiveModel:
    model = tiny.head_model("xlmr")
    model.add_masked_lm_head("mlm")
    return LiveModel(model, None, reference="tiny", registry=REGISTRY)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two languages, one of them affine, one without an invertible part, and a task."""
    model = tiny.head_model("xlmr")
    from xlmerge_madx._modules.install import install

    install(model)
    kinds = {
        "ours": "madx_language",
        "curved": "seq_bn_affine",
        "plain": "seq_bn",
        "task": "seq_bn",
    }
    root = tmp_path_factory.mktemp("adapters")
    for seed, (name, kind) in enumerate(kinds.items()):
        fields = adapters.AdapterConfig.load(dict(CONFIGS[kind]))
        labels = 3 if name == "task" else None
        tiny.add_adapter(model, name, fields, seed=seed, labels=labels)
        model.save_adapter(str(root / name), name)
    return {name: root / name for name in kinds}


@torch.no_grad()
def run(
    live: LiveModel, folders: Mapping[str, Path], tree: Any, *, head: str | None = None
) -> torch.Tensor:
    with compose(live, parse_tree(tree), folders, REGISTRY, head=head) as forward:
        return forward(dict(tiny.INPUTS)).logits.clone()


@torch.no_grad()
def by_the_library(folders: Mapping[str, Path], *names: str, **how: Any) -> torch.Tensor:
    """The same by the plain library; ``how`` goes to loading, but ``skip`` to activating."""
    from xlmerge_madx._modules.install import install

    model = tiny.head_model("xlmr")
    install(model)
    skip = how.pop("skip", None)
    for name in names:
        leave_out = how.get(name)
        model.load_adapter(str(folders[name]), leave_out=leave_out)
    model.set_active_adapters(Stack(*names), skip_layers=skip)
    return model.eval()(**tiny.INPUTS).logits.clone()


@pytest.mark.parametrize("language", ["ours", "curved"])
def test_it_is_the_library_s_stack(
    live: LiveModel, folders: dict[str, Path], language: str
) -> None:
    found = run(live, folders, {"madx": {"language": language, "task": "task"}})
    assert torch.equal(found, by_the_library(folders, language, "task"))


def test_both_left_out_is_skipping_the_layer(live: LiveModel, folders: dict[str, Path]) -> None:
    tree = {"madx": {"language": "ours", "task": "task"}, "with": {"drop_last": "both"}}
    found = run(live, folders, tree)
    assert torch.equal(found, by_the_library(folders, "ours", "task", skip=[LAST]))
    assert torch.equal(found, by_the_library(folders, "ours", "task", ours=[LAST], task=[LAST]))


def test_the_language_left_out_is_loading_without_it(
    live: LiveModel, folders: dict[str, Path]
) -> None:
    tree = {"madx": {"language": "ours", "task": "task"}, "with": {"drop_last": "language"}}
    found = run(live, folders, tree)
    assert torch.equal(found, by_the_library(folders, "ours", "task", ours=[LAST]))
    assert not torch.allclose(found, by_the_library(folders, "ours", "task"))
    assert not torch.allclose(found, by_the_library(folders, "ours", "task", skip=[LAST]))


def test_an_adapter_that_leaves_out_a_layer_already(
    live: LiveModel, folders: dict[str, Path], tmp_path: Path
) -> None:
    """Trained without its first layer, and now without its last one too."""
    model = tiny.head_model("xlmr")
    fields = adapters.AdapterConfig.load({**CONFIGS["madx_language"], "leave_out": [0]})
    tiny.add_adapter(model, "short", fields, seed=8)
    model.save_adapter(str(tmp_path / "short"), "short")
    places = {**folders, "short": tmp_path / "short"}
    tree = {"madx": {"language": "short", "task": "task"}, "with": {"drop_last": "language"}}
    found = run(live, places, tree)
    assert torch.equal(found, by_the_library(places, "short", "task", short=[0, LAST]))


@pytest.mark.parametrize("language", ["ours", "curved"])
@torch.no_grad()
def test_a_language_alone_is_inverted_before_the_output_embeddings(
    live: LiveModel, folders: dict[str, Path], language: str
) -> None:
    """Twice: with the adapter as a leaf and by the rule; the head runs on what comes back."""
    found = run(live, folders, {"madx": {"language": language}}, head="mlm")
    with compose(live, parse_tree(language), folders, REGISTRY, head="mlm"):
        hidden = live.encode(**tiny.INPUTS)
        *trunk, decoder = live.head
        for module in trunk:
            hidden = module(hidden)
        inverted = live.inverse(hidden)
        assert not torch.allclose(inverted, hidden)
        assert torch.equal(found, decoder(inverted))


def test_the_inverse_stays_where_the_last_layer_goes(
    live: LiveModel, folders: dict[str, Path]
) -> None:
    tree = {"madx": {"language": "ours"}, "with": {"drop_last": "language"}}
    with compose(live, parse_tree(tree), folders, REGISTRY, head="mlm"):
        states = torch.randn(1, 2, tiny.HIDDEN, generator=torch.Generator().manual_seed(1))
        assert not torch.equal(live.inverse(states), states)


def test_an_interpolated_language(live: LiveModel, folders: dict[str, Path]) -> None:
    """What runs and what a merge writes are the same adapter."""
    if "interpolate" not in REGISTRY.composition_rules:
        pytest.skip("no rule interpolates")
    tree = {"madx": {"language": {"interpolate": {"ours": 1.0}}, "task": "task"}}
    found = run(live, folders, tree)
    tiny.close(found, by_the_library(folders, "ours", "task"))


@pytest.mark.parametrize(
    ("tree", "error", "words"),
    [
        ({"madx": {"language": "task", "task": "ours"}}, CompositionError, "swapped"),
        ({"madx": {"language": "plain", "task": "task"}}, CompositionError, "no invertible part"),
        ({"madx": {"task": "task"}}, CompositionError, "needs the role 'language'"),
        ({"madx": {"language": "ours", "tsak": "task"}}, CompositionError, "tsak"),
        ({"madx": ["ours", "task"]}, CompositionError, "needs the role 'language'"),
        (
            {"madx": {"language": "ours"}, "with": {"drop_last": "all"}},
            ParameterError,
            "drop_last",
        ),
    ],
)
def test_wrong_trees(
    live: LiveModel, folders: dict[str, Path], tree: Any, error: type[XLMergeError], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(live, folders, tree)


def test_a_model_of_another_width_refuses_the_adapter_and_keeps_nothing(
    folders: dict[str, Path],
) -> None:
    wider = tiny.config_of("xlmr")
    wider.hidden_size = 2 * tiny.HIDDEN
    model = tiny.seeded(lambda: adapters.XLMRobertaAdapterModel(wider))
    other = LiveModel(model, None, reference="wider", registry=REGISTRY)
    with pytest.raises(XLMergeError, match="does not fit wider"):
        run(other, folders, {"madx": {"language": "ours", "task": "task"}})
    assert not other.adapters()
