"""The adapter architectures of both libraries and the common merge methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xlmerge.plugin import AdapterArchitecture, MergeMethod

xlmerge_api_version = 0


@hookimpl
def xlmerge_adapter_architectures() -> Iterable[AdapterArchitecture]:
    """Bottleneck, LoRA, (IA)³, prefix, head, and the kinds that are refused."""
    from xlmerge_standard.architectures.bottleneck import bottleneck
    from xlmerge_standard.architectures.head import head
    from xlmerge_standard.architectures.ia3 import ia3
    from xlmerge_standard.architectures.lora import lora
    from xlmerge_standard.architectures.prefix import prefix
    from xlmerge_standard.architectures.unsupported import unsupported

    return [bottleneck, lora, ia3, prefix, head, unsupported]


@hookimpl
def xlmerge_merge_methods() -> Iterable[MergeMethod]:
    """Linear, task arithmetic, SLERP, TIES, DARE."""
    from xlmerge_standard.merges.dare import dare
    from xlmerge_standard.merges.linear import linear
    from xlmerge_standard.merges.slerp import slerp
    from xlmerge_standard.merges.task_arithmetic import task_arithmetic
    from xlmerge_standard.merges.ties import ties

    return [linear, task_arithmetic, slerp, ties, dare]
