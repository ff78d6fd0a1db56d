"""The hashes of a file's blocks."""

import hashlib
from itertools import pairwise

from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from modelsync.spec import blocks
from modelsync.spec.blocks import HASH, SIZE, UNREADABLE, Blocks, Hasher

sizes = st.integers(0, 5 * SIZE + 9)


def of(size: int, marks: dict[int, int] | None = None) -> Blocks:
    """Made-up hashes of a file of so many bytes: each of its block's number, length and mark."""
    hashes = [
        hashlib.sha256(f"{start} {end} {(marks or {}).get(start // SIZE)}".encode()).digest()
        for start, end in blocks.spans(size)
    ]
    return Blocks(size, b"".join(hashes))


@given(sizes)
def test_blocks_cover_a_file_once(size: int) -> None:
    """From the first byte to the last, each block whole but the last; an empty file has one."""
    spans = list(blocks.spans(size))
    assert len(spans) == blocks.count(size) == len(of(size).hashes) // HASH
    assert (spans[0][0], spans[-1][1]) == (0, size)
    assert all(left[1] == right[0] and left[1] % SIZE == 0 for left, right in pairwise(spans))
    assert all(0 < end - start <= SIZE for start, end in spans) or size == 0


@given(size=sizes, marked=st.sets(st.integers(0, 6)), now=st.none() | sizes)
def test_just_what_changed_is_damaged(size: int, marked: set[int], now: int | None) -> None:
    """Every block that is another, or has another end, and no other; what is left of the file is good."""
    there = size if now is None else min(now, size)  # what was longer is hashed only so far
    damaged = of(size).damaged(of(there, dict.fromkeys(marked, 1)))
    good = blocks.others(size, damaged)
    wrong = {
        number
        for number, (start, end) in enumerate(blocks.spans(size))
        if number in marked or end > there or (number == 0 and end != min(there, SIZE))
    }
    hit = {start // SIZE for first, last in damaged for start in range(first, max(last, first + 1), SIZE)}
    assert hit == wrong
    assert sorted((*damaged, *good)) == [*sorted({*damaged, *good})]
    if size:
        assert sum(end - start for start, end in (*damaged, *good)) == size
    assert all(left[1] < right[0] for left, right in pairwise(damaged))  # neighbours are one span


@given(st.lists(st.integers(0, 3 << 20), max_size=20), st.integers(0, 20))
def test_a_copy_goes_on_by_itself(reads: list[int], at: int) -> None:
    """Wherever the reads fall, the hashes are the same, and a copy that goes on leaves what it was copied from."""
    data = memoryview(bytes(range(251)) * (sum(reads) // 251 + 1))[: sum(reads)]
    hasher, copies, start = Hasher(), [], 0
    for number, count in enumerate(reads):
        if number == at:
            copies.append((hasher.copy(), start))
        hasher.update(data[start : start + count])
        start += count
    whole = b"".join(blake3(data[begin:end]).digest() for begin, end in blocks.spans(len(data)))
    assert hasher.blocks == Blocks(len(data), whole)
    for copy, begin in copies:
        copy.update(data[begin:])
        assert copy.blocks == hasher.blocks


def test_the_seal_of_one_block_is_the_files_own() -> None:
    """So receipts of small files say what they always said; of more blocks it is of their hashes."""
    one = Blocks(SIZE, blake3(b"x").digest())
    assert one.seal == blake3(b"x").hexdigest()
    two = Blocks(SIZE + 1, one.hashes + UNREADABLE)
    assert two.seal == blake3(two.hashes).hexdigest()


def test_damage_in_words() -> None:
    """How many blocks and where, in MiB; of many places the first few."""
    assert blocks.describe_damage(256 * SIZE, ((4 * SIZE, 5 * SIZE),)) == "1 of 256 blocks (64 to 80 MiB)"
    assert blocks.describe_damage(2 * SIZE - 9, ((0, 2 * SIZE - 9),)) == "2 of 2 blocks (0 to 32 MiB)"
    many = tuple((2 * n * SIZE, (2 * n + 1) * SIZE) for n in range(6))
    words = "6 of 12 blocks (0 to 16, 32 to 48, … MiB)"
    assert blocks.describe_damage(12 * SIZE, many) == words
