"""Runs a function over many items in threads that can be cancelled."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 8  # calls at a time: they wait for servers and disks


def run_all(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    threads: int = THREADS,
    name: str,
    cancel: threading.Event,
    meanwhile: Callable[[], None] | None = None,
) -> list[Result]:
    """Calls `function` with each item, several at a time.

    Args:
        function: Called in other threads.
        items: In the order in which the calls begin.
        threads: The most calls at a time.
        name: What the threads are called.
        cancel: Set when the wait for the results is interrupted, so that calls that wait for a server end too.
        meanwhile: Called in this thread while the first calls run. A Ctrl-C waits for its end, so it looks at `cancel`.

    Returns:
        The results, in the order of the items.

    Raises:
        Exception: what the first item, in their order, that failed raised. Calls that have not begun are dropped;
            those that run are waited for.
        BaseException: an interrupt of this thread, likewise.
    """
    with (
        _cancelled_by_interrupt(cancel) as interrupts,
        ThreadPoolExecutor(min(threads, len(items)) or 1, thread_name_prefix=name) as pool,
    ):
        try:
            futures = [pool.submit(function, item) for item in items]
            if meanwhile is not None:
                with interrupts.held():
                    meanwhile()
            return [future.result() for future in futures]
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, Exception):
                cancel.set()
            raise


class _Interrupts:
    """What a Ctrl-C does while calls run.

    Args:
        cancel: Set by it at once.
    """

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._holds = False
        self._held: Callable[[], object] | None = None

    def come(self, act: Callable[[], object]) -> None:
        """One has come: the calls end; it is raised here, now or later."""
        self._cancel.set()
        if self._holds:
            self._held = act
        else:
            act()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises none inside the block, but at its end.

        An import that an exception ends may keep its lock in CPython, and another thread then waits for it forever.
        """
        self._holds = True
        try:
            yield
        finally:
            self._holds = False
        if self._held is not None:
            self._held()


@contextmanager
def _cancelled_by_interrupt(cancel: threading.Event) -> Iterator[_Interrupts]:
    """Sets the event on Ctrl-C, before KeyboardInterrupt is raised.

    Python drops an exception that is raised in a callback of the import system or of the garbage collector; the calls
    then end by the event alone.
    """
    import signal

    interrupts = _Interrupts(cancel)
    known = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(known):
        yield interrupts
        return

    def interrupted(number: int, frame: FrameType | None) -> None:
        interrupts.come(lambda: known(number, frame))

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, known)
