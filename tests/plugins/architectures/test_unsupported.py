"""A refusal stands unless another architecture covers the folder."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest

from xlmerge.checkpoint.cover import cover
from xlmerge.checkpoint.folder import open_adapter_folder
from xlmerge.errors import UnsupportedAdapterError
from xlmerge.plugin import AdapterArchitecture, FileHalf, claim_by_patterns, discover
from xlmerge.plugin.registry import Catalogue, Registered, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from xlmerge.plugin import Claim, FolderHeader

pytest.importorskip("numpy")


def _folder(folder: Path, config: dict[str, object], *keys: str) -> Path:
    """A PEFT folder in which every tensor is a single number."""
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    entries = {
        f"base_model.model.{key}": {
            "dtype": "F32",
            "shape": [1, 1],
            "data_offsets": [4 * n, 4 * n + 4],
        }
        for n, key in enumerate(keys)
    }
    header = json.dumps(entries).encode()
    body = struct.pack(f"<{len(keys)}f", *range(len(keys)))
    (folder / "adapter_model.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header + body
    )
    return folder


def _with(*architectures: AdapterArchitecture) -> Registry:
    """The bundled architectures and some of a stranger."""
    installed = discover()
    ours = [installed.architecture(name) for name in installed.architectures]
    theirs = [
        Registered(descriptor=each, plugin="acme", distribution="acme", version="1")
        for each in architectures
    ]
    return Registry(
        architectures=Catalogue("adapter architecture", [*ours, *theirs]), methods=installed.methods
    )


def _claim_everything(header: FolderHeader) -> Claim | None:
    return claim_by_patterns(header, [r".+"], part="acme", config_keys=header.config)


EVERYTHING = AdapterArchitecture(
    name="everything",
    summary="Everything.",
    source="acme",
    files=(FileHalf(format="peft", claim=_claim_everything),),
)
LOHA = {"peft_type": "LOHA", "r": 1}
DORA = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "use_dora": True}


@pytest.mark.parametrize(("config", "reason"), [(LOHA, "element-wise product"), (DORA, "DoRA")])
def test_a_plugin_may_cover_what_is_refused(
    config: dict[str, object], reason: str, tmp_path: Path
) -> None:
    path = _folder(tmp_path / "mine", config, "layer.0.surprise", "layer.1.surprise")
    with (
        open_adapter_folder(path) as folder,
        pytest.raises(UnsupportedAdapterError, match=reason),
    ):
        cover(folder, discover())
    with open_adapter_folder(path) as folder:
        assert len(cover(folder, _with(EVERYTHING)).parameters()) == 2


def test_a_plugin_that_covers_less_does_not(tmp_path: Path) -> None:
    """The reason is the refusal's, not that a tensor is left over."""
    path = _folder(tmp_path / "mine", LOHA, "layer.0.surprise", "layer.1.surprise")
    half = AdapterArchitecture(
        name="half",
        summary="Half.",
        source="acme",
        files=(
            FileHalf(
                format="peft",
                claim=lambda header: claim_by_patterns(header, [r"layer\.0\..+"], part="acme"),
            ),
        ),
    )
    with (
        open_adapter_folder(path) as folder,
        pytest.raises(UnsupportedAdapterError, match="element-wise product"),
    ):
        cover(folder, _with(half))
