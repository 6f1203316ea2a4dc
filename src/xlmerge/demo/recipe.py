"""The recipe of the demonstration, as a user would write it, and what to say of each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlmerge.demo.phrasebook import KINDS
from xlmerge.demo.settings import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.demo.settings import Settings

__all__ = ["BASELINE", "HALF", "NONE", "OWN", "TABLE", "Section", "recipe_text", "sections"]

NONE = "no language adapter"
BASELINE = "source language adapter"
HALF = "half source, half target"
OWN = "target language adapter"
TABLE = "transfer"
"""Name of the step whose table the demonstration ends with."""


@dataclass(frozen=True, slots=True)
class Section:
    """A piece of the recipe.

    Attributes:
        step: Name of the step it defines; empty for what stands before the steps.
        explanation: What it does and why, for people.
        yaml: The piece itself.
    """

    step: str
    explanation: str
    yaml: str


def recipe_text(settings: Settings) -> str:
    """The whole file."""
    parts = sections(settings)
    head, steps = parts[0], parts[1:]
    return head.yaml + "\nsteps:\n" + "\n".join(section.yaml for section in steps)


def sections(settings: Settings) -> list[Section]:
    """What stands before the steps, then each step."""
    languages, targets = _list(settings.languages), _list(settings.targets)
    seeds = _list(settings.seeds)
    return [
        Section("", _BEFORE, _head()),
        Section(
            "language",
            _LANGUAGE,
            f"""\
  language:
    for_each: {{language: {languages}}}
    train: language_adapter
    task: {{masked_lm: {{max_length: 64, mask_probability: 0.25, packing: false}}}}
    data: text
    adapter: madx_language
    with:
      steps: {settings.language_steps}
      batch_size: 32
      learning_rate: 0.003
      evaluate_every: {settings.language_steps}
      seed: {settings.seed}
""",
        ),
        Section(
            "types",
            _TYPES,
            f"""\
  types:
    for_each: {{seed: {seeds}}}
    train: task_adapter
    task: {{sequence_classification: {{pooling: mean, max_length: 32}}}}
    on: language/{SOURCE}
    data: {{train: phrases/{SOURCE}}}
    adapter: {{config: seq_bn, reduction_factor: 2}}
    with: {{steps: {settings.task_steps}, learning_rate: 0.003, batch_size: 32, seed: <seed>}}
""",
        ),
        Section(
            "half",
            _HALF,
            f"""\
  half:
    for_each: {{language: {targets}}}
    merge: language_arithmetic
    adapters: {{language/{SOURCE}: 0.5, language: 0.5}}
""",
        ),
        Section(
            TABLE,
            _TABLE,
            f"""\
  {TABLE}:
    for_each: {{language: {targets}, seed: {seeds}}}
    evaluate: {{sequence_classification: {{pooling: mean, max_length: 32}}}}
    data: phrases
    rows:
      {NONE}: types
      {BASELINE}: {{stack: [language/{SOURCE}, types]}}
      {HALF}: {{stack: [half, types]}}
      {OWN}: {{stack: [language, types]}}
    baseline: {BASELINE}
""",
        ),
    ]


def _head() -> str:
    return f"""\
# What `xlmerge demo` does, as a recipe. `xlmerge run recipe.yaml` does it again.
version: 1
base_model: base

datasets:
  text: {{path: text/<language>.txt, format: text}}
  phrases:
    path: data
    files: {{train: <language>-train.csv, test: <language>-test.csv}}
    labels: {_list(KINDS)}
"""


def _list(values: Iterable[object]) -> str:
    return f"[{', '.join(map(str, values))}]"


_BEFORE = """\
The base model is the small one that was made just now. Each language has lines of text without \
labels, and phrases with their type."""

_LANGUAGE = """\
A language adapter for each language, from its text alone: masked tokens have to be guessed. The \
base model stays as it is. All languages start from the same weights, so that their adapters can \
be averaged later."""

_TYPES = f"""\
A task adapter on top of the frozen adapter of the source language ({SOURCE}), the only one with \
labels: it learns to tell the type of a phrase."""

_HALF = """\
Language arithmetic: the mean of the source's and the target's language adapter, weight by \
weight. Nothing is trained."""

_TABLE = """\
The transfer table: the task adapter on phrases of languages it has seen no label in, over \
different language adapters. What is swapped is the language adapter; nothing is trained."""
