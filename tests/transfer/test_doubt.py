"""Which bytes of a wrong file are fetched again, and in which order."""

from hypothesis import given
from hypothesis import strategies as st

from modelsync.transfer.doubt import next_doubt
from modelsync.transfer.journal import Provenance
from modelsync.transfer.ranges import Ranges

ALL = Ranges([(0, 64)])
spans = st.lists(st.tuples(st.integers(0, 63), st.integers(1, 20)), max_size=4)
some = spans.map(lambda pairs: Ranges((start, min(start + size, 64)) for start, size in pairs))


def test_copies_first_then_earlier_runs_then_the_host_that_brought_least_then_all() -> None:
    """What is likeliest to be wrong, and costs least, comes first."""
    copied, resumed, again = Ranges([(0, 10)]), Ranges([(10, 20)]), Ranges()
    history = [(Provenance(1, "a"), Ranges([(10, 50)])), (Provenance(2, "b"), Ranges([(50, 64)]))]
    order = []
    while (doubt := next_doubt(ALL, copied, resumed, again, history)) is not None:
        order.append(doubt.ranges.spans)
        again = Ranges((*again, *doubt.ranges.without(copied)))
        copied = copied.without(doubt.ranges)
    assert order == [((0, 10),), ((10, 20),), ((50, 64),), ((0, 10), (20, 50))]


@given(some, some, some)
def test_each_byte_that_may_be_wrong_is_fetched_again_once(
    wrong: Ranges, copied: Ranges, resumed: Ranges
) -> None:
    """Nothing outside, copies twice at most (from elsewhere first), and there is an end."""
    copies, again, came = copied, Ranges(), 0
    history = [(Provenance(1, "a"), Ranges([(0, 30)])), (Provenance(1, "b"), Ranges([(30, 64)]))]
    while (doubt := next_doubt(wrong, copied, resumed, again, history)) is not None:
        assert doubt.ranges.without(wrong) == Ranges()
        came += doubt.ranges.covered
        again = Ranges((*again, *doubt.ranges.without(copied)))
        copied = copied.without(doubt.ranges)
    assert again == wrong
    assert came == wrong.covered + copies.common(wrong).covered
