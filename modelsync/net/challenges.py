"""Reads `WWW-Authenticate` headers. Pure."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_SCHEME = re.compile(r"(?:^|,)\s*Bearer\s+", re.IGNORECASE)
_BASIC = re.compile(r"(?:^|,)\s*Basic(?=\s|,|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')


class BearerChallenge(NamedTuple):
    """What a server wants to see before it answers: `WWW-Authenticate: Bearer realm="…",service="…",scope="…"`.

    Attributes:
        realm: The address that gives tokens, as the server wrote it.
        service: The server that the token is for, or None.
        scope: What it is for, or None: `repository:a/b:pull,push`, several split by blanks.
    """

    realm: str
    service: str | None
    scope: str | None


def bearer_challenge(header: str) -> BearerChallenge | None:
    """Reads a `WWW-Authenticate` header; None where it has no challenge for a bearer token with a realm."""
    begin = _SCHEME.search(header)
    if begin is None:
        return None
    values: dict[str, str] = {}
    at = begin.end()
    while match := _PARAMETER.match(header, at):
        value = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        values.setdefault(match[1].lower(), value)
        at = match.end()
    realm = values.get("realm", "")
    return BearerChallenge(realm, values.get("service"), values.get("scope")) if realm else None


def wants_basic(header: str) -> bool:
    """Whether a `WWW-Authenticate` header asks for a user and a password."""
    return _BASIC.search(header) is not None


def covers(granted: str | None, asked: str | None) -> bool:
    """Whether one scope has all that another one asks for; the order of both does not count."""
    return set(_rights(asked)) <= set(_rights(granted))


def _rights(scope: str | None) -> Iterator[tuple[str, str]]:
    for each in (scope or "").split():
        what, _, actions = each.rpartition(":")
        yield from ((what, action) for action in actions.split(","))
