"""The errors for a response that is not the promised file: it has another size, or is no file at all."""

from modelsync.gguf.magic import not_the_file
from modelsync.transfer.responses import NoFileError, OtherSizeError, SourceResponse

_HEAD = 512  # bytes that tell what it is


def other_size(label: str, promised: int | None, total: int | None) -> OtherSizeError:
    """The error for a response of another size; `total` None: it has more bytes than were promised."""
    sizes = f"{'more' if total is None else total} bytes instead of {promised}"
    return OtherSizeError(
        f"{label} is another file at its source: {sizes}",
        hint="if it has changed upstream, `modelsync lock --upgrade` locks the new version",
        sizes=sizes,
    )


def no_file(label: str, response: SourceResponse) -> NoFileError | None:
    """The error for a response that is no file at all, by its first bytes; it may hold what it says of itself."""
    if response.start:
        return None
    buffer = memoryview(bytearray(_HEAD))
    what = not_the_file(bytes(buffer[: response.read_into(buffer)]))
    if what is None:
        return None
    return NoFileError(
        f"{label}: {response.origin} sent {what} in place of the file",
        hint="a proxy, a mirror or the network's login page stands in between: open the address in a browser, "
        "or name another hub with HF_ENDPOINT",
    )
