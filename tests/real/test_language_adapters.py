"""Language adapters of MAD-X merged by recipe: the identities that merging has to keep."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = [pytest.mark.real, pytest.mark.libraries]
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")
pytest.importorskip("peft")

import xlmerge  # noqa: E402

from .world import World, load, tensors  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = {language: f"language-{language}" for language in ("ind", "jav", "mad", "bbc", "bug")}


def _equal(found: dict[str, Any], expected: dict[str, Any], tolerance: float = 0.0) -> None:
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=0, atol=tolerance)


def _combined(weights: dict[str, float], world: World) -> dict[str, Any]:
    """The weighted sum of the stored tensors, in float64."""
    parts = {name: tensors(world.adapter(LANGUAGES[name])) for name in weights}
    return {
        key: sum(weight * parts[name][key] for name, weight in weights.items())
        for key in parts[next(iter(weights))]
    }


def _hidden(model: Any, name: str | None, batch: Any) -> Any:
    model.set_active_adapters(name)
    with torch.no_grad():
        return model(**batch).last_hidden_state


def test_weights_of_one_and_zero_give_an_adapter_back_bit_by_bit(world: World) -> None:
    steps = world.run(
        """
        first: {merge: language_arithmetic, adapters: {ind: 1, mad: 0}}
        second: {merge: language_arithmetic, adapters: {ind: 0, mad: 1}}
        """,
        ind=LANGUAGES["ind"],
        mad=LANGUAGES["mad"],
    )
    _equal(tensors(steps["first"]), tensors(world.adapter(LANGUAGES["ind"])))
    _equal(tensors(steps["second"]), tensors(world.adapter(LANGUAGES["mad"])))


def test_the_average_is_that_of_the_tensors_and_runs_on_text(world: World) -> None:
    """Loaded with the plain loader, compared with the average made in the model by torch."""
    merged = world.run(
        "  between: {merge: language_arithmetic, adapters: {ind: 0.4, mad: 0.6}}",
        ind=LANGUAGES["ind"],
        mad=LANGUAGES["mad"],
    )["between"]
    _equal(tensors(merged), _combined({"ind": 0.4, "mad": 0.6}, world), 1e-7)
    model = world.encoder()
    load(model, merged, "merged")
    for name in ("ind", "mad"):
        load(model, world.adapter(LANGUAGES[name]), name)
    model.add_adapter("by_hand", config=model.adapters_config.get("ind"))
    state = model.state_dict()
    for key in state:
        if ".by_hand." in key:
            ind, mad = (state[key.replace("by_hand", name)] for name in ("ind", "mad"))
            state[key] = 0.4 * ind + 0.6 * mad
    model.load_state_dict(state)
    batch = world.text("mad")
    found, expected = (_hidden(model, name, batch) for name in ("merged", "by_hand"))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    for other in ("ind", "mad"):  # and it is neither of them
        assert (found - _hidden(model, other, batch)).abs().max() > 0.1


def test_the_coupling_of_a_merge_inverts_exactly(world: World) -> None:
    """Whatever the weights; but one coupling does not invert another."""
    steps = world.run(
        """
        between: {merge: language_arithmetic, adapters: {ind: 0.4, mad: 0.6}}
        beyond: {merge: linear, adapters: {ind: 1.0, mad: -0.3}}
        """,
        ind=LANGUAGES["ind"],
        mad=LANGUAGES["mad"],
    )
    model = world.encoder()
    couplings = {}
    for name, folder in steps.items():
        load(model, folder, name)
        couplings[name] = model.invertible_adapters[name]
    with torch.no_grad():
        x = model.embeddings(world.text("mad")["input_ids"])
        for coupling in couplings.values():
            forth = coupling(x)
            assert (forth - x).abs().max() > 0.1
            torch.testing.assert_close(coupling(forth, rev=True), x, rtol=0, atol=1e-5)
        crossed = couplings["between"](couplings["beyond"](x), rev=True)
        assert (crossed - x).abs().max() > 0.1


def test_order_copies_and_scale_of_weights(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.adapter(LANGUAGES["ind"]), tmp_path / "copy")
    steps = world.run(
        """
        one: {merge: linear, adapters: {ind: 0.3, mad: 0.7}}
        other: {merge: linear, adapters: {mad: 0.7, ind: 0.3}}
        itself: {merge: linear, adapters: {ind: 0.3, copy: 0.7}}
        heavy: {merge: linear, adapters: {ind: 3, mad: 7}, with: {normalize: true}}
        """,
        ind=LANGUAGES["ind"],
        mad=LANGUAGES["mad"],
        copy=tmp_path / "copy",
    )
    _equal(tensors(steps["one"]), tensors(steps["other"]))
    _equal(tensors(steps["itself"]), tensors(world.adapter(LANGUAGES["ind"])), 1e-7)
    _equal(tensors(steps["heavy"]), tensors(steps["one"]), 1e-7)


def test_sums_are_linear_and_associative(world: World) -> None:
    """Steps that use each other's results, in one recipe."""
    steps = world.run(
        """
        near: {merge: linear, adapters: {ind: 0.2, mad: 0.8}}
        far: {merge: linear, adapters: {ind: 0.8, mad: 0.2}}
        half: {merge: linear, adapters: {ind: 0.5, mad: 0.5}}
        mean: {merge: linear, adapters: {near: 0.5, far: 0.5}}
        pair: {merge: linear, adapters: {ind: 0.4, mad: 0.6}}
        three_by_two: {merge: linear, adapters: {pair: 0.5, bbc: 0.5}}
        three: {merge: linear, adapters: {ind: 0.2, mad: 0.3, bbc: 0.5}}
        """,
        **{name: LANGUAGES[name] for name in ("ind", "mad", "bbc")},
    )
    _equal(tensors(steps["mean"]), tensors(steps["half"]), 1e-7)
    _equal(tensors(steps["three_by_two"]), tensors(steps["three"]), 1e-7)


def test_task_vectors(world: World) -> None:
    """With any adapter in the place of the initial one; it cancels where weights sum to 1."""
    steps = world.run(
        """
        plain: {merge: language_arithmetic, adapters: {ind: 0.4, mad: 0.6}}
        from_bug:
          merge: language_arithmetic
          adapters: {ind: 0.4, mad: 0.6}
          roles: {initial: bug}
        less: {merge: task_arithmetic, adapters: {ind: 0.4, mad: 0.4}, roles: {initial: bug}}
        nothing: {merge: task_arithmetic, adapters: {bug: 1}, roles: {initial: bug}}
        away: {merge: task_arithmetic, adapters: {ind: -0.7}, roles: {initial: bug}}
        back: {merge: linear, adapters: {away: 1, ind: 0.7, bug: -0.7}}
        """,
        **{name: LANGUAGES[name] for name in ("ind", "mad", "bug")},
    )
    _equal(tensors(steps["from_bug"]), tensors(steps["plain"]), 1e-6)
    _equal(tensors(steps["less"]), _combined({"ind": 0.4, "mad": 0.4, "bug": 0.2}, world), 1e-6)
    bug = tensors(world.adapter(LANGUAGES["bug"]))
    _equal(tensors(steps["nothing"]), bug, 1e-7)
    _equal(tensors(steps["back"]), bug, 1e-6)


def test_weights_that_do_not_sum_to_one_need_the_initial_adapter(world: World) -> None:
    with pytest.raises(xlmerge.XLMergeError, match=r"sum to 0\.8"):
        world.run(
            "  less: {merge: language_arithmetic, adapters: {ind: 0.4, mad: 0.4}}",
            ind=LANGUAGES["ind"],
            mad=LANGUAGES["mad"],
        )


def test_the_coupling_with_a_weight_of_its_own(world: World) -> None:
    """For Toba Batak nearly all the harm of a swap sits in the invertible part."""
    merged = world.run(
        """
        between:
          merge: language_arithmetic
          adapters:
            ind: {invertible: 1.0, default: 0.5}
            bbc: {invertible: 0.0, default: 0.5}
        """,
        ind=LANGUAGES["ind"],
        bbc=LANGUAGES["bbc"],
    )["between"]
    ind, half = tensors(world.adapter(LANGUAGES["ind"])), _combined({"ind": 0.5, "bbc": 0.5}, world)
    for key, tensor in tensors(merged).items():
        expected = ind[key] if "invertible" in key else half[key]
        torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-7)


def test_saved_again_by_the_library_the_file_is_the_same(world: World, tmp_path: Path) -> None:
    merged = world.run(
        "  between: {merge: language_arithmetic, adapters: {ind: 0.4, mad: 0.6}}",
        ind=LANGUAGES["ind"],
        mad=LANGUAGES["mad"],
    )["between"]
    model = world.encoder()
    model.save_adapter(str(tmp_path / "again"), load(model, merged, "merged"))
    _equal(tensors(tmp_path / "again"), _without_prefix(tensors(merged)))


def _without_prefix(found: dict[str, Any]) -> dict[str, Any]:
    """The merge has the prefix of its inputs, which were saved from a model with a head."""
    return {key.removeprefix("roberta."): tensor for key, tensor in found.items()}


def test_four_tensors_a_layer_and_eight_of_the_coupling(world: World) -> None:
    merged = world.run(
        "  between: {merge: language_arithmetic, adapters: {ind: 0.4, mad: 0.6}}",
        ind=LANGUAGES["ind"],
        mad=LANGUAGES["mad"],
    )["between"]
    with xlmerge.load(merged) as state:
        parts = [parameter.part for parameter in state.parameters.values()]
        assert (parts.count("bottleneck"), parts.count("invertible")) == (4 * 4, 8)
        layers = {parameter.layer for parameter in state.parameters.values()}
        assert layers == {None, 0, 1, 2, 3}
        width, factor, layers_with = 256, 2, 4
        inner = width // factor
        numbers = layers_with * (2 * width * inner + inner + width)
        half = width // 2
        numbers += 2 * (2 * half * (half // 2) + half // 2 + half)
        assert sum(array.size for array in state.values()) == numbers


def test_a_permuted_copy_does_the_same_and_averages_to_something_else(
    world: World, tmp_path: Path
) -> None:
    """Why language adapters have to share their initial values."""
    source, copy = world.adapter(LANGUAGES["ind"]), tmp_path / "permuted"
    shutil.copytree(source, copy)
    stored = torch.load(source / "pytorch_adapter.bin", weights_only=True)
    for key in list(stored):
        if key.endswith("adapter_down.0.weight"):
            stem = key.removesuffix("adapter_down.0.weight")
            order = torch.arange(len(stored[key]) - 1, -1, -1)
            stored[key] = stored[key][order]
            stored[f"{stem}adapter_down.0.bias"] = stored[f"{stem}adapter_down.0.bias"][order]
            stored[f"{stem}adapter_up.weight"] = stored[f"{stem}adapter_up.weight"][:, order]
    (copy / "pytorch_adapter.bin").chmod(0o644)
    torch.save(stored, copy / "pytorch_adapter.bin")
    merged = world.run(
        "  average: {merge: linear, adapters: {ind: 0.5, permuted: 0.5}}",
        ind=LANGUAGES["ind"],
        permuted=copy,
    )["average"]
    model = world.encoder()
    batch = world.text("ind")
    places = {"ind": source, "permuted": copy, "average": merged}
    ind, permuted, average = (
        _hidden(model, load(model, folder, name), batch) for name, folder in places.items()
    )
    torch.testing.assert_close(permuted, ind, rtol=0, atol=1e-5)
    assert (average - ind).abs().max() > 0.1


def _configured(world: World, folder: Path, **settings: object) -> Path:
    """A copy of the Madurese adapter that says something else of itself."""
    shutil.copytree(world.adapter(LANGUAGES["mad"]), folder)
    path = folder / "adapter_config.json"
    document = json.loads(path.read_text())
    for key, value in settings.items():
        (document if key in document else document["config"])[key] = value
    path.chmod(0o644)
    path.write_text(json.dumps(document))
    return folder


REJECTED = {
    "non_linearity": ("gelu", "different bottleneck.non_linearity"),
    "reduction_factor": (16, "a bottleneck of 16 units, the tensors have 128"),
    "inv_adapter": (None, "coupling networks of a NICE adapter"),
    "leave_out": ([3], "tensors for layer 3"),
    "model_name": ("bert-base-multilingual-cased", "trained on 'bert-base-multilingual-cased'"),
    "model_type": ("bert", "different model type"),
}


@pytest.mark.parametrize("setting", REJECTED)
def test_what_does_not_fit_is_refused(setting: str, world: World, tmp_path: Path) -> None:
    value, message = REJECTED[setting]
    other = _configured(world, tmp_path / "other", **{setting: value})
    with pytest.raises(xlmerge.XLMergeError, match=message):
        world.run(
            "  between: {merge: linear, adapters: {ind: 0.5, other: 0.5}}",
            ind=LANGUAGES["ind"],
            other=other,
        )
    assert not (world.folder / "recipe" / "between").exists()


def test_what_is_not_a_number_is_refused(world: World, tmp_path: Path) -> None:
    other = _configured(world, tmp_path / "other")
    file = other / "pytorch_adapter.bin"
    stored = torch.load(file, weights_only=True)
    next(iter(stored.values()))[0] = float("nan")
    file.chmod(0o644)
    torch.save(stored, file)
    with pytest.raises(xlmerge.XLMergeError, match="NaN or infinite"):
        world.run(
            "  between: {merge: linear, adapters: {ind: 0.5, other: 0.5}}",
            ind=LANGUAGES["ind"],
            other=other,
        )
    assert not (world.folder / "recipe" / "between").exists()


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("slerp", "t: 0.3"),
        ("slerp", "t: 0.3, scope: adapter"),
        ("ties", "density: 0.3"),
        ("dare", "drop_rate: 0.5"),
    ],
)
@pytest.mark.parametrize("kind", ["language", "lora"])
def test_every_method_writes_what_the_library_loads(
    method: str, parameters: str, kind: str, world: World
) -> None:
    """Adapters of both kinds through all methods, run on text."""
    weights = "{one: 0.5, two: 0.5}" if method == "dare" else "[one, two]"
    if kind == "lora":
        pair = {"one": "peft-lora-emot-ind", "two": "peft-lora-emot-jav"}
        parameters += ", rank: 8" if method in {"ties", "dare"} else ""
    else:
        pair = {"one": LANGUAGES["ind"], "two": LANGUAGES["jav"]}
    merged = world.run(
        f"  out: {{merge: {method}, adapters: {weights}, with: {{{parameters}}}"
        + (", heads: mean}" if kind == "lora" else "}"),
        **pair,
    )["out"]
    batch = world.text("jav", 4)
    if kind == "lora":
        with torch.no_grad():
            found = world.classifier(merged, 5)(**batch).logits
    else:
        model = world.encoder()
        found = _hidden(model, load(model, merged, "merged"), batch)
    assert torch.isfinite(found).all()
    assert found.std() > 1e-2
