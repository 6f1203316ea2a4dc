"""Configurations and files of any content: a result, or an error of ours that left nothing."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import KINDS, document, listing, make, merge, tensor_file
from xlmerge.errors import XLMergeError

if TYPE_CHECKING:
    from pathlib import Path

ANYTHING: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 70)
    | st.just(10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "relu", "nice", "lora", "q", "(", "[", "*", "LORA", "IA3", "default"])
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
FUZZ = settings(
    max_examples=6000, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def try_to_merge(folder: Path) -> None:
    out = folder.parent / "out"
    with contextlib.suppress(XLMergeError):
        merge("linear", {folder: 0.5}, output=out, force=True)
        assert (out / "xlmerge.json").is_file()
    assert {name.partition("/")[0] for name in listing(folder.parent)} <= {"a", "out"}


@FUZZ
@given(st.data())
def test_settings(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = make(
        tmp_path_factory.mktemp("fuzz") / "a", data.draw(st.sampled_from(KINDS)), labels=2
    )
    files = [file for file in sorted(folder.iterdir()) if file.suffix == ".json"]
    file = data.draw(st.sampled_from(files))
    content = json.loads(file.read_text())
    target = content
    if "config" in content and data.draw(st.booleans()):
        target = content["config"]
    for key in data.draw(st.lists(st.sampled_from(sorted(target)), min_size=1, max_size=2)):
        if data.draw(st.booleans()):
            target.pop(key, None)
        else:
            target[key] = data.draw(ANYTHING)
    file.write_text(json.dumps(content))
    try_to_merge(folder)


@FUZZ
@given(st.data())
def test_bytes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = make(tmp_path_factory.mktemp("fuzz") / "a", data.draw(st.sampled_from(KINDS)))
    file = data.draw(st.sampled_from([tensor_file(folder), folder / "adapter_config.json"]))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                content[at] = data.draw(st.integers(0, 255))
            case "cut":
                del content[at : at + data.draw(st.integers(1, 50))]
            case _:
                content[at:at] = data.draw(st.binary(min_size=1, max_size=20))
        if not content:
            break
    file.write_bytes(content)
    try_to_merge(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_librarys_settings(tmp_path: Path, kind: str) -> None:
    """Tensors of one kind under the configuration of another are never merged on a hope."""
    folder = make(tmp_path / "a", kind)
    for other in KINDS:
        if other != kind:
            content = document(make(tmp_path / "others" / kind / other, other))
            (folder / "adapter_config.json").write_text(json.dumps(content))
            with contextlib.suppress(XLMergeError):
                merge("linear", {folder: 1.0}, output=tmp_path / other)
                # What passes is the same tensors under settings that fit them as well.
                assert {kind, other} <= {
                    "seq_bn",
                    "par_bn",
                    "peft_lora",
                    "peft_rslora",
                    "peft_lora_patterns",
                }
