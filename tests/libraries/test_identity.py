"""One adapter at weight 1 is the same adapter, to the library that loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytestmark = pytest.mark.libraries
torch = pytest.importorskip("torch")
pytest.importorskip("adapters")

from . import tiny  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

CONTAINERS = ("bin", "safetensors")


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_identity_from_a_model_with_a_head(
    architecture: str, kind: str, container: str, tmp_path: Path
) -> None:
    safe = container == "safetensors" and kind not in tiny.SHARES_TENSORS
    model = tiny.head_model(architecture)
    tiny.add_adapter(model, "mine", tiny.KINDS[kind](), seed=1, labels=3)
    expected = tiny.outputs(model, "mine")
    model.save_adapter(str(tmp_path / "mine"), "mine", use_safetensors=safe)

    out = tiny.merge("linear", [tmp_path / "mine"], [1.0], tmp_path / "merged", format=container)

    plain = tiny.head_model(architecture)
    name = tiny.load(plain, out)
    assert name == "merged"
    tiny.close(tiny.outputs(plain, name), expected)
