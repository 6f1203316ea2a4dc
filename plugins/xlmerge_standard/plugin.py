"""The adapter architectures of both libraries, common merge methods, compositions, tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import AdapterArchitecture, CompositionRule, MergeMethod, Task, Trainer

xlmerge_api_version = 0


@hookimpl
def xlmerge_adapter_architectures() -> Iterable[AdapterArchitecture]:
    """Bottleneck, LoRA, (IA)³, prefix, full fine-tuning, head, and the kinds that are refused."""
    from xlmerge_standard.architectures.bottleneck import bottleneck
    from xlmerge_standard.architectures.full import full
    from xlmerge_standard.architectures.head import head
    from xlmerge_standard.architectures.ia3 import ia3
    from xlmerge_standard.architectures.lora import lora
    from xlmerge_standard.architectures.prefix import prefix
    from xlmerge_standard.architectures.unsupported import unsupported

    return [bottleneck, lora, ia3, prefix, full, head, unsupported]


@hookimpl
def xlmerge_merge_methods() -> Iterable[MergeMethod]:
    """Linear, task arithmetic, SLERP, TIES, DARE."""
    from xlmerge_standard.merges.dare import dare
    from xlmerge_standard.merges.linear import linear
    from xlmerge_standard.merges.slerp import slerp
    from xlmerge_standard.merges.task_arithmetic import task_arithmetic
    from xlmerge_standard.merges.ties import ties

    return [linear, task_arithmetic, slerp, ties, dare]


@hookimpl
def xlmerge_composition_rules() -> Iterable[CompositionRule]:
    """Stack, average, sum, ensemble, interpolation, fusion, and shares of a batch."""
    from xlmerge_standard.compositions.add import add
    from xlmerge_standard.compositions.average import average
    from xlmerge_standard.compositions.batch_split import batch_split
    from xlmerge_standard.compositions.ensemble import ensemble
    from xlmerge_standard.compositions.fuse import fuse
    from xlmerge_standard.compositions.interpolate import interpolate
    from xlmerge_standard.compositions.parallel import parallel
    from xlmerge_standard.compositions.split import split
    from xlmerge_standard.compositions.stack import stack

    return [stack, interpolate, add, average, fuse, parallel, split, batch_split, ensemble]


@hookimpl
def xlmerge_tasks() -> Iterable[Task]:
    """Classes of texts and tokens, answers, choices, language modelling."""
    from xlmerge_standard.tasks.causal_lm import causal_lm
    from xlmerge_standard.tasks.extractive_qa import extractive_qa
    from xlmerge_standard.tasks.masked_lm import masked_lm
    from xlmerge_standard.tasks.multiple_choice import multiple_choice
    from xlmerge_standard.tasks.sequence_classification import sequence_classification
    from xlmerge_standard.tasks.tagging import tagging
    from xlmerge_standard.tasks.token_classification import token_classification

    return [
        sequence_classification,
        token_classification,
        tagging,
        extractive_qa,
        multiple_choice,
        masked_lm,
        causal_lm,
    ]


@hookimpl
def xlmerge_trainers() -> Iterable[Trainer]:
    """Task adapters."""
    from xlmerge_standard.trainers.task_adapter import task_adapter

    return [task_adapter]
