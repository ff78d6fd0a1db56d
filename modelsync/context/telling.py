"""What a call tells while it runs: progress, warnings, details, requests; and the log of `MODELSYNC_LOG`."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelsync.errors import CancelledError, ModelsyncError

if TYPE_CHECKING:
    from modelsync.system.log_file import LogFile
    from modelsync.transfer.progress import Event, Listener, Phase


class Telling:
    """Tells whoever listens, in one thread at a time.

    Args:
        listener: Called with each progress event.
        warn: Called with what a person should know before the call goes on; None: it goes to the log `modelsync`.
        detail: Called with what only a person who asked for details wants to know; None: as with `warn`.
        trace: Called with lines about requests, each with how much must be asked for to see it (1, or 2 for headers);
            None: they go to the log `modelsync`, where that takes what is for debugging.
        log: The file of `MODELSYNC_LOG`; None: there is none.

    Attributes:
        redact: Takes the secrets that are known out of a line, once there are any.
    """

    def __init__(
        self,
        listener: "Listener | None",
        warn: Callable[[str], None] | None,
        detail: Callable[[str], None] | None,
        trace: Callable[[int, str], None] | None,
        log: Path | None,
    ) -> None:
        self.listener = listener
        self.redact: Callable[[str], str] = str
        self._warn = warn
        self._detail = detail
        self._trace = trace
        self._log = _begun(log) if log is not None else None
        self._warned: set[str] = set()
        self._guard = threading.Lock()

    def close(self) -> None:
        """Closes the log."""
        if self._log is not None:
            self._log.close()

    def tell(self, event: "Event") -> None:
        """Calls the listener, in one thread at a time."""
        if self.listener is not None:
            with self._guard:
                self.listener(event)

    def warn(self, words: str) -> None:
        """Warns a person, now and once, of something they may want to stop the call for."""
        if words in self._warned:
            return
        self._warned.add(words)
        self._write_down(f"warning: {words}")
        if self._warn is not None:
            self._warn(words)
            return
        import logging

        logging.getLogger("modelsync").warning("%s", words)

    def detail(self, words: str) -> None:
        """Tells a detail that explains what is done, and needs no attention."""
        self._write_down(words)
        if self._detail is not None:
            self._detail(words)
            return
        import logging

        logging.getLogger("modelsync").info("%s", words)

    def ended(self, error: BaseException) -> None:
        """Writes into the log what ended the call."""
        self._write_down(f"error: {error or type(error).__name__}")

    @property
    def hears_requests(self) -> bool:
        """Whether anybody wants to see requests."""
        return self._log is not None or self._trace is not None or self._debugs

    def request(self, level: int, line: str) -> None:
        """Tells a line about a request to whoever wants to see it."""
        self._write_down(line)
        if self._trace is not None:
            self._trace(level, line)
        elif self._debugs:
            import logging

            logging.getLogger("modelsync").debug("%s", line)

    def retry(self, label: str, error: ModelsyncError) -> None:
        """Tells that something is asked again, and why."""
        self.request(1, f"{label}: asked again: {error.message}")

    def counter(
        self, label: str, total: int, phase: "Phase", cancel: threading.Event
    ) -> Callable[[int], None]:
        """Makes a function that counts bytes of one thing and reports progress.

        Returns:
            A function of the number of further bytes; it raises `CancelledError` once `cancel` is set.
        """
        done = 0

        def told(more: int) -> None:
            nonlocal done
            from modelsync.transfer.progress import Event

            done += more
            if cancel.is_set():
                raise CancelledError("interrupted", hint="run the same command again")
            self.tell(Event("done" if done >= total else phase, label, done, total))

        return told

    def _write_down(self, line: str) -> None:
        """Writes a line into the log of `MODELSYNC_LOG`, without the secrets that are known."""
        if self._log is not None:
            self._log.line(self.redact(line))

    @property
    def _debugs(self) -> bool:
        """Whether the log `modelsync` takes what is for debugging; a program that never imported logging has none."""
        if "logging" not in sys.modules:
            return False
        import logging

        return logging.getLogger("modelsync").isEnabledFor(logging.DEBUG)


def _begun(path: Path) -> "LogFile":
    """The log of `MODELSYNC_LOG`, with a line that says what begins."""
    from modelsync.system.log_file import LogFile
    from modelsync.version import __version__

    log = LogFile(path)
    log.line(f"modelsync {__version__}")
    return log
