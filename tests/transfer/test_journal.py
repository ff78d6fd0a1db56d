"""What a journal may be believed, however it was broken off."""

from hypothesis import given
from hypothesis import strategies as st

from modelsync.transfer import journal
from modelsync.transfer.journal import Validator
from modelsync.transfer.ranges import Ranges

HEAD = journal.header_line("sha256:me")


def read(text: str, boot: str | None = "b1") -> journal.JournalState:
    trusted = journal.read(text.encode(), "sha256:me", boot)
    assert trusted is not None
    return trusted


def test_a_journal_of_others_says_nothing() -> None:
    """Another identity, another format, an empty file: not ours."""
    for text in ("", HEAD.replace("me", "you"), HEAD.replace("1", "2"), HEAD.rstrip(), "\xff\n"):
        assert journal.read(text.encode("latin-1"), "sha256:me", "b1") is None


def test_after_a_kill_everything_recorded_counts() -> None:
    """The same boot: what was written is in the page cache or on the disk."""
    assert read(HEAD + "boot b1\n+ 0 5\n+ 9 12\n- 2 3\n").ranges == Ranges([(0, 2), (3, 5), (9, 12)])


def test_after_a_power_cut_only_synced_bytes_count() -> None:
    """Another boot: what was not synced may be missing."""
    text = HEAD + "boot b1\n+ 0 5\nsynced 3\n+ 5 9\n"
    assert read(text, "b2").ranges == Ranges([(0, 5)])
    assert read(text, None).ranges == Ranges([(0, 5)])


def test_bytes_lost_in_a_power_cut_stay_lost() -> None:
    """A later boot's marks say nothing of what an earlier boot had not synced."""
    text = HEAD + "boot b1\n+ 0 5\nboot b2\n+ 7 9\nsynced 5\n"
    assert read(text, "b2").ranges == Ranges([(7, 9)])


def test_two_unknown_boots_are_two_boots() -> None:
    """Without a boot ID, unsynced bytes never count."""
    text = HEAD + "boot -\n+ 0 5\nboot -\n+ 7 9\nsynced 5\n"
    assert read(text, None).ranges == Ranges([(7, 9)])


def test_what_was_taken_back_stays_taken_back() -> None:
    """A power cut must not bring back bytes in whose place others were to be written."""
    text = HEAD + "boot b1\n+ 0 5\nsynced 3\n- 0 5\n"
    assert read(text, "b2").ranges == Ranges()


def test_the_last_validator_of_a_segment_counts() -> None:
    """A version, as it was written down."""
    one, two = Validator("https://a", '"1"', 5), Validator("https://b", '"ü"', 2**50)
    text = (
        HEAD
        + journal.validator_line(0, one)
        + journal.validator_line(1, one)
        + journal.validator_line(0, two)
    )
    assert read(text).validators == {0: two, 1: one}
    assert read(text + journal.validator_line(0, None)).validators == {1: one}


def test_nothing_counts_after_a_line_without_sense() -> None:
    """Zeros, halves, negative and impossible numbers end what can be believed."""
    for line in (
        "\0\0\0\n",
        "+ 5\n",
        "+ 9 5\n",
        "+ -1 5\n",
        f"+ 0 {2**70}\n",
        "! 1 2\n",
        "\n",
        "= 0 {}\n",
        "= 0 [1]\n",
    ):
        trusted = read(HEAD + "boot b1\n+ 0 1\n" + line + "+ 5 9\n")
        assert trusted.ranges == Ranges([(0, 1)])
        assert trusted.length == len(HEAD + "boot b1\n+ 0 1\n")
        assert trusted.lines == 3


spans = st.tuples(st.integers(0, 30), st.integers(1, 30)).map(lambda pair: (pair[0], pair[0] + pair[1]))
steps = st.lists(
    st.one_of(
        spans.map(lambda s: ("+", s)),
        spans.map(lambda s: ("-", s)),
        st.just(("sync", (0, 0))),
        st.just(("reboot", (0, 0))),
    ),
    max_size=30,
)


@given(steps, st.integers(0, 10**4))
def test_a_torn_journal_never_promises_bytes_that_may_be_gone(
    history: list[tuple[str, tuple[int, int]]], cut: int
) -> None:
    """Whatever happened and wherever the journal ends: it names no byte that was not here, or was lost."""
    lines, boot = [HEAD, "boot 0\n"], 0
    written, durable = Ranges(), Ranges()
    # by number of whole lines: what is really in the file after a kill, and after a power cut
    truth = [(Ranges(), Ranges(), "0")] * 2
    for word, (start, end) in history:
        if word == "+":
            lines.append(f"+ {start} {end}\n")
            written = written.add(start, end)
        elif word == "-":
            lines.append(f"- {start} {end}\n")
            written, durable = written.remove(start, end), durable.remove(start, end)
        elif word == "sync":
            lines.append(f"synced {len(lines)}\n")
            durable = written
        else:
            boot += 1
            lines.append(f"boot {boot}\n")
            written = durable
        truth.append((written, durable, str(boot)))
    text = "".join(lines)
    torn = text[: max(len(HEAD), len(text) - cut)]
    whole = torn.count("\n")
    kept, safe, last = truth[whole - 1]
    assert read(torn, last).ranges == kept
    assert read(torn, "another").ranges == safe
    assert read(torn, last).lines == whole
