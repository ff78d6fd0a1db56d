"""Normalizes digests and ETags."""

import re

from modelsync.errors import UsageError
from modelsync.spec.names import printable

_SHA256 = r"(?ai)(?:sha256[:-])?([0-9a-f]{64})"


def sha256_hex(text: str, what: str = "") -> str:
    """The 64 lower-case hex digits of `sha256:<hex>` or `<hex>`.

    Args:
        text: The digest as it was written, in any case.
        what: Where the digest is written; the message begins with it.

    Raises:
        UsageError: it is no SHA-256.
    """
    match = re.fullmatch(_SHA256, text.strip())
    if not match:
        raise UsageError(
            f"{what}{': ' * bool(what)}`{printable(text, 80)}` is no SHA-256",
            hint="a SHA-256 is 64 hex digits, with or without `sha256:` before them",
        )
    return match[1].lower()


def etag(text: str | None) -> str | None:
    """The value of an `ETag` header without the weak mark and the quotes; None if nothing is left."""
    if text is None:
        return None
    return text.strip().removeprefix("W/").strip('"') or None
