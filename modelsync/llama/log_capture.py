"""What llama.cpp says while it loads a model: its reason when it fails, which llama-cpp-python does not pass on."""

import ctypes
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from modelsync.spec.names import printable

ERROR = 4  # GGML_LOG_LEVEL_ERROR
CONTINUED = 5  # GGML_LOG_LEVEL_CONT
MAX_LINES = 64

# llama.cpp has one place for a listener, and llama-cpp-python redirects the process's own stdout while it loads.
ONE_AT_A_TIME = threading.Lock()


class Heard:
    """The errors that llama.cpp told in this thread."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._thread = threading.get_ident()
        self._continues = False

    def take(self, level: int, text: bytes) -> None:
        """Takes what llama.cpp says."""
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
        """The first error, which is the cause of the others; without the function that tells it."""
        for line in self.lines:
            words = re.sub(r"^\s*(?:\w+: )+(?:error loading model: )?", "", line).strip()
            if words:
                return printable(words, 400)
        return None


@contextmanager
def hearing() -> Iterator[Heard]:
    """Listens while a model is loaded; whoever listened before hears everything too, and goes on afterwards.

    Loads wait for each other: see `ONE_AT_A_TIME`.
    """
    import llama_cpp

    heard = Heard()
    with ONE_AT_A_TIME:
        if not hasattr(llama_cpp, "llama_log_get"):  # an older llama-cpp-python: nothing could be put back
            yield heard
            return
        before, data = llama_cpp.llama_log_callback(), ctypes.c_void_p()
        llama_cpp.llama_log_get(ctypes.byref(before), ctypes.byref(data))

        @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
        def listen(level: int, text: bytes, _: ctypes.c_void_p) -> None:
            heard.take(level, text)
            if before:
                before(level, text, data)

        llama_cpp.llama_log_set(listen, ctypes.c_void_p(0))
        try:
            yield heard
        finally:
            llama_cpp.llama_log_set(before, data)
