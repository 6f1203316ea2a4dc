"""Named configurations are those of the library, so that a change of its defaults is noticed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from xlmerge.plugin import discover

adapters = pytest.importorskip("adapters")
from adapters.configuration import ADAPTER_CONFIG_MAP, AdapterConfig  # noqa: E402

pytestmark = pytest.mark.libraries

LIVE = {
    name: half
    for name, each in discover(strict=True).architectures.items()
    if (half := each.descriptor.live) is not None
}
CONFIGS = {
    name: config
    for half in LIVE.values()
    if half.make is None
    for name, config in half.configs.items()
}
"""Those of kinds that the library makes."""
OWN = {
    name: (architecture, config)
    for architecture, half in LIVE.items()
    if half.make is not None
    for name, config in half.configs.items()
}
"""Those of kinds that it does not know."""
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "madx_language": ("seq_bn_inv", {"reduction_factor": 2}),
    "seq_bn_affine": ("seq_bn_inv", {"reduction_factor": 2, "inv_adapter": "affine"}),
}
"""Names that the library does not have: of which they are a change, and which."""


def test_a_name_comes_once() -> None:
    assert sum(len(half.configs) for half in LIVE.values()) == len({*CONFIGS, *OWN})


def test_the_usual_kinds_have_a_name() -> None:
    assert set(CONFIGS) == {
        *OURS,
        *("seq_bn", "seq_bn_inv", "double_seq_bn", "double_seq_bn_inv", "par_bn"),
        *("lora", "ia3", "prefix_tuning", "prefix_tuning_flat"),
    }
    assert set(OWN) == {"full", "rtn", "rtn_paper"}


@pytest.mark.parametrize("name", OWN)
def test_the_library_refuses_kinds_that_it_does_not_know(name: str) -> None:
    architecture, config = OWN[name]
    assert config["architecture"] == architecture
    with pytest.raises(KeyError, match=architecture):
        AdapterConfig.load(dict(config))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_field_is_the_library_s_default(name: str) -> None:
    base, changes = OURS.get(name, (name, {}))
    assert dict(CONFIGS[name]) == {**ADAPTER_CONFIG_MAP[base].to_dict(), **changes}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_library_reads_it_back_in_full(name: str) -> None:
    read = AdapterConfig.load(dict(CONFIGS[name]))
    assert read.to_dict() == dict(CONFIGS[name])
    assert set(inspect.signature(type(read)).parameters) - {"architecture"} <= set(CONFIGS[name])
