"""Captures llama.cpp's log while it loads a model: llama-cpp-python does not pass on the reason of a failure."""

import ctypes
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from modelsync.spec.names import printable

ERROR = 4  # GGML_LOG_LEVEL_ERROR
CONTINUED = 5  # GGML_LOG_LEVEL_CONT
MAX_LINES = 64

# llama.cpp has one log callback per process, and llama-cpp-python redirects the process's stdout while it loads.
LOADING = threading.Lock()


class CapturedLog:
    """The errors that llama.cpp logged in the thread that made this object."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._thread = threading.get_ident()
        self._continues = False

    def take(self, level: int, text: bytes) -> None:
        """Takes a message of llama.cpp's log."""
        if threading.get_ident() != self._thread or len(self.lines) >= MAX_LINES:
            return
        words = text.decode(errors="replace")
        if level == CONTINUED and self._continues:
            self.lines[-1] += words
        elif level == ERROR:
            self.lines.append(words)
        self._continues = level == ERROR or (level == CONTINUED and self._continues)

    @property
    def reason(self) -> str | None:
        """The first error, which caused the others, without the names of functions; None if there is none."""
        for line in self.lines:
            words = re.sub(r"^\s*(?:\w+: )+(?:error loading model: )?", "", line).strip()
            if words:
                return printable(words, 400)
        return None


@contextmanager
def capture_log() -> Iterator[CapturedLog]:
    """Captures the log while a model is loaded. A callback that was set before gets everything too, and is restored.

    One thread at a time: others wait for `LOADING`.
    """
    import llama_cpp

    log = CapturedLog()
    with LOADING:
        if not hasattr(llama_cpp, "llama_log_get"):  # old versions: the callback could not be restored
            yield log
            return
        before, data = llama_cpp.llama_log_callback(), ctypes.c_void_p()
        llama_cpp.llama_log_get(ctypes.byref(before), ctypes.byref(data))

        @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
        def listen(level: int, text: bytes, _: ctypes.c_void_p) -> None:
            log.take(level, text)
            if before:
                before(level, text, data)

        llama_cpp.llama_log_set(listen, ctypes.c_void_p(0))
        try:
            yield log
        finally:
            llama_cpp.llama_log_set(before, data)
