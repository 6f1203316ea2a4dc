"""Kinds of adapters that are recognised and refused, each with its reason.

What is refused here can still be merged by a plugin that covers its tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlmerge.plugin import AdapterArchitecture, FileHalf

from .refusals import refuse

if TYPE_CHECKING:
    from xlmerge.plugin import Claim, FolderHeader

_ADAPTERS = {
    "union": "it holds several methods in one adapter (UniPELT, MAM, a union)",
    "prompt_tuning": "soft prompts are not merged by this version",
    "reft": "each adapter acts in a subspace of its own, which has no sum with another's",
    "mtl_lora": "its task-specific matrices stand between the factors of its deltas",
}
_ADAPTERS_HINT = "train the methods as adapters of their own, and stack them"

_PEFT = {
    "ADALORA": "its singular values are switched on and off by a mask that the file does not hold",
    "LOHA": "its delta is an element-wise product, and the sum of two such products is none",
    "LOKR": "its delta is a Kronecker product, and the sum of two such products is none",
    "VERA": "it scales random matrices that all adapters of one seed share",
    "OFT": "it rotates weights, and the sum of two rotations is none",
    "BOFT": "it rotates weights, and the sum of two rotations is none",
    "HRA": "it reflects weights, and the sum of two reflections is none",
    "LN_TUNING": "it replaces layer norms of the base model",
    "PROMPT_TUNING": "soft prompts are not merged by this version",
    "P_TUNING": "soft prompts are not merged by this version",
}
# Where `supports_lora_conversion` is true in PEFT 0.21.
_CONVERTIBLE = frozenset(
    {"C3A", "DELORA", "FOURIERFT", "HIRA", "LOHA", "LOKR", "MISS", "RANDLORA", "SHIRA"}
    | {"TINYLORA", "UNILORA", "VBLORA", "VERA", "WAVEFT"}
)
_COVERED = ("LORA", "IA3", "PREFIX_TUNING")


def _claim_adapters(header: FolderHeader) -> Claim | None:
    """Refuse by the method's name."""
    kind = header.config.get("architecture")
    if isinstance(kind, str) and kind in _ADAPTERS:
        hint = _ADAPTERS_HINT if kind == "union" else None
        raise refuse(header, "architecture", _ADAPTERS[kind], hint)
    return None


def _claim_peft(header: FolderHeader) -> Claim | None:
    """Refuse by the method's name; one that is not listed may be a plugin's own."""
    kind = header.config.get("peft_type")
    if kind not in _PEFT and kind not in _CONVERTIBLE:
        return None
    default = f"of PEFT's methods this version merges {', '.join(_COVERED)}"
    hint = (
        "`peft.convert_to_lora` makes a LoRA of it, which can be merged"
        if kind in _CONVERTIBLE
        else None
    )
    raise refuse(header, "peft_type", _PEFT.get(str(kind), default), hint)


unsupported = AdapterArchitecture(
    name="unsupported",
    summary="Kinds of adapters that are recognised and refused, each with its reason.",
    source="the list of methods of adapters 1.3 and PEFT 0.21",
    files=(
        FileHalf(format="adapters", claim=_claim_adapters),
        FileHalf(format="peft", claim=_claim_peft),
    ),
)
