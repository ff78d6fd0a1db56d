"""What a source answered to a question for bytes, and whether they may be joined to those that are here. Pure."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple, Protocol

from modelsync.errors import HashMismatchError, ModelsyncError, NetworkError
from modelsync.transfer.journal import Validator
from modelsync.transfer.rate_limit import Limit

Verdict = Literal["join", "whole", "plain", "changed", "other-size"]


class ChangedError(NetworkError):
    """The source has another version now than the one that bytes are here of."""


class OtherSizeError(HashMismatchError):
    """The source has more or fewer bytes than were promised: another file."""


class RangesRefusedError(ModelsyncError):
    """Only the whole can be asked of this source."""


class Bytes(Protocol):
    """Bytes that are coming: those of `net.body.Body`, or of a local file."""

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
        """Bytes of the whole, where that was said."""

    @property
    def origin(self) -> object:
        """Who gave it."""

    @property
    def waited(self) -> float:
        """Seconds that reading it has waited for bytes so far."""

    def read_into(self, buffer: memoryview) -> int:
        """Waits for bytes and fills `buffer` with those that are there, in order; gives how many, 0 at the end."""


class Source(Protocol):
    """Where the bytes of one segment come from."""

    @property
    def widest(self) -> int:
        """How many streams at once make sense."""

    @property
    def is_origin(self) -> bool:
        """Whether it is the URL's own server that answers, and its ETag the URL's."""

    @property
    def limit(self) -> Limit | None:
        """What holds back the reading of its bytes, if anything does."""

    def open(self, start: int, end: int | None, if_range: str | None) -> AbstractContextManager[Bytes]:
        """Asks for the bytes from `start` up to `end`; for everything if that is from 0 and no end."""

    def worked(self) -> None:
        """Bytes came."""


class Known(NamedTuple):
    """What is known of a segment before an answer to it is judged.

    Attributes:
        promised: The size that it must have, or None.
        size: The size that earlier answers told, or None.
        digest: Whether a digest will decide about the whole: then it does not matter who served which part.
        validator: The version that the bytes here are of, or None.
    """

    promised: int | None
    size: int | None
    digest: bool
    validator: Validator | None


def judge(answer: Bytes, known: Known) -> Verdict:
    """What to do with an answer.

    Returns:
        `join`: its bytes belong to those that are here; `whole`: it is the whole file from its first byte;
        `plain`: nothing proves that ranges from there belong together, so ask for the whole; `changed`: it is of
        another version than the bytes that are here; `other-size`: it is not the file that was promised.
    """
    if known.promised is not None and answer.total not in (None, known.promised):
        return "other-size"
    if answer.status != 206:
        return "whole"
    if known.digest and known.size is None:
        return "plain" if answer.total is None else "join"
    if known.digest:
        return "join" if answer.total in (None, known.size) else "changed"
    mine = validator_of(answer)
    if mine is None:
        return "plain"
    return "join" if known.validator in (None, mine) else "changed"


def validator_of(answer: Bytes) -> Validator | None:
    """The strong validator of an answer; a weak one, or none, proves nothing."""
    etag = answer.headers.get("etag", "").strip()
    if answer.total is None or len(etag) < 2 or not (etag[0] == etag[-1] == '"'):
        return None
    return Validator(str(answer.origin), etag, answer.total)
