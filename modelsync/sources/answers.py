"""What was asked in a run, each question once: a branch or a tag that moves meanwhile stays what it was."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Answers:
    """Answers by their questions; thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._answers: dict[tuple[str, ...], Future[Any]] = {}

    def once(self, key: tuple[str, ...], ask: Callable[[], object]) -> Any:
        """Answers from memory, or asks; another thread with the same question waits. Failures are not kept."""
        with self._guard:
            future = self._answers.get(key)
            mine = future is None
            if future is None:
                future = self._answers[key] = Future()
        if mine:
            try:
                future.set_result(ask())
            except BaseException as error:
                with self._guard:
                    del self._answers[key]
                future.set_exception(error)
                raise
        return future.result()

    def remember(self, key: tuple[str, ...], answer: object) -> None:
        """Keeps an answer that came with another one, unless a thread is asking for it already."""
        future: Future[Any] = Future()
        future.set_result(answer)
        with self._guard:
            self._answers.setdefault(key, future)
