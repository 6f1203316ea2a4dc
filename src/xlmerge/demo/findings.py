"""What the scores show, in sentences made from the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xlmerge.demo.recipe import BASELINE, HALF, NONE, OWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["findings"]


def findings(table: Mapping[str, Any], read: Sequence[str]) -> list[str]:
    """A sentence for each target language, then what holds for all of them.

    Args:
        table: ``table.json`` of the evaluation.
        read: Languages whose text the base model was pre-trained on.
    """
    scores = {(each["row"], each["column"]): each for each in table["scores"]}
    lines = []
    for language in table["columns"]:
        kind = "read by the base model" if language in read else "new to the base model"
        lines.append(f"{language} ({kind}): {_swap(scores, language)}")
    lines.append(_arithmetic(scores, table["columns"]))
    lines.append(_without(scores, table["columns"]))
    return [*lines, _limits(table)]


def _swap(scores: Mapping[tuple[str, str], Mapping[str, Any]], language: str) -> str:
    own, source = scores[OWN, language], scores[BASELINE, language]
    better, of = _wins(own["seeds"], source["seeds"])
    difference = own["difference"]
    low, high = difference["interval"]
    if low > 0:
        verdict = "more than chance in the choice of test phrases explains"
    elif high < 0:
        verdict = "a loss, more than chance in the choice of test phrases explains"
    else:
        verdict = "the interval holds 0, so these test phrases do not tell which is better"
    return (
        f"the swap to its own adapter scored higher than the source's in {better} of {of} seeds; "
        f"mean difference {difference['value']:+.1f} points, 95 % interval {low:+.1f} to "
        f"{high:+.1f}: {verdict}."
    )


def _arithmetic(
    scores: Mapping[tuple[str, str], Mapping[str, Any]], languages: Sequence[str]
) -> str:
    best = [
        language
        for language in languages
        if scores[HALF, language]["mean"]
        > max(scores[OWN, language]["mean"], scores[BASELINE, language]["mean"])
    ]
    worst = [
        language
        for language in languages
        if scores[HALF, language]["mean"]
        < min(scores[OWN, language]["mean"], scores[BASELINE, language]["mean"])
    ]
    between = [language for language in languages if language not in {*best, *worst}]
    said = [
        f"{words} for {', '.join(found)}"
        for words, found in (
            ("better than both", best),
            ("between the two", between),
            ("worse than both", worst),
        )
        if found
    ]
    return f"Language arithmetic (half and half), against the two it is made of: {'; '.join(said)}."


def _without(scores: Mapping[tuple[str, str], Mapping[str, Any]], languages: Sequence[str]) -> str:
    gains = {
        language: scores[OWN, language]["mean"] - scores[NONE, language]["mean"]
        for language in languages
    }
    said = ", ".join(f"{gain:+.1f} for {language}" for language, gain in gains.items())
    return f"Against no language adapter at all, the target's own makes {said}."


def _limits(table: Mapping[str, Any]) -> str:
    counts = {len(each["seeds"]) for each in table["scores"]}
    rows = sorted({each["test_rows"] for each in table["scores"]})
    phrases = str(rows[0]) if len(rows) == 1 else f"{rows[0]} to {rows[-1]}"
    return (
        f"These are {max(counts)} seeds of the adapters on one base model of a toy's size, and "
        f"{phrases} short phrases a language. The intervals speak of the phrases, not of other "
        "base models, languages or tasks: it is a picture of the method, no measurement of it."
    )


def _wins(first: Mapping[str, float], second: Mapping[str, float]) -> tuple[int, int]:
    """In how many of the seeds that both have the first is better."""
    both = [seed for seed in first if seed in second]
    return sum(first[seed] > second[seed] for seed in both), len(both)
