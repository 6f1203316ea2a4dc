"""MetaXL gives one result: killed or not, in parts, and shared by processes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")

from builders import tiny_training as tiny  # noqa: E402
from builders.launched import LAUNCHERS, equal, launched, logs  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS: dict[str, Any] = {
    "steps": 12,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "meta_learning_rate": 1e-2,
    "save_every": 3,
    "evaluate_every": 4,
    "log_every": 2,
}
PARTS: dict[str, dict[str, Any]] = {
    "forward_over_reverse": {"algorithm": "forward_over_reverse"},
    "split_forward": {"algorithm": "split_forward", "layers": [1]},
    "lora": {"adapter": "lora", "objective": "cosine"},
    "ia3": {"adapter": "ia3", "algorithm": "split_difference", "inner": "adam_diag"},
    "full": {"adapter": "full", "learning_rate": 1e-3},
}
WAYS: dict[str, dict[str, Any]] = {
    "double_backward": {"algorithm": "double_backward"},
    "split_difference": {"algorithm": "split_difference"},
    "cosine and adam": {"objective": "cosine", "inner": "adam_diag", "main_gradient": "fresh"},
}


def _train(base: Path, folder: Path, **options: Any) -> dict[str, Any]:
    dtype = options.pop("dtype", "float32")
    kind = options.pop("adapter", None)
    adapter = None if kind is None else tiny.named_config(kind)
    work = tiny.make_training(base, folder, "metaxl", dtype=dtype, adapter=adapter)
    tiny.run(work, "metaxl", **{**SETTINGS, **options})
    return tiny.weights(folder)


def _kinds(found: dict[str, Any]) -> set[str]:
    """Adapter, head, and the networks of both sources."""
    return {next(k for k in ("network-0", "network-1", "heads", "") if k in name) for name in found}


@pytest.mark.parametrize(
    "options",
    [{}, {"main_gradient": "fresh", "inner": "adam_diag", "layers": [1, -1], "halves": "fixed"}],
    ids=["default", "all that has a state"],
)
def test_a_killed_training_goes_on_to_the_same_bits(
    options: dict[str, Any], base: Path, tmp_path: Path
) -> None:
    """Killed between two checkpoints, and between two lines of the log."""
    whole = _train(base, tmp_path / "whole", **options)
    assert _kinds(whole) == {"network-0", "network-1", "heads", ""}
    folder = tmp_path / "killed"
    killed = launched(**SETTINGS, base=base, folder=folder, kind="metaxl", kill_at=8, **options)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not list((folder / "out").rglob("*.bin"))
    assert (folder / "scratch" / "checkpoint-000006").is_dir()
    work = tiny.make_training(base, folder, "metaxl")
    report = tiny.run(work, "metaxl", **{**SETTINGS, **options})
    assert report["resumed_from"] == 6
    assert equal(whole, tiny.weights(folder))
    one, other = logs(tmp_path / "whole", folder)
    assert one == other


def test_another_seed_gives_other_bits(base: Path, tmp_path: Path) -> None:
    one = _train(base, tmp_path / "one")
    work = tiny.make_training(base, tmp_path / "other", "metaxl", seed=1)
    tiny.run(work, "metaxl", **SETTINGS)
    assert not equal(one, tiny.weights(tmp_path / "other"))


def test_a_checkpoint_of_other_options_is_no_use(base: Path, tmp_path: Path) -> None:
    _train(base, tmp_path)
    work = tiny.make_training(base, tmp_path, "metaxl")
    report = tiny.run(work, "metaxl", **{**SETTINGS, "inner": "adam_diag"})
    assert "resumed_from" not in report


def test_the_best_state_is_the_result_with_its_networks(base: Path, tmp_path: Path) -> None:
    options = {"learning_rate": 0.3, "evaluate_every": 1, "save_every": 1}
    work = tiny.make_training(base, tmp_path, "metaxl")
    report = tiny.run(work, "metaxl", **{**SETTINGS, **options})
    best = report["best_step"]
    assert best < SETTINGS["steps"], "choose another rate: the last is the best"
    state, last = (
        torch.load(tmp_path / "scratch" / name / "trained.pt", weights_only=True)
        for name in (f"best-{best:06d}", "checkpoint-000012")
    )
    found = tiny.weights(tmp_path)
    places = [name for name in state if "network" in name]
    assert len(places) == 2 * 4
    for name, tensor in state.items():
        [same] = [t for key, t in found.items() if name.endswith(key) or key.endswith(name)]
        assert torch.equal(same, tensor), name
        assert not torch.equal(same, last[name]), name


def _close(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Equal up to rounding in float64, of which Adam and central differences leave less."""
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-8, msg=name)
    assert not equal(found, wanted), "sums round otherwise: were there parts at all?"


@pytest.mark.parametrize("way", [*WAYS, *PARTS])
def test_parts_of_a_step_add_up(way: str, base_without_dropout: Path, tmp_path: Path) -> None:
    options = {**WAYS, **PARTS}[way] | {"dtype": "float64"}
    one = _train(base_without_dropout, tmp_path / "one", **options)
    parts = _train(base_without_dropout, tmp_path / "parts", **options, gradient_accumulation=3)
    _close(parts, one)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_give_what_one_gives(
    launcher: str, way: str, base_without_dropout: Path, tmp_path: Path
) -> None:
    options = {**WAYS[way], "dtype": "float64"}
    one = _train(base_without_dropout, tmp_path / "one", **options)
    done = launched(
        *LAUNCHERS[launcher],
        **SETTINGS,
        base=base_without_dropout,
        folder=tmp_path / "two",
        kind="metaxl",
        **options,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = tiny.weights(tmp_path / "two")
    worst = max(float((found[n] - t).abs().max()) for n, t in one.items())
    print(launcher, way, worst)
    _close(found, one)


def test_an_average_at_the_end_alone_would_be_another_result() -> None:
    """Mean of the processes' hypergradients, each of its own gradients: wrong by a third."""
    from xlmerge_metaxl._modules.hypergradient import double_backward

    draw = torch.Generator().manual_seed(0)
    rows, targets, theta, phi, goal = (
        torch.randn(*shape, generator=draw, dtype=torch.float64)
        for shape in ((2, 5, 3), (2, 5, 3), (3,), (3,), (3,))
    )

    def loss(inputs: Any, main: Any) -> Any:
        return ((inputs @ main - (inputs @ goal)) ** 2).mean()

    def hypergradient(inputs: Any, direction: Any) -> Any:
        found = double_backward(
            lambda main, net: loss(inputs + torch.tanh(inputs * net["phi"]), main["theta"]),
            {"theta": theta},
            {"phi": phi},
            {"theta": direction},
        )
        return found["phi"]

    def ahead(inputs: Any) -> Any:
        main = theta.clone().requires_grad_()
        return torch.autograd.grad(loss(inputs, main), main)[0]

    whole = hypergradient(rows.flatten(0, 1), ahead(targets.flatten(0, 1)))
    first = torch.stack([ahead(one) for one in targets]).mean(0)
    averaged_before = torch.stack([hypergradient(one, first) for one in rows]).mean(0)
    torch.testing.assert_close(averaged_before, whole, rtol=1e-12, atol=0)
    pairs = zip(rows, targets, strict=True)
    at_the_end = torch.stack([hypergradient(one, ahead(other)) for one, other in pairs]).mean(0)
    assert float((at_the_end - whole).norm() / whole.norm()) > 0.1
