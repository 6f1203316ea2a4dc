"""The suite for trainers notices what is wrong with a trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xlmerge import testing
from xlmerge.plugin import discover, trainer
from xlmerge.testing import TrainerCase, TrainingRun, registry_with, run_training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xlmerge.plugin import Trainer

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

ABOUT: dict[str, Any] = {
    "summary": "Wrong on purpose.",
    "source": "made up",
    "data": {"train": "rows"},
    "task": "any",
    "adapter": "seq_bn",
}


def moved(work: Any, noise: Callable[[Any], Any]) -> Any:
    """A new adapter, its numbers changed, written."""
    from xlmerge.runtime.training import staged

    with staged(work) as stage:
        with torch.no_grad():
            for parameter in stage.adapter.values():
                parameter.add_(noise(parameter))
        work.live.save_adapter(work.name, work.output, head=work.name)


def drawn(work: Any) -> Callable[[Any], Any]:
    generator = torch.Generator().manual_seed(work.seed)
    return lambda p: torch.rand(p.shape, generator=generator)


@trainer(**ABOUT)
def right(work: Any) -> None:
    moved(work, drawn(work))


@trainer(**ABOUT)
def trains_nothing(work: Any) -> None:
    moved(work, torch.zeros_like)


@trainer(**ABOUT)
def trains_the_base(work: Any) -> None:
    moved(work, drawn(work))
    with torch.no_grad():
        next(work.live.model.parameters()).add_(1)


@trainer(**ABOUT)
def leaves_its_adapter(work: Any) -> None:
    moved(work, drawn(work))
    work.live.add_adapter("left", work.adapter, seed=0)


@trainer(**ABOUT)
def writes_nothing(work: Any) -> None: ...


@trainer(**ABOUT)
def writes_infinity(work: Any) -> None:
    moved(work, lambda p: torch.full_like(p, float("inf")))


@trainer(**ABOUT)
def draws_from_the_global_state(work: Any) -> None:
    moved(work, torch.rand_like)


@trainer(**ABOUT)
def forgets_the_seed(work: Any) -> None:
    work.seed = 7
    moved(work, drawn(work))


@trainer(**ABOUT)
def reports_a_tensor(work: Any) -> None:
    moved(work, drawn(work))
    work.report["steps"] = (1, 2)


def again(run: Callable[[int], TrainingRun]) -> None:
    testing.check_same_seed_same_numbers(run(0), run(0))


def other(run: Callable[[int], TrainingRun]) -> None:
    testing.check_another_seed_gives_other_numbers(run(0), run(1))


def once(law: Callable[[TrainingRun], None]) -> Callable[[Callable[[int], TrainingRun]], None]:
    return lambda run: law(run(0))


CHANGES = once(testing.check_training_changes_the_adapter)
NOTHING_ELSE = once(testing.check_nothing_else_changes)
WHOLE = once(testing.check_a_whole_adapter_is_written)
RANDOM = once(testing.check_random_state_is_left_alone)
PLAIN = once(testing.check_report_is_plain)
LAWS = (CHANGES, NOTHING_ELSE, WHOLE, RANDOM, PLAIN, again, other)
WRONG: list[tuple[Trainer, Callable[..., None], str]] = [
    (trains_nothing, CHANGES, "trains nothing"),
    (trains_the_base, NOTHING_ELSE, "which it does not train"),
    (leaves_its_adapter, NOTHING_ELSE, "leaves .*left.* in the model"),
    (writes_nothing, WHOLE, "writes none"),
    (writes_infinity, WHOLE, "is not finite"),
    (draws_from_the_global_state, RANDOM, "global random state"),
    (draws_from_the_global_state, again, "one seed, two results"),
    (forgets_the_seed, other, "another seed gives the same"),
    (reports_a_tensor, PLAIN, "reports_a_tensor"),
]


def runner(wrong: Trainer, folder: Path) -> Callable[[int], TrainingRun]:
    registry = registry_with("trainers", wrong, discover(strict=True))
    case = TrainerCase(
        trainer=wrong,
        registry=registry,
        task=registry.task("sequence_classification").descriptor,
        data={"train": [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]},
        adapter="seq_bn",
    )
    count = iter(range(9))

    def run(seed: int) -> TrainingRun:
        place = folder / str(next(count))
        place.mkdir()
        return run_training(case, place, seed=seed)

    return run


@pytest.mark.parametrize(("wrong", "law", "words"), WRONG)
def test_caught(wrong: Trainer, law: Callable[..., None], words: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=words):
        law(runner(wrong, tmp_path))


@pytest.mark.parametrize("law", LAWS)
def test_a_right_one_is_blamed_for_nothing(law: Callable[..., None], tmp_path: Path) -> None:
    law(runner(right, tmp_path))
