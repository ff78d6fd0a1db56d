"""Tells whether bytes are a pickle. No object is made and nothing is imported.

Protocols 0 and 1 have no magic number: the opcodes are followed with a model of the unpickler's stack. Text and numbers
soon have an opcode that the unpickler would not take.

Source: `Lib/pickletools.py` of CPython, which has the opcodes with their arguments and what they do to the stack.
"""

import pickletools
import re
import struct
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from modelsync.content.view import View

Verdict: TypeAlias = Literal["pickle", "other", "cut"]

MAX_STEPS = 4096  # opcodes; what is a pickle for so long is one
MAX_LINE = 64 << 20  # bytes of an argument that ends with its line; what has a longer one counts as a pickle
_SHORT = 4096  # bytes of a line that is a number or a name
_HIGHEST = 5  # protocol
_RUNS = frozenset({"REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "BUILD", "INST"})
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
# Lines that CPython's unpicklers take, the one in C and the one in Python; of other opcodes any line. To the one in C a
# number ends at a zero byte. Both take spaces around most numbers.
_REST = rb"\s*(?:\0.*)?"
_NAME = re.compile(rb"[\w.<>\x80-\xff]+")
_INTEGER = rb"\s*[+-]?\d\w*"
_NUMBERS = {
    "INT": re.compile(rb"(?:" + _INTEGER + rb")?" + _REST, re.DOTALL),
    "LONG": re.compile(_INTEGER + _REST, re.DOTALL),
    "FLOAT": re.compile(
        rb"\s*[+-]?(?:[\d_]*\.?[\d_]*(?:e[+-]?[\d_]+)?|inf|infinity|nan)" + _REST, re.DOTALL | re.IGNORECASE
    ),
    "GET": re.compile(rb"\s*[+-]?\d[\d_]*" + _REST, re.DOTALL),
    "PUT": re.compile(rb"\s*[+-]?\d[\d_]*" + _REST, re.DOTALL),
}
_PADDED = re.compile(
    rb"[\s\dxXoO_+-]*(?:\0.*)?", re.DOTALL
)  # the beginning of a long line that may be a number
_NAMES = frozenset({"GLOBAL", "INST"})
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: "<B",
    pickletools.TAKEN_FROM_ARGUMENT4: "<i",
    pickletools.TAKEN_FROM_ARGUMENT4U: "<I",
    pickletools.TAKEN_FROM_ARGUMENT8U: "<Q",
}


class _Opcode(NamedTuple):
    """One opcode: its argument, and what it does to the stack."""

    name: str
    argument: int  # bytes, or one of the negative codes of pickletools
    lines: int
    takes: int  # items off the stack, besides those above a mark
    to_mark: bool  # whether it takes all that is above the last mark, and the mark
    gives: tuple[bool, ...]  # the items put on the stack: True is a mark


def verdict(view: View) -> Verdict:
    """Whether the bytes begin with a pickle.

    Returns:
        "cut": they are one so far, but the bytes that are here end before it does. Of a whole file nothing is run.
    """
    if not view.size or view.at(0, 1) not in _opcodes():
        return "other"  # what most files are
    return _Walk(view).run()


class _Walk:
    """Follows the opcodes of one file."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._position = 0
        self._stack: list[bool] = []  # True: a mark
        self._memo: set[int | None] = set()  # None: an index that was not made out, which may be any
        self._has_global = False
        self._stopped = False  # the last opcode ended a pickle

    def run(self) -> Verdict:
        """Walks until it is decided."""
        opcodes = _opcodes()
        has_protocol = False
        for _ in range(MAX_STEPS):
            if self._position >= self._view.size:
                return "pickle" if self._stopped else "cut"
            code = self._view.at(self._position, 1)
            opcode = opcodes.get(code)
            if not code:
                return "cut"  # of a packed file only the beginning is here
            if opcode is None:
                return "other"
            self._position += 1
            argument = self._lines(opcode) if opcode.lines else self._counted(opcode)
            if isinstance(argument, str):
                return argument
            if not self._takes(opcode, argument):
                return "other"
            if has_protocol or (opcode.name in _RUNS and (self._has_global or opcode.name == "INST")):
                return "pickle"
            has_protocol = opcode.name == "PROTO"
        return "pickle"

    def _counted(self, opcode: _Opcode) -> bytes | Verdict:
        """The argument of an opcode whose length is known or stands before it; of a long one nothing."""
        form = _LENGTHS.get(opcode.argument)
        count = opcode.argument if form is None else struct.calcsize(form)
        data = self._view.at(self._position, count)
        self._position += count
        if len(data) < count:
            return "cut"
        if form is None:
            return data
        (length,) = struct.unpack(form, data)
        if length < 0:
            return "other"
        self._position += length
        return b"" if self._position <= self._view.size else "cut"

    def _lines(self, opcode: _Opcode) -> bytes | Verdict:
        """The last of the lines that an opcode takes; of a long one the beginning."""
        line = b""
        for _ in range(opcode.lines):
            start, end = self._position, self._line_end()
            if end is None:
                return "cut" if self._view.size - start <= MAX_LINE else "pickle"
            self._position = end + 1
            line = self._view.at(start, min(end - start, _SHORT))
            is_long = end - start > _SHORT
            if opcode.name in _NAMES and (is_long or not _NAME.fullmatch(line)):
                return "other"
            number = _NUMBERS.get(opcode.name)
            if number is not None and not (line and (_PADDED if is_long else number).fullmatch(line)):
                return "other"
            if opcode.name == "STRING":
                last = self._view.at(end - 1, 1)
                if end - start < 2 or line[:1] != last or last not in (b"'", b'"'):
                    return "other"
        return line

    def _line_end(self) -> int | None:
        at = self._position
        while at < min(self._view.size, self._position + MAX_LINE):
            data = self._view.at(at, _SHORT)
            if not data:
                return None
            found = data.find(b"\n")
            if found >= 0:
                return at + found
            if not data:
                return None  # of a member that is not whole, or of which the beginning alone is here
            at += len(data)
        return None

    def _takes(self, opcode: _Opcode, argument: bytes) -> bool:
        """Does to the stack what the opcode does; False where the unpickler would refuse it."""
        name, stack = opcode.name, self._stack
        stopped, self._stopped = self._stopped, name == "STOP"
        if name == "PROTO":
            return argument[0] <= _HIGHEST
        if name == "FRAME":
            return int.from_bytes(argument, "little") <= self._view.size - self._position
        if name == "STOP":
            ends = bool(stack) and not stack[-1]
            self._stack, self._memo = [], set()
            return ends and not stopped
        if name == "POP":
            if stack:
                stack.pop()
                return True
            return False
        if name in _PUTS:
            self._memo.add(len(self._memo) if name == "MEMOIZE" else _number(name, argument))
            return bool(stack) and not stack[-1]
        if name in _GETS and not self._has(_number(name, argument)):
            return False
        if opcode.to_mark:
            if True not in stack:
                return False
            above = 0
            while not stack.pop():
                above += 1
            if name == "OBJ" and not above:
                return False
        return self._apply(opcode)

    def _has(self, index: int | None) -> bool:
        """Whether the memo may have something at an index."""
        return index in self._memo or None in self._memo or (index is None and bool(self._memo))

    def _apply(self, opcode: _Opcode) -> bool:
        stack = self._stack
        if opcode.takes:
            if len(stack) < opcode.takes or any(stack[-opcode.takes :]):
                return False
            del stack[-opcode.takes :]
        stack += opcode.gives
        if opcode.name in ("GLOBAL", "STACK_GLOBAL"):
            self._has_global = True
        return True


def _number(name: str, argument: bytes) -> int | None:
    """The index of an opcode of the memo; None where its line is too long or odd to tell."""
    if name not in ("GET", "PUT"):
        return int.from_bytes(argument, "little")
    try:
        return int(argument.partition(b"\0")[0]) if len(argument) < _SHORT else None
    except ValueError:
        return None


@cache
def _opcodes() -> dict[bytes, _Opcode]:
    made = {}
    for each in pickletools.opcodes:
        before, after = each.stack_before, each.stack_after
        to_mark = pickletools.markobject in before
        takes = before.index(pickletools.markobject) if to_mark else len(before)
        count = 0 if each.arg is None else each.arg.n
        lines = 0
        if count == pickletools.UP_TO_NEWLINE:
            lines, count = (2 if each.name in ("GLOBAL", "INST") else 1), 0
        gives = tuple(item is pickletools.markobject for item in after)
        made[each.code.encode("latin-1")] = _Opcode(each.name, count, lines, takes, to_mark, gives)
    return made
