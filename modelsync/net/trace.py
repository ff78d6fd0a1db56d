"""Lines about requests for a person who wants to see them: what was asked, what came, how long it took. No secrets."""

import time
from collections.abc import Callable, Iterable, Mapping

from modelsync.errors import ModelsyncError
from modelsync.net.origin import public_url
from modelsync.net.server_text import server_text
from modelsync.sizes import size
from modelsync.spec.names import printable

REQUESTS = 1  # how much is told: a line for each request, and why one is made again
HEADERS = 2  # and the headers of both sides

Tell = Callable[[int, str], None]

# Headers whose values are shown. Any other may be a secret, or lead to one.
_SHOWN = frozenset(
    {
        *(
            "accept",
            "accept-encoding",
            "accept-ranges",
            "age",
            "cache-control",
            "connection",
            "content-encoding",
        ),
        *(
            "content-length",
            "content-range",
            "content-type",
            "date",
            "docker-content-digest",
            "etag",
            "expires",
        ),
        *(
            "docker-distribution-api-version",
            "host",
            "if-none-match",
            "if-range",
            "last-modified",
            "link-type",
        ),
        *(
            "range",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "server",
            "transfer-encoding",
            "user-agent",
            "vary",
        ),
        *(
            "via",
            "x-cache",
            "x-error-code",
            "x-error-message",
            "x-linked-etag",
            "x-linked-size",
            "x-repo-commit",
        ),
        "x-request-id",
    }
)


class Tracer:
    """Tells of requests.

    Args:
        tell: Called with how much must be asked for to see a line, and the line; from any thread.
        redact: Replaces the secrets that this machine knows.
    """

    def __init__(self, tell: Tell, redact: Callable[[str], str]) -> None:
        self._tell = tell
        self._redact = redact

    def begin(self, method: str, url: str, headers: Iterable[tuple[str, str]]) -> "TracedRequest":
        """A request that is about to be sent."""
        traced = TracedRequest(self, f"{method} {public_url(url)}")
        self.headers(">", headers)
        return traced

    def line(self, level: int, text: str) -> None:
        """Tells a line, without secrets."""
        self._tell(level, self._redact(text))

    def headers(self, mark: str, headers: Iterable[tuple[str, str]]) -> None:
        """Tells headers, one a line; values that may be secrets as `***`."""
        for name, value in headers:
            lower = name.lower()
            if lower == "location":
                shown = public_url(value) if "://" in value else value.partition("?")[0]
            else:
                shown = server_text(value) if lower in _SHOWN else "***"
            self.line(HEADERS, f"{mark} {printable(lower)}: {printable(shown)}")

    def waits(self, host: str, seconds: float) -> None:
        """A server asks to wait."""
        self.line(REQUESTS, f"{printable(host)} asks to wait {seconds:g} s")

    def retry(self, error: ModelsyncError, seconds: float) -> None:
        """A request is made again."""
        self.line(REQUESTS, f"again in {seconds:.1f} s: {error.message}")


class TracedRequest:
    """One request on its way.

    Attributes:
        bytes: Of its body, as they come.
    """

    def __init__(self, tracer: Tracer, what: str) -> None:
        self._tracer = tracer
        self._what = what
        self._began = time.monotonic()
        self._status: int | None = None
        self.bytes = 0

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the answer is here."""
        self._status = status
        self._tracer.headers("<", headers.items())

    def failed(self, error: ModelsyncError) -> None:
        """There is no answer."""
        self._line(error.message)

    def ended(self) -> None:
        """The body was read, or is not needed any more."""
        self._line(f"{self._status} {size(self.bytes)}")

    def _line(self, result: str) -> None:
        took = round((time.monotonic() - self._began) * 1000)
        self._tracer.line(REQUESTS, f"{self._what} {result} {took} ms")
