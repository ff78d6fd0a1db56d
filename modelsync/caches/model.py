"""What is looked for in other tools' caches, and what is found there. Values, and the interface of a cache."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Protocol


class Sought(NamedTuple):
    """A file that is looked for.

    Attributes:
        sha256: Its digest, in hex; None: only its git id is known.
        size: Bytes; above 0.
        path: Its path in its repo, or its name.
        repo: Its repo on the hub, `user/model`; None: it is from elsewhere.
        git_id: The git blob id of its bytes, 40 hex digits, where that is known.
        pieces: The digest in hex and the size of each piece that it is joined from; empty: it is one file.
    """

    sha256: str | None
    size: int
    path: str
    repo: str | None = None
    git_id: str | None = None
    pieces: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.rpartition("/")[2]

    @property
    def etags(self) -> tuple[str, ...]:
        """What a hub calls its bytes: the sha256 of a large file, the git blob id of a small one."""
        return tuple(etag for etag in (self.sha256, self.git_id) if etag is not None)


class Cache(Protocol):
    """The cache of one tool.

    Attributes:
        title: What people call it: "the Hugging Face cache".
        root: Its folder.
        links_from: The size in bytes from which its files may get one more name; None: none may. The tool must replace
            files by renaming and never write into one that is there: a file that was linked would change with it.
    """

    @property
    def title(self) -> str:
        """See the class."""

    @property
    def root(self) -> Path:
        """See the class."""

    @property
    def links_from(self) -> int | None:
        """See the class."""

    def by_digest(self, sought: Sought) -> Iterable[Path]:
        """Paths that the cache itself says have the sought bytes: a few stats, no walk.

        Raises:
            OSError: the cache cannot be read.
        """

    def by_name(self, sought: Sought) -> Iterable[Path]:
        """Paths whose name and size are those of the sought file.

        Raises:
            OSError: the cache cannot be read.
        """


class Candidate(NamedTuple):
    """A regular file of a neighbour that may have the sought bytes; only hashing tells.

    Attributes:
        path: The file itself, with all links followed.
        place: What people call the place where it is.
        linkable: Whether it may get one more name.
        rest: The files whose bytes follow, where they are the sought bytes together.
    """

    path: Path
    place: str
    linkable: bool = False
    rest: tuple[Path, ...] = ()
