"""Answers as values. Addresses are kept out of every repr: a signed one is a secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class JsonReply:
    """A parsed JSON document.

    Attributes:
        value: What the document says.
        headers: The answer's headers; case of names does not count.
        url: Where it came from in the end.
    """

    value: Any
    headers: Mapping[str, str] = field(repr=False)
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A short document as it was sent.

    Attributes:
        data: Its bytes.
        headers: The answer's headers; case of names does not count.
    """

    data: bytes
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Head:
    """The answer to a HEAD request.

    Attributes:
        status: 200 and its like, 304, or a redirect's status where `redirect_to` is set.
        headers: The answer's headers; case of names does not count.
        url: The address that gave this answer.
        redirect_to: The absolute address on another origin that the answer points at, or None.
        asked: Each address on the way to it.
        public: Whether it came from the open Internet, as far as can be told.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    url: str = field(repr=False)
    redirect_to: str | None = field(default=None, repr=False)
    asked: tuple[str, ...] = field(default=(), repr=False)
    public: bool = False
