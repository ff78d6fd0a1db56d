"""Pickles are known by their opcodes, in every protocol, and text is not taken for one."""

import os
import pickle
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import modelsync
from modelsync.content.pickles import MAX_STEPS, verdict
from modelsync.content.view import View, of_bytes


class Runs:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("true",)


# Lines that one of CPython's unpicklers takes for a number, or for an index of its memo.
NUMBERS = [
    *(b"I\x00\n", b"I5\x00rubbish\n", b"I5 \n", b"I5\r\n", b"I0b1\n", b"I" + b" " * 5000 + b"5\n"),
    *(b"L0x10L\n", b"L5 \n", b"L0b1\n", b"L-0X1fL\n", b"L0o7\n", b"L5\x00rubbish\n"),
    *(b"Finfinity\n", b"FINF\n", b"FNaN\n", b"F1\0x\n", b"F5 \n", b"F1_0.5_0\n", b"F1e1_0\n"),
    *(b"Np+1\n", b"Np 1\n", b"Np1_0\n", b"Np1\x00x\n", b"Np" + b"0" * 30 + b"1\n", b"Np1\ng+1\n0"),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Runs),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.integers(0, 5))
def test_each_pickle_of_each_protocol_is_known(value: object, protocol: int) -> None:
    """Whatever is pickled, in whatever protocol, is seen."""
    assert verdict(of_bytes(pickle.dumps(value, protocol))) == "pickle"


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cos\nsystem\n(S'true'\ntR then anything",
        b"(S'true'\nios\nsystem\n.",
        b"(cos\nsystem\nX\x04\0\0\0trueo.",
        b"N.cos\nsystem\n(S'true'\ntR.",
        b"V" + b"x" * 200_000 + b"\n0cos\nsystem\n(S'true'\ntR.",
        b"N0" * MAX_STEPS + b"cos\nsystem\n(S'true'\ntR.",
        b"X\x00\x00\x01\x00" + bytes(65536) + b"0cos\nsystem\n(S'true'\ntR.",
        b"GGUF\x03\x00\x00\x00\x000cos\nsystem\n(S'true'\ntR.",
        bytes.fromhex("80028a0a6cfc9c46f9206aa850192e"),
        *(line + b"0cos\nsystem\n(S'true'\ntR." for line in NUMBERS),
    ],
)
def test_pickles_that_hide_are_known(data: bytes) -> None:
    """Neither rubbish behind it, nor long strings, nor many opcodes before it hide a call."""
    assert verdict(of_bytes(data)) == "pickle"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"cat\ndog\nfish\n",
        b"(abc) def\n",
        b"N. America\n",
        b"Vocab\nPath\nVersion\n",
        b"copyright (c)\nPermission is hereby granted\n",
        b"I am\n",
        b"}{",
        b"\x80\x06\x95",
        b"GGUF\x03\x00\x00\x00" + (5).to_bytes(8, "little") + bytes(16),
    ],
)
def test_other_files_are_none(data: bytes) -> None:
    """Text and headers that begin like opcodes are no pickles."""
    assert verdict(of_bytes(data)) != "pickle"


def test_no_file_of_this_project_is_taken_for_one() -> None:
    """Source, documents and random bytes are no pickles."""
    folder = Path(modelsync.__file__).parent.parent
    files = [*folder.glob("*.*"), *folder.glob("*/*.py"), *folder.glob("docs/*")]
    texts = [path.read_bytes() for path in files if path.is_file()]
    assert len(texts) > 10
    for text in texts:
        for line in text.splitlines(keepends=True)[:200]:
            assert verdict(of_bytes(line * 3)) != "pickle", line
        assert verdict(of_bytes(text)) != "pickle"
    chance = random.Random(4)
    for first in range(256):
        for _ in range(20):
            data = bytes((first,)) + chance.randbytes(200)
            assert verdict(of_bytes(data)) != "pickle" or first == 0x80, data


class Marked(Exception):
    """What a pickle raises when it runs."""


def mark(_: object) -> None:
    """What a pickle calls."""
    raise Marked


@pytest.mark.parametrize("line", NUMBERS)
def test_numbers_are_those_of_an_unpickler(line: bytes) -> None:
    """Each of the lines above really lets a call be reached, in the unpickler of C or in that of Python."""
    data = line + f"0c{__name__}\nmark\n(S'x'\ntR.".encode()
    ran = []
    for load in (pickle.loads, pickle._loads):  # type: ignore[attr-defined]
        try:
            load(data)
        except Marked:
            ran.append(load)
        except (ValueError, pickle.UnpicklingError):
            pass
    assert ran


@pytest.mark.parametrize("head", [b"V" + b"x" * 1000, b"X\x00\x00\x01\x00" + bytes(1000), b"N0" * 500])
def test_a_beginning_alone_does_not_decide(head: bytes) -> None:
    """Where the rest of a packed file is not here, nobody can say that it is no pickle; nor is it waited for."""
    assert verdict(View(lambda start, end: head[start:end], 200_000)) == "cut"


def test_few_bytes_of_a_long_file_are_read() -> None:
    """A huge string is stepped over, not read."""
    read: list[int] = []

    def reader(start: int, end: int) -> bytes:
        read.append(end - start)
        at = 5 + (1 << 31)
        data = (
            b"X" + (1 << 31).to_bytes(4, "little")
            if start < 5
            else b"0cos\nsystem\n(S'true'\ntR."[start - at :]
        )
        return data[: end - start]

    assert verdict(View(reader, 5 + (1 << 31) + 24)) == "pickle"
    assert sum(read) < 1 << 20


def test_a_line_without_an_end_ends() -> None:
    """Where only the beginning of a file can be read, the search for the end of a line gives up."""
    assert verdict(View(lambda start, end: b"Vno end"[start:end], 1000)) == "cut"
