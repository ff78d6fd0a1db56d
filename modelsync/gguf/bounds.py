"""The limits of a header, each with its error message.

Whatever llama.cpp's own reader (`gguf_init_from_file`) takes is taken here, up to limits that no real file reaches.
Some files that it refuses are taken too, so that they can be shown: `gguf.kind.obstacle` tells which.
"""

from modelsync.errors import NotAModelError
from modelsync.spec.names import printable

MAX_HEADER = 64 << 20  # bytes; the largest vocabularies make 16 MB
MAX_FILE = 1 << 50  # bytes of a file
MAX_COUNT = 65536  # of tensors, of metadata entries
MAX_KEY = 65535  # bytes
MAX_KEYS = 4 << 20  # bytes of all keys together
MAX_NAMES = 4 << 20  # bytes of all tensor names together
MAX_DIMENSIONS = 8  # of a tensor
_START = 24  # bytes before the first entry
_SMALLEST_ENTRY = 8 + 1 + 4 + 1  # bytes: a key of one letter and a bool
_SMALLEST_INFO = 8 + 0 + 4 + 8 + 4 + 8  # bytes: a tensor of one dimension without a name
_TRUNCATED = "fetch the file again: it looks truncated"


class Bounds:
    """Checks what one header says against the limits."""

    def __init__(self, what: str, size: int | None) -> None:
        """Bounds of one file.

        Args:
            what: Its name, for messages.
            size: Bytes of the whole file, if known.
        """
        self.what = printable(what)
        self.size = size

    def version(self, version: int) -> None:
        """Refuses any version but 2 and 3 of the format."""
        if version in (2, 3):
            return
        if version == 1:
            raise self.bad(
                "it has version 1 of the format, of August 2023, which llama.cpp no longer reads",
                "look for a newer conversion of the model",
            )
        raise self.bad(
            f"it has version {version} of the format; modelsync reads 2 and 3",
            "a newer modelsync may read it",
        )

    def counts(self, tensors: int, entries: int) -> None:
        """Refuses more tensors or metadata entries than allowed, or than the file could hold."""
        for count, things, smallest in (
            (tensors, "tensors", _SMALLEST_INFO),
            (entries, "metadata entries", _SMALLEST_ENTRY),
        ):
            if count > MAX_COUNT:
                raise self.bad(f"it says it has {count} {things}; there may be {MAX_COUNT}")
            if self.size is not None and count * smallest > self.size - _START:
                raise self.bad(
                    f"it says it has {count} {things}, more than its {self.size} bytes can hold", _TRUNCATED
                )

    def reach(self, end: int, subject: str) -> None:
        """Refuses an end beyond the largest header, or beyond this file."""
        if end > MAX_HEADER:
            raise self.bad(f"{subject} goes on to byte {end}; a header has at most {MAX_HEADER >> 20} MiB")
        if self.size is not None and end > self.size:
            raise self.bad(
                f"it ends at byte {self.size}, inside its header: {subject} goes on to byte {end}", _TRUNCATED
            )

    def items(self, at: int, count: int, size: int, subject: str) -> None:
        """Refuses an array of more items, of at least `size` bytes each, than a header can hold."""
        if at + count * size > MAX_HEADER:
            raise self.bad(f"{subject} says it has {count} items, more than a header can hold")
        self.reach(at + count * size, subject)

    def alignment(self, alignment: int) -> None:
        """Refuses an alignment that is no power of two."""
        if alignment < 1 or alignment & (alignment - 1):
            raise self.bad(f"its `general.alignment` is {alignment}, not a power of two")

    def data_end(self, end: int) -> None:
        """Refuses tensors that end beyond the file."""
        if end > MAX_FILE:
            raise self.bad(f"its tensors say they take {end} bytes; no file has over {MAX_FILE >> 40} TiB")
        if self.size is not None and end > self.size:
            raise self.bad(
                f"it ends at byte {self.size}, and its tensors at {end}: {end - self.size} bytes are missing",
                _TRUNCATED,
            )

    def ended(self, there: int, goal: int) -> NotAModelError:
        """The error of a file that ends inside its header."""
        return self.bad(
            f"it ends after {there} bytes, inside its header, which goes on to byte {goal} at least",
            _TRUNCATED,
        )

    def bad_tensor(self, name: str, why: str, hint: str | None = None) -> NotAModelError:
        """The error of a bad tensor."""
        return self.bad(f"tensor `{printable(name)}` {why}", hint)

    def bad(self, why: str, hint: str | None = None) -> NotAModelError:
        """The error of a bad file."""
        return NotAModelError(f"{self.what} is not a good GGUF file: {why}", hint=hint)
