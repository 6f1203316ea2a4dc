"""What the scores show, in sentences made from the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from xlmerge.demo.recipe import BASELINE, HALF, NONE, OWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["findings"]

_Scores: TypeAlias = "Mapping[tuple[str, str], Mapping[str, Any]]"


def findings(table: Mapping[str, Any], read: Sequence[str]) -> list[str]:
    """A sentence for each target language, then what holds for all of them, then the limits.

    Args:
        table: ``table.json`` of the evaluation.
        read: Languages whose text the base model was pre-trained on.
    """
    scores = {(each["row"], each["column"]): each for each in table["scores"]}
    languages: Sequence[str] = table["columns"]
    swaps = []
    for language in languages:
        known = "read by the base model" if language in read else "new to the base model"
        swaps.append(f"{language} ({known}): {_swap(scores, language)}")
    places = _grouped(languages, lambda language: _place(scores, language))
    return [
        *swaps,
        f"Language arithmetic, half and half, against the two it is made of: {places}.",
        f"The target's own adapter against none: {_gains(scores, languages)}.",
        _limits(table),
    ]


def _swap(scores: _Scores, language: str) -> str:
    own, source = scores[OWN, language], scores[BASELINE, language]
    better, of = _wins(own["seeds"], source["seeds"])
    difference = own["difference"]
    low, high = difference["low"], difference["high"]
    if low > 0:
        verdict = "a gain that the choice of test phrases does not explain"
    elif high < 0:
        verdict = "a loss that the choice of test phrases does not explain"
    else:
        verdict = "undecided, other test phrases could turn it round"
    return (
        f"with its own adapter instead of the source's, the score was higher in {better} of {of} "
        f"seeds; mean difference {difference['value']:+.1f}, 95 % interval {low:+.1f} to "
        f"{high:+.1f}: {verdict}."
    )


def _wins(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[int, int]:
    """In how many of the seeds that both have the first is higher."""
    both = [seed for seed in first if seed in second]
    return sum(first[seed] > second[seed] for seed in both), len(both)


def _place(scores: _Scores, language: str) -> str:
    half, own, source = (scores[row, language]["mean"] for row in (HALF, OWN, BASELINE))
    if half > max(own, source):
        return "better than both"
    return "worse than both" if half < min(own, source) else "between them"


def _grouped(languages: Sequence[str], place: Callable[[str], str]) -> str:
    groups: dict[str, list[str]] = {}
    for language in languages:
        groups.setdefault(place(language), []).append(language)
    return "; ".join(f"{words} for {', '.join(found)}" for words, found in groups.items())


def _gains(scores: _Scores, languages: Sequence[str]) -> str:
    means = [(scores[OWN, each]["mean"] - scores[NONE, each]["mean"], each) for each in languages]
    return ", ".join(f"{gain:+.1f} for {language}" for gain, language in means)


def _limits(table: Mapping[str, Any]) -> str:
    seeds = max(len(each["seeds"]) for each in table["scores"])
    sizes = sorted({each["test_rows"] for each in table["scores"]})
    phrases = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    return (
        f"All this is {seeds} seeds of the task adapter, on one base model of a toy's size with "
        f"one adapter for each language, and {phrases} short phrases a language. The intervals "
        "speak of the phrases, not of other base models, languages or tasks: it shows how the "
        "methods work, not how good they are."
    )
