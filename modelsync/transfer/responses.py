"""Decides whether the bytes of a response may be joined to those that are there already. Pure."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple, Protocol

from modelsync.errors import HashMismatchError, ModelsyncError, NetworkError
from modelsync.transfer.journal import Validator
from modelsync.transfer.rate_limit import RateLimit

Verdict = Literal["join", "whole", "plain", "changed", "other-size"]


class ChangedError(NetworkError):
    """The source has another version now than the one whose bytes have arrived."""


class OtherSizeError(HashMismatchError):
    """The source has more or fewer bytes than promised: another file.

    Attributes:
        sizes: `5 bytes instead of 6`, or "" where other words tell what came.
    """

    def __init__(self, message: str, *, hint: str | None = None, sizes: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sizes = sizes


class NoFileError(OtherSizeError):
    """What came is no file at all, but a page of whatever stands in between."""


class RangesRefusedError(ModelsyncError):
    """Only the whole file can be requested from this source."""


class SourceResponse(Protocol):
    """A response with bytes: `net.body.Body`, or a local file."""

    @property
    def status(self) -> int:
        """200, or 206 for a range."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""

    @property
    def start(self) -> int:
        """The offset of the first byte."""

    @property
    def total(self) -> int | None:
        """Bytes of the whole file, if the response says so."""

    @property
    def origin(self) -> object:
        """Scheme, host and port of the server."""

    @property
    def waited(self) -> float:
        """Seconds that reading it has waited for bytes so far."""

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes and reads those that are there into `buffer`; returns how many, 0 at the end."""


class ByteSource(Protocol):
    """Where the bytes of one segment come from."""

    @property
    def max_streams(self) -> int:
        """The most streams that make sense at one time."""

    @property
    def is_origin(self) -> bool:
        """Whether the URL's own server responds, so that the ETag is the URL's."""

    @property
    def limit(self) -> RateLimit | None:
        """The limit on reading its bytes, or None."""

    def open(
        self, start: int, end: int | None, if_range: str | None
    ) -> AbstractContextManager[SourceResponse]:
        """Requests the bytes from `start` up to `end`; the whole file if that is 0 and None."""

    def delivered(self) -> None:
        """Notes that bytes came."""


class Expectation(NamedTuple):
    """What is known of a segment before a response.

    Attributes:
        promised: The size that it must have, or None.
        size: The size according to earlier responses, or None.
        digest: Whether the whole has a digest to verify, so that parts from several servers may be joined.
        validator: The version of the bytes that have arrived, or None.
    """

    promised: int | None
    size: int | None
    digest: bool
    validator: Validator | None


def judge(response: SourceResponse, expected: Expectation) -> Verdict:
    """Decides what to do with a response.

    Returns:
        `join`: its bytes belong to those that have arrived; `whole`: it is the whole file from its first byte;
        `plain`: nothing proves that ranges of this source belong together, so request the whole; `changed`: it is of
        another version than the bytes that have arrived; `other-size`: it is not the promised file.
    """
    if expected.promised is not None and response.total not in (None, expected.promised):
        return "other-size"
    if response.status != 206:
        return "whole"
    if expected.digest and expected.size is None:
        return "plain" if response.total is None else "join"
    if expected.digest:
        return "join" if response.total in (None, expected.size) else "changed"
    mine = validator_of(response)
    if mine is None:
        return "plain"
    return "join" if expected.validator in (None, mine) else "changed"


def validator_of(response: SourceResponse) -> Validator | None:
    """The strong validator of a response; None if it has none, or a weak one."""
    etag = response.headers.get("etag", "").strip()
    if response.total is None or len(etag) < 2 or not (etag[0] == etag[-1] == '"'):
        return None
    return Validator(str(response.origin), etag, response.total)
