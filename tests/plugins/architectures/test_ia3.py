"""(IA)³ by its tensors."""

from __future__ import annotations

from typing import Any

import pytest

from xlmerge.errors import UnsupportedAdapterError
from xlmerge_standard.architectures.ia3 import ia3

ADAPTERS, PEFT = (ia3.half(library) for library in ("adapters", "peft"))
OURS = {"architecture": "lora", "composition_mode": "scale", "r": 1}


def test_a_scale_is_part_of_the_vector(header: Any) -> None:
    """`adapters` multiplies by alpha times the vector."""
    np = pytest.importorskip("numpy")
    assert ADAPTERS is not None
    key = "encoder.layer.0.attention.self.key.loras.{name}.lora_B"
    [bundle] = ADAPTERS.claim(header("adapters", OURS | {"alpha": 4}, {key: (3, 1)})).bundles
    [parameter] = bundle.parameters
    assert (parameter.layer, parameter.site) == (0, "attention.self.key")
    stored = np.array([[0.25], [0.5], [1.0]])
    points = ADAPTERS.decode(bundle, {"lora_B": stored})
    assert points[parameter.name].flatten().tolist() == [1.0, 2.0, 4.0]
    assert (ADAPTERS.encode(bundle, points, {})["lora_B"] == stored).all()


def test_a_matrix_is_no_vector(header: Any) -> None:
    assert PEFT is not None
    folder = header("peft", {"peft_type": "IA3"}, {"layers.0.k_proj.ia3_l": (3, 2)})
    with pytest.raises(UnsupportedAdapterError, match=r"expected a vector.*found \(3, 2\)"):
        PEFT.claim(folder)


def test_vectors_of_another_adapter(header: Any) -> None:
    assert PEFT is not None
    shapes = {"layers.0.k_proj.ia3_l": (3, 1), "layers.0.k_proj.ia3_l.other": (3, 1)}
    with pytest.raises(UnsupportedAdapterError, match="belongs to another adapter, 'other'"):
        PEFT.claim(header("peft", {"peft_type": "IA3"}, shapes))
