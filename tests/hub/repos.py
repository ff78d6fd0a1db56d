"""The repos of a hub: commits that never change, and the branches and tags that point to them."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from .content import Content, content, git_blob

LFS_FROM = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a commit.

    Attributes:
        what: Its bytes.
        lfs: Whether it is kept in Git LFS, which decides how it is listed and served.
    """

    what: Content
    lfs: bool

    @property
    def oid(self) -> str:
        """The git object id in the tree: of the pointer for LFS, else of the bytes."""
        return git_blob(self.what.pointer) if self.lfs else self.what.git

    @property
    def etag(self) -> str:
        """The hub's ETag, bare: the sha256 for LFS, else the git object id."""
        return self.what.sha256 if self.lfs else self.what.git


@dataclass(frozen=True, slots=True)
class Commit:
    """A state of a repo.

    Attributes:
        id: 40 hex digits, decided by the files and the history.
        files: By path.
        date: Seconds since the epoch.
    """

    id: str
    files: Mapping[str, Entry]
    date: float


@dataclass(slots=True)
class Repo:
    """A model repo. `private`, `gated`, `disabled` and `license` may be changed at any time.

    Attributes:
        id: `user/model`.
        endpoint: Of the hub it is on.
        private: Only accepted tokens see that it exists.
        gated: Everyone sees it; only accepted tokens read its files.
        license: For the model card's data; None: it says none.
        disabled: Nobody reads it.
        xet: Say that the LFS files are in Xet storage too, as the real hub does now.
        accepted: Tokens that may read it.
    """

    id: str
    endpoint: str
    private: bool = False
    gated: Literal["auto", "manual"] | None = None
    license: str | None = "apache-2.0"
    disabled: bool = False
    xet: bool = False
    accepted: set[str] = field(default_factory=set)
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(
        self, files: Mapping[str, bytes | Path | None], *, branch: str = "main", lfs: bool | None = None
    ) -> str:
        """Change files on a branch.

        Args:
            files: New bytes by path; a Path is served from where it is and must not change; None deletes.
            branch: Made from nothing if it is not there.
            lfs: Whether these files are in LFS; None: `*.gguf`, its pieces, and all of 1 MiB and more.

        Returns:
            The new commit's id.
        """
        parent = self.branches.get(branch)
        now = dict(self.commits[parent].files) if parent else {}
        for path, data in files.items():
            if data is None:
                del now[path]
                continue
            what = content(data)
            auto = ".gguf" in path.lower() or what.size >= LFS_FROM
            now[path] = Entry(what, auto if lfs is None else lfs)
        listing = [self.id, parent, branch, sorted((path, entry.oid) for path, entry in now.items())]
        sha = hashlib.sha1(json.dumps(listing).encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = Commit(sha, now, time.time())
        self.branches[branch] = sha
        return sha

    def squash(self, branch: str = "main") -> str:
        """Make one commit of a branch's history, as `super_squash_history` does: no commit before it is left.

        Returns:
            The new commit's id.
        """
        last = self.commits[self.branches[branch]]
        sha = hashlib.sha1(f"squash of {last.id}".encode(), usedforsecurity=False).hexdigest()
        self.commits = {sha: Commit(sha, last.files, time.time())}
        self.branches, self.tags = {branch: sha}, {}
        return sha

    def branch(self, name: str, sha: str) -> None:
        """Make a branch, or move it (a force push: what it pointed to stays reachable by its id)."""
        self.branches[name] = self.commits[sha].id

    def tag(self, name: str, sha: str) -> None:
        """Make a tag, or move it."""
        self.tags[name] = self.commits[sha].id

    def accept(self, token: str) -> None:
        """Let a token read a private or gated repo."""
        self.accepted.add(token)

    def find(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or an id names."""
        sha = self.branches.get(revision) or self.tags.get(revision) or revision
        return self.commits.get(sha)

    def url(self, path: str, revision: str = "main") -> str:
        """The resolve URL of a file."""
        return f"{self.endpoint}/{self.id}/resolve/{quote(revision, safe='')}/{quote(path)}"
