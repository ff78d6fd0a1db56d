"""The commits that a lock pins: requests at them, and those that an upgrade leaves where they are."""

from collections.abc import Sequence
from typing import Any

from modelsync.sources.base import Resolution, Source
from modelsync.sources.request import owners
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.request import Request
from modelsync.spec.roles import COMPANIONS
from modelsync.spec.uri import HfUri, OciUri


def at_pinned_commits(request: Request, model: LockedModel) -> Request:
    """The request with the lock's commits in place of branches and tags."""
    if model.revision is not None:
        request = request._replace(revision=model.revision)
    for companion in COMPANIONS:
        files = [file for file in model.files if file.role == companion.role]
        asked: Any = getattr(request, companion.key)
        if companion.many:
            if len(files) == len(asked):
                pairs = zip(asked, files, strict=True)
                at_commits = tuple(each._replace(revision=_commit(file, model)) for each, file in pairs)
                request = request._replace(**{companion.key: at_commits})  # type: ignore[arg-type]
        elif asked is not None and asked is not True:
            at_commit = asked._replace(revision=_commit(next(iter(files), None), model))
            request = request._replace(**{companion.key: at_commit})
    return request


def unmoved(old: LockedModel, new: LockedModel, sources: Sequence[Source]) -> LockedModel:
    """`new` with the pins of `old` wherever a repo has another commit and the same selected files.

    The files of the model's own repo keep their commit together; a companion from elsewhere keeps its own. What has
    no commit (a URL, a local file) is as `new` says.

    Args:
        old: What the lock says.
        new: What upstream says now, of the same request.
        sources: From `modelsync.sources.sources`.
    """
    before, after = _pinned(old, sources), _pinned(new, sources)
    home_stays = old.revision not in (None, new.revision) and _home(before) == _home(after)
    left: dict[object, list[LockedFile]] = {}
    for one in reversed(before):
        if home_stays or one.revision is not None:
            left.setdefault((one.repo, _content(one)), []).append(one)
    moved = frozenset(after)

    def stays(file: LockedFile) -> LockedFile:
        if file not in moved or (file.revision is None and not home_stays):
            return file
        same = left.get((file.repo, _content(file)))
        return same.pop() if same else file

    files = tuple(map(stays, new.files))
    if not home_stays:
        return new._replace(files=files)
    return new._replace(files=files, revision=old.revision, license=old.license)


def confirms(answer: Resolution, model: LockedModel) -> bool:
    """Whether what a source says at the lock's commits is what the lock says; digests as far as it publishes them."""
    return len(answer.files) == len(model.files) and all(
        (found.role, found.path, found.sha256 or file.sha256) == (file.role, file.path, file.sha256)
        and found.size in (None, file.size)
        for found, file in zip(answer.files, model.files, strict=True)
    )


def with_licenses(model: LockedModel, answer: Resolution) -> LockedModel:
    """The model with the licenses of its companions' repos, where a lock from before has none.

    Args:
        model: What the lock says.
        answer: What a source says at the lock's commits, and which confirms the model.
    """
    rows = zip(model.files, answer.files, strict=True)
    return model._replace(
        files=tuple(file._replace(license=file.license or found.license) for file, found in rows)
    )


def _pinned(model: LockedModel, sources: Sequence[Source]) -> list[LockedFile]:
    """The files that are of a commit, or of a registry's manifest."""
    owned = owners(model.request, model.files, sources)
    return [
        file
        for file, own in zip(model.files, owned, strict=True)
        if isinstance(own.reference.uri, (HfUri, OciUri))
    ]


def _home(files: Sequence[LockedFile]) -> list[object]:
    return [_content(file) for file in files if file.revision is None]


def _content(file: LockedFile) -> object:
    pieces = tuple((piece.path, piece.size, piece.sha256) for piece in file.pieces)
    return file.role, file.path, file.size, file.sha256, pieces


def _commit(file: LockedFile | None, model: LockedModel) -> str | None:
    """The commit a file was taken from; None where its source has no commits."""
    if file is None:
        return None
    return file.revision or (model.revision if file.repo is None else None)
