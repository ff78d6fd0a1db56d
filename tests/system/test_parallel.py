"""Many calls in threads: results in order, the first error, and an interrupt that reaches what waits."""

import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from modelsync.system.parallel import run_all

MANY = 500  # items; each takes a moment, so all of them take seconds in one thread


@pytest.fixture
def interrupt() -> Iterator[None]:
    """SIGINT means `KeyboardInterrupt` here, as in a program; a test runner may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_results_are_in_the_order_of_the_items() -> None:
    """The later item ends first, and more items than threads are all done."""
    second = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second.wait(30)
        elif item == 1:
            second.set()
        return item * item

    cancel = threading.Event()
    assert run_all(work, range(20), threads=2, name="test", cancel=cancel) == [n * n for n in range(20)]
    assert not cancel.is_set()


def test_no_items_are_no_calls() -> None:
    """And no results."""
    assert run_all(pytest.fail, [], threads=4, name="test", cancel=threading.Event()) == []


def test_the_first_error_in_the_items_order_is_raised() -> None:
    """A later item that fails sooner is not told of; a failure cancels nothing outside this call."""
    second = threading.Event()

    def work(item: int) -> None:
        if item == 1:
            second.set()
            raise KeyError("sooner")
        assert second.wait(30)
        raise ValueError("first")

    cancel = threading.Event()
    with pytest.raises(ValueError, match="first"):
        run_all(work, range(2), threads=2, name="test", cancel=cancel)
    assert not cancel.is_set()


def test_an_error_drops_the_calls_that_have_not_begun() -> None:
    """Those that run are waited for."""
    begun, ended = [], []

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ValueError("first")
        threading.Event().wait(0.02)
        ended.append(item)

    with pytest.raises(ValueError, match="first"):
        run_all(work, range(MANY), threads=1, name="test", cancel=threading.Event())
    assert len(begun) < MANY
    assert begun == [0, *ended]


def test_meanwhile_runs_in_the_callers_thread_while_the_first_calls_run() -> None:
    """A call that waits for it ends."""
    ready = threading.Event()
    names: list[str] = []

    def meanwhile() -> None:
        names.append(threading.current_thread().name)
        ready.set()

    done = run_all(
        lambda _: ready.wait(30), [1], threads=1, name="test", cancel=threading.Event(), meanwhile=meanwhile
    )
    assert (done, names) == ([True], [threading.current_thread().name])


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one thread there")
@pytest.mark.usefixtures("interrupt")
def test_an_interrupt_sets_the_event_that_waiting_calls_look_at() -> None:
    """Calls that wait for a server end, and those that have not begun never do."""
    cancel, waiting = threading.Event(), threading.Event()
    begun, cancelled = [], []
    caller = threading.get_ident()

    def work(item: int) -> None:
        begun.append(item)
        assert waiting.wait(30)
        signal.pthread_kill(caller, signal.SIGINT)
        cancelled.append(cancel.wait(30))

    with pytest.raises(KeyboardInterrupt):
        run_all(work, range(3), threads=1, name="test", cancel=cancel, meanwhile=waiting.set)
    assert (begun, cancelled) == ([0], [True])


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_an_interrupt_waits_for_the_end_of_what_runs_meanwhile() -> None:
    """An import that it ended might keep its lock; the event is set at once, so that the end is near."""
    cancel = threading.Event()
    seen = []

    def meanwhile() -> None:
        signal.raise_signal(signal.SIGINT)
        seen.append(cancel.is_set())

    with pytest.raises(KeyboardInterrupt):
        run_all(lambda _: cancel.wait(30), [1], name="test", cancel=cancel, meanwhile=meanwhile)
    assert seen == [True]
