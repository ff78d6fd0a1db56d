"""Which licenses a project allows. Pure.

A license is what the hub publishes. Where it publishes none, or `other`, what the manifest states counts: a person has
read the terms then.
"""

import re
from collections.abc import Iterable

from modelsync.errors import UsageError
from modelsync.spec.names import printable

MAX_LICENSE = 200  # characters
ALLOWED = r"[!-~]([ -~]*[!-~])?"  # one of `allowed-licenses`: hubs have names with spaces too
STATED = r"[A-Za-z0-9][A-Za-z0-9.+_-]*"  # an entry's `license`
NO_LICENSE = ("other", "unknown")  # ids of hubs that name no terms
_OWN = "licenseref-"


def is_published(license: str | None) -> bool:
    """Whether a source names terms: it names a license, and all that it names are some."""
    return license is not None and not any(_is_none(each) for each in ids(license))


def ids(license: str) -> tuple[str, ...]:
    """The licenses of a text that may name several: `mit, apache-2.0`."""
    return tuple(filter(None, map(str.strip, license.split(","))))


def effective(license: str | None, stated: str | None) -> tuple[str, ...]:
    """The licenses that count: what is published, and what is stated in the place of none. Empty: none is known."""
    published = ids(license or "")
    known = [each for each in published if not _is_none(each)]
    if len(known) < len(published) or not published:
        if stated is None:
            return ()
        known.append(stated)
    return tuple(known)


def refused(license: str | None, stated: str | None, allowed: Iterable[str]) -> tuple[str, ...] | None:
    """Which licenses of a part are not allowed.

    Args:
        license: As its source publishes it.
        stated: What the manifest states where that is none.
        allowed: What the project allows.

    Returns:
        None: it is allowed. Empty: it has no license that is known. Else those that are not on the list.
    """
    known = frozenset(each.casefold() for each in allowed)
    if license is not None and is_published(license) and license.casefold() in known:  # a name with commas
        return None
    count = effective(license, stated)
    if not count:
        return ()
    stands = stated.casefold() if stated is not None and not is_published(license) else None
    wrong = tuple(
        each
        for each in count
        if each.casefold() not in known
        and not (each.casefold() == stands and stands.startswith(_OWN) and len(stands) > len(_OWN))
    )
    return wrong or None


def check_allowed(text: str) -> str:
    """Returns an element of `allowed-licenses` if it can be one.

    Raises:
        UsageError: it is none.
    """
    if _is_none(text):
        raise UsageError(
            f"`{text}` is what a hub says where it names no license",
            hint='read its terms, and state what they are at the model: license = "LicenseRef-NAME"',
        )
    if len(text) > MAX_LICENSE or not re.fullmatch(ALLOWED, text):
        raise UsageError(f"`{printable(text, 80)}` is no license", hint='for example "apache-2.0"')
    return text


def check_stated(text: str) -> str:
    """Returns an entry's `license` if it can be one.

    Raises:
        UsageError: it is none.
    """
    if _is_none(text) or len(text) > MAX_LICENSE or not re.fullmatch(STATED, text):
        raise UsageError(
            f"`{printable(text, 80)}` is no license",
            hint='for example "apache-2.0", or "LicenseRef-NAME" for terms of its own that you accept',
        )
    return text


def _is_none(license: str) -> bool:
    return license.strip().casefold() in NO_LICENSE
