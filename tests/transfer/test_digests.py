"""The digests of a file and of its pieces."""

import hashlib

from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from modelsync.spec.blocks import Blocks
from modelsync.transfer.digests import Digests


@given(st.lists(st.binary(max_size=20), max_size=6), st.lists(st.integers(1, 9), max_size=20))
def test_pieces_are_digested_wherever_the_reads_fall(pieces: list[bytes], reads: list[int]) -> None:
    """The whole and every piece, empty ones too, have the digests that they have alone."""
    whole = b"".join(pieces)
    digests = Digests([len(piece) for piece in pieces])
    rest = memoryview(whole)
    for count in (*reads, len(whole)):
        digests.update(rest[:count])
        rest = rest[count:]
    assert digests.position == len(whole)
    assert digests.sha256 == hashlib.sha256(whole).hexdigest()
    assert digests.blocks == Blocks(len(whole), blake3(whole).digest())
    assert digests.pieces == [hashlib.sha256(piece).hexdigest() for piece in pieces]


def test_a_file_that_is_not_joined_has_no_pieces() -> None:
    """One hash less to compute."""
    digests = Digests()
    digests.update(memoryview(b"abc"))
    assert digests.pieces == []


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=4), st.integers(0, 80))
def test_a_copy_goes_on_alone(pieces: list[bytes], cut: int) -> None:
    """What comes after the copy was made changes the one that it is given to, and no other."""
    whole = memoryview(b"".join(pieces))
    digests = Digests([len(piece) for piece in pieces])
    digests.update(whole[:cut])
    before = digests.copy()
    digests.update(whole[cut:])
    again = before.copy()
    again.update(whole[cut:])
    assert (again.sha256, again.blocks, again.pieces) == (digests.sha256, digests.blocks, digests.pieces)
    assert before.position == min(cut, len(whole))
    assert before.sha256 == hashlib.sha256(whole[:cut]).hexdigest()
