"""The user's own `config.toml`: what a repository's manifest is not trusted with."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class UserConfig(NamedTuple):
    """What the user said about hosts.

    Attributes:
        headers: `host` or `host:port` to headers; `${VAR}` in a value is expanded when it is sent.
        insecure_hosts: Hosts that may be asked over plain http, without credentials.
        path: The file, for messages; None when there is none.
    """

    headers: Mapping[str, Mapping[str, str]] = {}
    insecure_hosts: frozenset[str] = frozenset()
    path: Path | None = None


def load(path: Path | None) -> UserConfig:
    """Reads the user's configuration.

    Args:
        path: The file, which must be there; None: the one in the platform's user config folder, which need not.

    Raises:
        ConfigError: the file, its line or key, and what is wrong there.
    """
    raise NotImplementedError
