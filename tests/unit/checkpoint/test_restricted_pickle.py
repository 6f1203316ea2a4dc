"""The pickle reader does what plain tensors need and, whatever it is fed, nothing else."""

from __future__ import annotations

import collections
import functools
import io
import os
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xlmerge.checkpoint import restricted_pickle
from xlmerge.checkpoint.pickle_refusals import PickleRefusedError
from xlmerge.checkpoint.restricted_pickle import Global, read_pickle
from xlmerge.errors import CheckpointError

PATH = Path("adapter.bin")
VOCABULARY = {("collections", "OrderedDict"): lambda *_: {}, ("torch", "Size"): lambda size: size}


def read(data: bytes, **options: Any) -> Any:
    return read_pickle(PATH, io.BytesIO(data), options.pop("vocabulary", VOCABULARY), **options)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.text(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(value=plain, protocol=st.integers(2, 5))
@example(value=[0, 255, 256, 65535, 65536, 2**31 - 1, 2**31, -1, -(2**31)], protocol=2)
@example(value=list(range(2500)), protocol=4)
def test_reads_what_pickle_writes(value: object, protocol: int) -> None:
    found = read(pickle.dumps(value, protocol))
    assert found == value
    assert repr(found) == repr(value)  # 1 and True are equal


def test_shared_and_recursive_values() -> None:
    shared = ["x"]
    loop: list[Any] = [shared, shared]
    loop.append(loop)
    found = read(pickle.dumps(loop, 2))
    assert found[0] is found[1]
    assert found[2] is found


def test_one_pickle_after_another() -> None:
    stream = io.BytesIO(pickle.dumps("first", 2) + pickle.dumps("second", 2) + b"rest")
    assert read_pickle(PATH, stream, {}) == "first"
    assert read_pickle(PATH, stream, {}) == "second"
    assert stream.read() == b"rest"


def test_an_ordered_dict_may_carry_attributes() -> None:
    state: Any = collections.OrderedDict(a=1, b=2)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    assert read(pickle.dumps(state, 2)) == {"a": 1, "b": 2}


def test_globals_and_persistent_ids_go_through_the_given_functions() -> None:
    data = b"\x80\x02(X\x04\x00\x00\x00kindctorch\nSize\ntQ."
    seen = read(data, persistent=lambda reference: reference)
    assert seen[0] == "kind"
    assert isinstance(seen[1], Global)
    assert (seen[1].module, seen[1].name) == ("torch", "Size")


class Reduce:
    """Pickles as a call of anything."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


TOUCH = "touch /tmp/xlmerge-was-here"
ATTACKS = {
    "os.system": (Reduce(os.system, (TOUCH,)), f"{os.system.__module__}.system"),
    "exec": (Reduce(exec, ("raise SystemExit",)), "builtins.exec"),
    "eval": (Reduce(eval, ("1/0",)), "builtins.eval"),
    "getattr": (Reduce(getattr, ("", "upper")), "builtins.getattr"),
    "nested": (
        {"w": [Reduce(collections.OrderedDict, ()), Reduce(eval, ("1/0",))]},
        "builtins.eval",
    ),
    "as argument": (
        Reduce(collections.OrderedDict, ([("a", Reduce(eval, ("1/0",)))],)),
        "builtins.eval",
    ),
    "partial": (functools.partial(eval, "1/0"), "functools.partial"),
    "path": (Path("x"), "pathlib"),
    "bytes": (b"abc", "_codecs.encode"),
    "set": ({1}, "builtins.set"),
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("attack", ATTACKS)
def test_refuses_every_other_name(attack: str, protocol: int) -> None:
    value, name = ATTACKS[attack]
    if protocol > 2 and attack in {"bytes", "set"}:
        return  # these have instructions of their own, refused below
    with pytest.raises(CheckpointError) as caught:
        read(pickle.dumps(value, protocol))
    assert name in caught.value.message
    assert "would run code" in caught.value.message
    assert "unless you trust" in (caught.value.hint or "")
    assert not Path(TOUCH.split()[1]).exists()


GLOBAL = b"ccollections\nOrderedDict\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"cos\nsystem\n(S'x'\ntR.", "os.system"),
        (b"(S'x'\nios\nsystem\n.", "instruction b'S'"),
        (b"(ios\nsystem\n.", "os.system"),
        (b"\x80\x02\x82\x01.", "extension"),
        (b"\x80\x02\x83\x01\x00.", "extension"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "extension"),
        (b"\x80\x02" + GLOBAL + b")\x81.", "object of a class"),
        (b"\x80\x04" + GLOBAL + b")}\x92.", "object of a class"),
        (b"\x80\x02(" + GLOBAL + b"o.", "object of a class"),
        (b"\x80\x02" + GLOBAL + b"}b.", "state of an object"),
        (b"\x80\x02" + GLOBAL + b")R)b.", "state of an object"),
        (b"\x80\x02}b.", "state of an object"),
        (b"\x80\x02)Q.", "refers to data"),
        (b"\x80\x02Px\n.", "instruction b'P'"),
        (b"\x80\x02K\x01)R.", "calls what is not a function"),
        (b"\x80\x02" + GLOBAL + b"]R.", "calls what is not a function"),
        (b"\x80\x02}K\x01K\x02s.", "key of type int"),
        (b"\x80\x02})K\x02s.", "key of type tuple"),
        (b"\x80\x02}(K\x01u.", "fills what is not"),
        (b"\x80\x02K\x01(u.", "fills what is not"),
        (b"\x80\x02K\x01K\x01a.", "appends to"),
        (b"\x80\x02h\x07.", "repeats what was never there"),
        (b"\x80\x02t.", "mark that is not there"),
        (b"\x80\x02.", "value that is not there"),
        (b"\x80\x02\x87.", "value that is not there"),
        (b"\x80\x06N.", "protocol 6"),
        (b"\x80\x04C\x03abc.", "instruction b'C'"),
        (b"\x80\x04\x8f.", r"instruction b'\x8f'"),
        (b"\x80\x02X\x02\x00\x00\x00\xff\xff.", "not UTF-8"),
        (b"\x80\x02X\xff\xff\xff\x7fabc", "longer than"),
        (b"\x80\x02cos", "a name has no end"),
        (b"\x80\x02c" + b"a" * 2000, "a name has no end"),
        (b"\x80\x04K\x01K\x01\x93.", "a name is not a text"),
        (b"", "cut off"),
        (b"\x80\x02X\x05\x00\x00\x00ab", "cut off"),
    ],
)
def test_refuses(data: bytes, reason: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read(data)
    assert reason in caught.value.message
    assert caught.value.message.startswith(f"{PATH}: ")
    assert caught.value.hint


@pytest.mark.parametrize(
    "name",
    ["_rebuild_sparse_tensor", "_rebuild_qtensor", "_rebuild_meta_tensor_no_storage"],
)
def test_other_kinds_of_tensor_are_not_called_code(name: str) -> None:
    with pytest.raises(
        CheckpointError, match=f"tensor of the kind 'torch._utils.{name}'"
    ) as caught:
        read(b"\x80\x02ctorch._utils\n" + name.encode() + b"\n.")
    assert "run code" not in caught.value.message


def test_a_name_cannot_forge_the_message() -> None:
    with pytest.raises(CheckpointError) as caught:
        read(b"\x80\x02cos\x1b[2J\nsystem\r\n.")
    assert "\x1b" not in caught.value.message
    assert "\r" not in caught.value.message


def test_refused_arguments_name_the_file() -> None:
    def picky(*_: object) -> object:
        raise PickleRefusedError("no such size", "next")

    with pytest.raises(CheckpointError, match=r"adapter\.bin: no such size") as caught:
        read(b"\x80\x02ctorch\nSize\n)R.", vocabulary={("torch", "Size"): picky})
    assert caught.value.hint == "next"


def test_nesting_costs_no_recursion() -> None:
    found = read(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    depth = 0
    while found:
        (found,) = found
        depth += 1
    assert depth == 99_999


def test_a_doubling_tuple_is_never_walked() -> None:
    # 2^60 leaves by reference; to hash, compare or print it would take for ever.
    bomb = b")" + b"".join(b"q%ch%c\x86" % (index, index) for index in range(60))
    start = time.monotonic()
    assert isinstance(read(b"\x80\x02" + bomb + b"."), tuple)
    with pytest.raises(CheckpointError, match="key of type tuple"):
        read(b"\x80\x02}" + bomb + b"Ns.")
    with pytest.raises(CheckpointError, match="a name is not a text"):
        read(b"\x80\x04" + bomb + b"N\x93.")
    assert time.monotonic() - start < 5


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restricted_pickle, "_MAX_STEPS", 100)
    with pytest.raises(CheckpointError, match="more than 100 steps"):
        read(b"\x80\x02" + b"N" * 100 + b".")
    monkeypatch.setattr(restricted_pickle, "MAX_BYTES", 50)
    with pytest.raises(CheckpointError, match="longer than 50 bytes"):
        read(b"\x80\x02" + b"N" * 60 + b".")


SEED = pickle.dumps(
    {"a": (1, [2, "three"]), "b": collections.OrderedDict(x=None), "c": 2**40}, protocol=2
)


@given(data=st.binary(max_size=40) | st.binary(max_size=40).map(b"\x80\x02".__add__))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read(data)
    except CheckpointError as error:
        assert error.hint  # noqa: PT017


@given(at=st.integers(0, len(SEED) - 1), byte=st.integers(0, 255))
def test_any_changed_byte_is_read_or_refused(at: int, byte: int) -> None:
    try:
        read(SEED[:at] + bytes((byte,)) + SEED[at + 1 :])
    except CheckpointError as error:
        assert error.hint  # noqa: PT017


def test_every_truncation_is_refused() -> None:
    for size in range(len(SEED)):
        with pytest.raises(CheckpointError):
            read(SEED[:size])
