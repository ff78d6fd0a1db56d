"""Credentials, each bound to the origin it belongs to."""

from collections.abc import Sequence

from modelsync.net.config import UserConfig
from modelsync.settings import Settings


class Credentials:
    """Secrets and whom each may be told. They appear in no repr."""

    def headers_for(self, url: str) -> dict[str, str]:
        """The headers that go to this address; none over plain http, but to loopback."""
        raise NotImplementedError

    def redact(self, text: str) -> str:
        """The text with every known secret replaced by `***`."""
        raise NotImplementedError


def gather(
    settings: Settings,
    config: UserConfig,
    *,
    token: str | None = None,
    endpoint: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Credentials:
    """Collects every credential there is: flags, the token, the user's config.toml, .netrc; the first wins.

    Args:
        settings: The environment's; its token belongs to its own endpoint, else to https://huggingface.co.
        config: The user's configuration.
        token: An explicit token. It belongs to `endpoint` if given, else where the environment's does.
        endpoint: The endpoint of a flag or argument; never one that a manifest names.
        headers: Pairs of an address and a `Name: value` that goes to its origin.

    Raises:
        UsageError: a header is malformed.
        ConfigError: a token or .netrc is.
    """
    raise NotImplementedError
