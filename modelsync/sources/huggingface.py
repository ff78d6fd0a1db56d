"""Models on Hugging Face and hubs that speak its protocol: repos at commits, files with a sha256."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from modelsync.errors import NotFoundError, RefusedError
from modelsync.settings import DEFAULT_ENDPOINT
from modelsync.sources import hub_errors
from modelsync.sources.base import Found, FoundPiece, Moved, Resolution, joined
from modelsync.sources.hub import Hubs
from modelsync.spec.beside import choose_companion
from modelsync.spec.choose import choose_model
from modelsync.spec.folder import choose_folder
from modelsync.spec.lock.origin import hf_url
from modelsync.spec.names import file_name, listed, safe_path
from modelsync.spec.parts import joined_name
from modelsync.spec.uri import HfUri, parse
from modelsync.spec.uri_forms import is_model_file
from modelsync.transfer.jobs import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from modelsync.errors import ModelsyncError
    from modelsync.net.client import Client
    from modelsync.sources.base import Question
    from modelsync.sources.hub import Repo
    from modelsync.sources.hub_answers import RemoteFile
    from modelsync.spec.choose import Choice
    from modelsync.spec.lock.model import LockedFile
    from modelsync.spec.roles import Role
    from modelsync.spec.uri import Reference, Uri

_RESOLVE = re.compile(
    r"(?P<endpoint>.+?)/(?P<tail>(?P<repo>[^/]+/[^/]+)/resolve/(?P<commit>[0-9a-f]{40})/(?P<path>.+))"
)


class HuggingFace:
    """The source of `hf:` URIs."""

    def __init__(self, client_factory: Callable[[], Client]) -> None:
        self.hubs = Hubs(client_factory)

    def accepts(self, uri: Uri) -> bool:
        """Whether `uri` is an `hf:` one."""
        return isinstance(uri, HfUri)

    def resolve(self, question: Question) -> Resolution:
        """Finds the commit and chooses among its files."""
        uri = question.reference.uri
        if not isinstance(uri, HfUri):
            raise TypeError(f"{uri} is not an hf: URI")
        repo = self.hubs.repo(question.endpoint, uri.repo, question.reference.revision)
        check_owner(repo, question.reference.revision)
        files = self.hubs.files(question.endpoint, repo)
        known = {(file.path, file.etag): file for file in question.previous if file.role == question.role}
        left_out: tuple[str, ...] = ()
        if question.globs is not None:
            folder = choose_folder(question.globs, files, uri.repo)
            paths, notes, left_out, joins = folder.files, folder.notes, folder.left_out, False
        else:
            choice = choose_files(uri, question.role, files, question.beside, own_repo=question.own_repo)
            paths, notes, joins = choice.files, tuple(filter(None, (choice.note,))), choice.joined
        found = []
        for path in paths:
            remote = files[path]
            if remote.size is None:
                remote = self.hubs.head(question.endpoint, repo, safe_path(path))
            if remote.size is None and joins:
                raise hub_errors.not_a_hub(
                    question.endpoint, f"it gives no size for {safe_path(path)} of {repo.id}"
                )
            found.append(_found(question, repo, safe_path(path), remote, known.get((path, remote.etag))))
        if joins:
            found = [_join(found, question.previous)]
        notes += tuple(filter(None, (_new_name(repo),)))
        return Resolution(tuple(found), repo.commit, repo.license, notes, left_out)

    def locate(self, file: LockedFile | Found, endpoint: str, folder: Path) -> tuple[Segment, ...]:  # noqa: ARG002
        """The lock's URLs, with the hub to ask in them."""
        return tuple(
            Segment(
                _RESOLVE.sub(rf"{endpoint.rstrip('/')}/\g<tail>", piece.url or ""),
                piece.size,
                redirects=piece.sha256 is not None and piece.etag == piece.sha256,  # in LFS: a CDN has it
                sha256=piece.sha256,
            )
            for piece in file.pieces or (file,)
        )

    def relocate(self, file: LockedFile | Found, reference: Reference, endpoint: str) -> Moved | None:
        """Looks for the same path with the same bytes at the request's revision."""
        uri = reference.uri
        if not isinstance(uri, HfUri):
            raise TypeError(f"{uri} is not an hf: URI")
        endpoint = endpoint.rstrip("/")
        repo = self.hubs.repo(endpoint, uri.repo, reference.revision)
        files = self.hubs.files(endpoint, repo)
        segments = []
        for piece in file.pieces or (file,):
            there = files.get(piece.path)
            if there is None or there.size != piece.size or there.etag is None:
                return None
            if there.etag != piece.etag and there.sha256 != piece.sha256:
                return None
            url = hf_url(endpoint, repo.id, repo.commit, piece.path)
            segments.append(Segment(url, piece.size, redirects=there.sha256 is not None))
        return Moved(tuple(segments), repo.commit)

    def publishes(self, file: LockedFile | Found, endpoint: str) -> bool:
        """Whether the listing of the file's commit has its path with its sha256."""
        match = _RESOLVE.fullmatch(file.url or "")
        if match is None or file.sha256 is None:
            return False
        endpoint = endpoint.rstrip("/")
        listed = self.hubs.files(endpoint, self.hubs.repo(endpoint, match["repo"], match["commit"]))
        there = listed.get(file.path)
        return there is not None and there.sha256 == file.sha256 and there.size == file.size

    def explain(self, error: ModelsyncError, subject: str) -> ModelsyncError:
        """Explains a hub's refusal to give a file; `subject` is its `/resolve/` URL.

        An `hf:` URI is explained as one of huggingface.co.
        """
        match = _RESOLVE.fullmatch(subject)
        if match is None:
            reference = parse(subject)
            if not isinstance(reference.uri, HfUri):
                return error
            repo, path = reference.uri.repo, reference.uri.path
            return hub_errors.explain(error, DEFAULT_ENDPOINT, repo, revision=reference.revision, path=path)
        return hub_errors.explain(
            error, match["endpoint"], match["repo"], revision=match["commit"], path=unquote(match["path"])
        )


def check_owner(repo: Repo, revision: str | None) -> None:
    """Checks that a branch or tag still is its owner's: a hub leads from an old name to whoever has the repo now.

    A commit is the same whoever has it.

    Raises:
        RefusedError: the repo belongs to another owner.
    """
    if repo.commit != revision and repo.owner.casefold() != repo.id.partition("/")[0].casefold():
        raise RefusedError(
            f"{repo.id} belongs to another owner now: it is {repo.called}",
            hint=f"if you trust {repo.owner}, write hf:{repo.called} in the place of hf:{repo.id}",
        )


def _new_name(repo: Repo) -> str | None:
    """A note of a repo that its owner gave another name; None if there is nothing to say."""
    if repo.called.casefold() == repo.id.casefold():
        return None
    return f"{repo.id} is called {repo.called} now; write hf:{repo.called}"


def choose_files(
    uri: HfUri,
    role: Role,
    files: Mapping[str, RemoteFile],
    beside: Sequence[str] = (),
    *,
    own_repo: bool = False,
) -> Choice:
    """Which of a repo's model files `uri` means in this role.

    Args:
        uri: The repo, and what of it is named.
        role: The role of the files.
        files: The repo's files.
        beside: The model's files, for a companion that must fit them.
        own_repo: Whether it is the model's own repo: a draft head of another one may be a small whole model.

    Raises:
        NotFoundError: none, or not all of them are there, or several would do for an adapter.
    """
    paths, note = tuple(files), None
    if uri.path is None and role in ("mmproj", "draft"):
        model = beside[0] if beside else ""
        try:
            path, note = choose_companion(role, paths, model, uri.repo, quant=uri.quant)
            uri = uri._replace(path=path, quant=None)
        except NotFoundError:
            if own_repo or role != "draft":
                raise
    elif uri.path is None and role == "lora" and uri.quant is None:
        uri = uri._replace(path=_only(uri.repo, tuple(filter(is_model_file, paths))))
    choice = choose_model(
        paths,
        quant=uri.quant,
        path=uri.path,
        repo=uri.repo,
        sizes={path: file.size for path, file in files.items() if file.size is not None},
    )
    return choice._replace(note=note or choice.note)


def _only(repo: str, paths: Sequence[str]) -> str:
    if len(paths) == 1:
        return paths[0]
    if not paths:
        raise NotFoundError(
            f"{repo} has no .gguf file", hint="llama.cpp's convert_lora_to_gguf.py makes one of an adapter"
        )
    raise NotFoundError(
        f"{repo} has {len(paths)} .gguf files, and the URI of an adapter names none of them",
        hint=f"write one of hf:{repo}/…: {listed(paths)}",
    )


def _found(question: Question, repo: Repo, path: str, remote: RemoteFile, known: LockedFile | None) -> Found:
    sha256 = remote.sha256
    if sha256 is None and remote.etag is not None and known is not None and known.size == remote.size:
        sha256 = known.sha256  # the same git blob ID means the same bytes: they need not be read again
    url = hf_url(question.canonical_endpoint, repo.id, repo.commit, path)
    return Found(question.role, path, url, remote.size, sha256, remote.etag, repo.id, repo.commit)


def _join(found: Sequence[Found], previous: Sequence[LockedFile]) -> Found:
    first = found[0]
    pieces = tuple(FoundPiece(file.path, file.url or "", file.size, file.sha256, file.etag) for file in found)
    path = joined_name(first.path) or file_name(first.path)
    return joined(first.role, path, pieces, previous)._replace(repo=first.repo, revision=first.revision)
