"""The sentence about where the bytes of a wrong file came from."""

from modelsync.transfer import journal
from modelsync.transfer.journal import Provenance
from modelsync.transfer.provenance import sentence
from modelsync.transfer.ranges import Ranges

HEAD = journal.header_line("sha256:me")
DAY = 1_700_000_000  # 2023-11-14 22:13 UTC


def history(text: str) -> tuple[tuple[Provenance, Ranges], ...]:
    trusted = journal.read((HEAD + text).encode(), "sha256:me", "b1")
    assert trusted is not None
    return trusted.history


def test_each_byte_is_attributed_to_its_last_source() -> None:
    """Bytes that were fetched over others, or forgotten, are not the earlier one's any more."""
    text = (
        f"boot b1\n@ {DAY} https://a\n+ 0 10\n+ 20 30\n@ {DAY + 60} a copy of /b\n? 5 25\n"
        f"@ {DAY} https://a\n+ 30 40\n- 0 2\n"
    )
    assert history(text) == (
        (Provenance(DAY, "https://a"), Ranges([(2, 5), (25, 40)])),
        (Provenance(DAY + 60, "a copy of /b"), Ranges([(5, 25)])),
    )
    assert sentence(history(text)) == (
        "bytes 2-4 and 25-39 came from https://a (2023-11-14 22:13 UTC); "
        "bytes 5-24 came from a copy of /b (2023-11-14 22:14 UTC)"
    )


def test_what_an_older_program_wrote_came_from_nobody_knows_where() -> None:
    """A journal without a word on that is read all the same."""
    assert "bytes 0-9 came from an unknown place" in sentence(history("boot b1\n+ 0 10\n"))


def test_the_sentence_stays_one() -> None:
    """Many ranges and many runs are counted, control characters shown as what they are, impossible times too."""
    many = Ranges((2 * n, 2 * n + 1) for n in range(9))
    told = sentence([(Provenance(DAY, f"https://h{n}\x1b[31m"), many) for n in range(9)])
    assert told.count("and 6 more ranges") == 6
    assert told.endswith("the rest from 3 more")
    assert "\x1b" not in told
    assert "an unknown time" in sentence([(Provenance(10**18, "x"), many)])
    assert sentence([]) == ""


def test_copied_bytes_are_doubtful_until_they_are_fetched() -> None:
    """A reader of another run knows which."""
    text = HEAD + "boot b1\n? 0 10\n+ 4 6\n- 8 9\n? 20 30\nsynced 6\n? 40 50\n"
    trusted = journal.read(text.encode(), "sha256:me", "b1")
    assert trusted is not None
    assert trusted.ranges == Ranges([(0, 8), (9, 10), (20, 30), (40, 50)])
    assert trusted.unverified == Ranges([(0, 4), (6, 8), (9, 10), (20, 30), (40, 50)])
    after_a_power_cut = journal.read(text.encode(), "sha256:me", "b2")
    assert after_a_power_cut is not None
    assert after_a_power_cut.unverified == Ranges([(0, 4), (6, 8), (9, 10), (20, 30)])


def test_what_is_told_of_a_source_is_one_line() -> None:
    """No newline of a path makes another line of it."""
    line = journal.provenance_line(Provenance(DAY, "a copy of /x\n+ 0 99"))
    assert line.count("\n") == 1
    assert journal.read((HEAD + line).encode(), "sha256:me", "b1") is not None
