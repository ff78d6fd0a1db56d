"""Asks a hub about a repo: the commit of a revision, and the files in it.

The protocol is that of huggingface.co and its mirrors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from modelsync.errors import ModelsyncError, NetworkError, NotFoundError, RefusedError
from modelsync.sources import hub_errors
from modelsync.sources.answers import Answers
from modelsync.sources.hub_answers import (
    RemoteFile,
    file_of_headers,
    is_gated,
    license_of,
    names,
    next_page,
    remote_file,
    siblings,
)
from modelsync.spec.lock.keys import is_commit
from modelsync.spec.lock.origin import hf_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelsync.net.answers import JsonReply
    from modelsync.net.client import Client

MAX_PAGES = 200
MAX_ENTRIES = 200_000
MAX_REF = 256  # characters of a name
MAX_REFS = 1000  # branches and tags among which a misspelt one is looked for
_REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)


class Repo(NamedTuple):
    """A repo at one commit.

    Attributes:
        id: `user/model`, as it was asked for.
        commit: 40 hex digits.
        license: By its model card, or None.
        called: `user/model`, as the hub calls it now: another name where it was renamed.
        gated: Whether its owner must accept who reads its files; None: the hub does not say.
    """

    id: str
    commit: str
    license: str | None
    called: str
    gated: bool | None = None

    @property
    def owner(self) -> str:
        """Whose it is now."""
        return self.called.partition("/")[0]


class Hubs:
    """Asks hubs about repos, each question once: a branch that moves during a run stays one commit."""

    def __init__(self, client_factory: Callable[[], Client]) -> None:
        self._client = client_factory
        self._answers = Answers()

    def repo(self, endpoint: str, repo: str, revision: str | None) -> Repo:
        """Resolves a revision (None: `main`) to its commit.

        Raises:
            NotFoundError, GatedError, RefusedError, NetworkError: see `hub_errors.explain`.
        """
        revision = revision or "main"
        found: Repo = self._answers.once(
            ("repo", endpoint, repo, revision), lambda: self._ask_repo(endpoint, repo, revision)
        )
        if found.commit != revision:  # a question for the commit needs no request then
            self._answers.remember(("repo", endpoint, repo, found.commit), found)
        return found

    def files(self, endpoint: str, repo: Repo) -> Mapping[str, RemoteFile]:
        """Lists all files of a repo at its commit, by path.

        The paths are the hub's and may be unsafe.
        """
        files: Mapping[str, RemoteFile] = self._answers.once(
            ("files", endpoint, repo.id, repo.commit), lambda: self._ask_files(endpoint, repo)
        )
        return files

    def _ask_repo(self, endpoint: str, repo: str, revision: str) -> Repo:
        url = f"{endpoint}/api/models/{repo}/revision/{quote(revision, safe='')}"
        info = self._get(url, endpoint, repo, revision, {"blobs": "true"})
        value = info.value
        commit = value.get("sha") if isinstance(value, dict) else None
        if not isinstance(commit, str) or not is_commit(commit):
            raise hub_errors.not_a_hub(endpoint, f"it names no commit for {repo}")
        if is_commit(revision) and commit != revision:
            raise RefusedError(
                f"{endpoint} was asked for commit {revision} of {repo} and answers with {commit}"
            )
        if value.get("disabled") is True:
            raise hub_errors.disabled(endpoint, repo)
        files = siblings(value)
        if files is not None:
            self._answers.remember(("files", endpoint, repo, commit), files)
        self._answers.remember(("names", endpoint, repo, commit), names(value))
        called = value.get("id")
        known = isinstance(called, str) and _REPO.fullmatch(called)
        return Repo(repo, commit, license_of(value), called if known else repo, is_gated(value))

    def head(self, endpoint: str, repo: Repo, path: str) -> RemoteFile:
        """Asks for one file of a hub whose list says nothing of it.

        Raises:
            ModelsyncError: as of `repo`.
        """
        url = hf_url(endpoint, repo.id, repo.commit, path)
        try:
            found = self._client().head(url)
        except ModelsyncError as error:
            raise hub_errors.explain(error, endpoint, repo.id, revision=repo.commit, path=path) from error
        return file_of_headers(found.headers, redirected=found.redirect_to is not None)

    def _ask_files(self, endpoint: str, repo: Repo) -> Mapping[str, RemoteFile]:
        first = f"{endpoint}/api/models/{repo.id}/tree/{repo.commit}"
        params: Mapping[str, str] | None = {"recursive": "true"}
        files: dict[str, RemoteFile] = {}
        url: str | None = first
        seen: set[str] = set()
        entries = 0
        while url is not None:
            seen.add(url)
            try:
                reply = self._get(url, endpoint, repo.id, repo.commit, params)
            except NotFoundError:
                listed: tuple[str, ...] = self._answers.once(("names", endpoint, repo.id, repo.commit), tuple)
                if url == first and listed:  # a hub without trees: each file is asked for by itself
                    return dict.fromkeys(listed, RemoteFile(None, None, None))
                raise
            params = None  # a next page's address has its own
            if not isinstance(reply.value, list):
                raise hub_errors.not_a_hub(endpoint, f"its list of the files of {repo.id} is not a list")
            entries += len(reply.value)
            url = next_page(reply.headers.get("link", ""), first)
            if entries > MAX_ENTRIES or len(seen) > MAX_PAGES or url in seen:
                raise RefusedError(f"{endpoint} does not come to an end of the files of {repo.id}")
            for entry in reply.value:
                if isinstance(entry, dict) and entry.get("type") == "file":
                    path = entry.get("path")
                    if isinstance(path, str):
                        files[path] = remote_file(entry, endpoint, repo.id)
        return files

    def _get(
        self, url: str, endpoint: str, repo: str, revision: str, params: Mapping[str, str] | None
    ) -> JsonReply:
        client = self._client()
        try:
            return client.get_json(url, params=params)
        except ModelsyncError as error:
            told = hub_errors.explain(
                error, endpoint, repo, revision=revision, refs=lambda: self._refs(endpoint, repo)
            )
            if told is error:
                raise
            raise told from error

    def _refs(self, endpoint: str, repo: str) -> tuple[str, ...]:
        """The branches and tags of a repo, for a hint; empty if the hub does not say."""
        try:
            value = self._client().get_json(f"{endpoint}/api/models/{repo}/refs").value
        except (NetworkError, RefusedError):
            return ()
        groups = [value.get(kind) for kind in ("branches", "tags")] if isinstance(value, dict) else []
        refs = [
            ref.get("name")
            for group in groups
            if isinstance(group, list)
            for ref in group
            if isinstance(ref, dict)
        ]
        return tuple(name for name in refs[:MAX_REFS] if isinstance(name, str) and len(name) < MAX_REF)
