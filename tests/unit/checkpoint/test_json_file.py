"""JSON objects, as strictly as a library that must not guess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlmerge.checkpoint.json_file import read_json, write_json
from xlmerge.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(st.characters(codec=None)), VALUES))
def test_there_and_back(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    """Also with halves of surrogate pairs, which UTF-8 has no bytes for."""
    path = tmp_path_factory.mktemp("json") / "file.json"
    write_json(path, content)
    assert read_json(path) == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read as JSON"),
        (b"\xff", "cannot be read as JSON"),
        (b"\xef\xbb\xbf{}", "cannot be read as JSON"),
        (b"[1]", "expected a JSON object, found list"),
        (b"null", "expected a JSON object, found NoneType"),
        (b'{"a": 1, "a": 1}', "the key 'a' stands there twice"),
        (b'{"a": {"b": 1, "b": 2}}', "the key 'b' stands there twice"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"a": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", "cannot be read as JSON"),
        (b'{"a":' * 5000, "cannot be read as JSON"),
    ],
)
def test_what_is_none(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_json(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(CheckpointError, match="cannot be read as JSON"):
            read_json(path)
