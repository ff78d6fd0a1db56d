"""What the user's own hub publishes: learnt whenever it is asked, and asked for where it has to be known.

The user's own hub is the one that a flag or the environment names, else the default. What a manifest calls a hub, what
a mirror has and what a lock says prove nothing here.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from modelsync.context import Context
from modelsync.errors import CancelledError, ModelsyncError
from modelsync.sources.base import Resolution
from modelsync.sources.huggingface import check_owner
from modelsync.sources.request import owners
from modelsync.spec.hub_urls import commit_of
from modelsync.spec.lock.keys import is_commit
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.request import Request
from modelsync.spec.uri import HfUri
from modelsync.store import published
from modelsync.store.published import PublishedFile

_STEP = 1 << 20  # bytes read at once
_ABSENT = PublishedFile("", 0)  # a commit does not change: what it lacks need not be asked for again


class HubFile(NamedTuple):
    """A locked file of a hub's repo.

    Attributes:
        file: Its row.
        repo: `user/model`.
        commit: 40 hex digits.
        branch: The branch or tag that the request names; None: it names the commit.
    """

    file: LockedFile
    repo: str
    commit: str
    branch: str | None


class Confirmed(NamedTuple):
    """A file that the user's hub publishes in that commit, at that path.

    Attributes:
        file: The file.
        etag: What the hub calls its bytes.
        is_branch: Whether the hub says, or said, that the branch is that commit.
    """

    file: HubFile
    etag: str
    is_branch: bool


class Confirmation(NamedTuple):
    """What of some files the user's hub confirms.

    Attributes:
        confirmed: What it publishes.
        refused: The others, each with the reason in words.
        settled: Whether all is known; if not, the hub could not be asked.
    """

    confirmed: tuple[Confirmed, ...] = ()
    refused: tuple[tuple[HubFile, str], ...] = ()
    settled: bool = True


def learn(context: Context, answers: Iterable[tuple[Request, Resolution | ModelsyncError]]) -> None:
    """Notes what the user's own hub has just said of the files of some requests."""
    sources = context.sources()
    found: dict[tuple[str, str], dict[str, PublishedFile]] = {}
    branches: dict[tuple[str, str], set[str]] = {}
    for request, answer in answers:
        if isinstance(answer, ModelsyncError) or context.endpoint(request.endpoint) != context.endpoint():
            continue
        for file, reference, _ in owners(request.to_dict(), answer.files, sources):
            commit = file.revision or answer.revision
            if not isinstance(reference.uri, HfUri) or commit is None:
                continue
            key = (reference.uri.repo, commit)
            name = reference.revision or "main"
            branches.setdefault(key, set()).update(() if is_commit(name) else (name,))
            for one in file.pieces or (file,):
                if one.etag is not None and one.size is not None:
                    found.setdefault(key, {})[one.path] = PublishedFile(one.etag, one.size)
    for (repo, commit), files in found.items():
        published.note(context.store, context.endpoint(), repo, commit, files, branches[repo, commit])


def files_of(context: Context, model: LockedModel) -> tuple[tuple[HubFile, ...], tuple[LockedFile, ...]]:
    """The files of a model that are of a hub's commit, and the others."""
    of_hub, others = [], []
    for file, reference, _ in owners(model.request, model.files, context.sources()):
        in_url = commit_of(file.url)  # what was pulled is remembered without its revision
        commit = file.revision or model.revision or (in_url.commit if in_url is not None else None)
        if not isinstance(file, LockedFile) or not isinstance(reference.uri, HfUri) or commit is None:
            others.append(file)
            continue
        name = reference.revision or "main"
        of_hub.append(HubFile(file, reference.uri.repo, commit, None if is_commit(name) else name))
    return tuple(of_hub), tuple(file for file in others if isinstance(file, LockedFile))


def confirm(context: Context, files: Sequence[tuple[HubFile, Path]]) -> Confirmation:
    """Finds out which files the user's own hub publishes: from what it said before, else by asking it now.

    Args:
        context: What to work with.
        files: The files, each with its bytes, whose sha256 is the lock's.
    """
    confirmed: list[Confirmed] = []
    refused: list[tuple[HubFile, str]] = []
    settled = True
    groups: dict[tuple[str, str], list[tuple[HubFile, Path]]] = {}
    for each in files:
        groups.setdefault((each[0].repo, each[0].commit), []).append(each)
    for (repo, commit), group in groups.items():
        trouble = _ask_if_needed(context, repo, commit, [file for file, _ in group])
        known = published.read(context.store, context.endpoint(), repo, commit)
        for file, data in group:
            said = known.files.get(file.file.path)
            if said is None and trouble is not None:
                refused.append((file, trouble))
                settled = False
            elif said is None or not said.etag:
                refused.append((file, f"{context.endpoint()} publishes no such file"))
            elif said.size != file.file.size or not _is(data, said.etag, file.file):
                refused.append((file, f"{context.endpoint()} publishes other bytes"))
            else:
                confirmed.append(Confirmed(file, said.etag, file.branch in known.branches))
    return Confirmation(tuple(confirmed), tuple(refused), settled)


def _ask_if_needed(context: Context, repo: str, commit: str, files: Sequence[HubFile]) -> str | None:
    """Asks the hub about what it has not said before, and notes it; returns why that was not possible."""
    hub = context.endpoint()
    known = published.read(context.store, hub, repo, commit)
    names = {file.branch for file in files} - {None, *known.branches}
    paths = {file.file.path for file in files} - known.files.keys()
    if not names and not paths:
        return None
    if not context.asks_origin:
        why = "the network is ruled out" if context.offline else "only mirrors are to be asked"
        return f"nothing here tells that {hub} publishes it, and {why}" if paths else None
    from modelsync.sources.hub import Hubs

    hubs = Hubs(context.origin_client)
    try:
        asked = hubs.repo(hub, repo, commit)
        listed = hubs.files(hub, asked) if paths else {}
        there = dict.fromkeys(paths, _ABSENT)
        for path in paths & listed.keys():
            etag, size = listed[path].etag, listed[path].size
            if etag is not None and size is not None:
                there[path] = PublishedFile(etag, size)
        published.note(context.store, hub, repo, commit, there)
    except CancelledError:
        raise
    except ModelsyncError as error:
        return error.message
    for name in names:
        try:
            now = hubs.repo(hub, repo, name)
            check_owner(now, name)
        except CancelledError:
            raise
        except ModelsyncError:  # it is gone, or another owner's: then it is no name for the commit
            continue
        if now.commit == commit:
            published.note(context.store, hub, repo, commit, {}, [str(name)])
    return None


def _is(data: Path, etag: str, file: LockedFile) -> bool:
    """Whether the bytes of a file are those that a hub calls so."""
    if len(etag) == 64:
        return etag == file.sha256
    hashed = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    with data.open("rb") as source:
        while part := source.read(_STEP):
            hashed.update(part)
    return hashed.hexdigest() == etag
