"""The bytes of one answer, with what the server said of them."""

from collections.abc import Iterator, Mapping

from modelsync.net.origin import Origin


class Body:
    """A response whose bytes are still on the wire.

    Attributes:
        status: 200, or 206 when the server honoured the range.
        headers: The answer's headers, names in lower case.
        start: The offset in the file of the first byte that `chunks` gives; 0 for a 200.
        end: The offset after the last one, or None when the server did not say.
        total: The size of the whole file, or None when the server did not say.
        url: The address that gave the answer, after redirects. It may be signed: never print it.
        redirected: Whether another origin than the one asked first gave it.
        origin: The origin that gave it.
    """

    status: int
    headers: Mapping[str, str]
    start: int
    end: int | None
    total: int | None
    url: str
    redirected: bool
    origin: Origin

    def chunks(self) -> Iterator[bytes]:
        """Gives the bytes in order, as they come, in pieces of any size; once.

        Raises:
            NetworkError: the connection broke, nothing came for the client's timeout, or the body was
                shorter or longer than promised.
            CancelledError: the client's cancel event was set.
        """
        raise NotImplementedError
