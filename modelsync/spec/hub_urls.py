"""The URLs of a hub's files: `<hub>/<user>/<model>/resolve/<commit>/<path>`."""

import re
from typing import NamedTuple

_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/", re.ASCII)


class HubCommit(NamedTuple):
    """A commit of a hub's repo.

    Attributes:
        repo: `user/model`.
        commit: 40 hex digits.
    """

    repo: str
    commit: str


def commit_of(url: str | None) -> HubCommit | None:
    """The commit that a file's URL is of; None: it is no URL of a hub's commit."""
    found = _FILE.search(url or "")
    return HubCommit(found[1], found[2]) if found is not None else None
