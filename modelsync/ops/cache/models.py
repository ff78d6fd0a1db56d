"""The files of a store as models: which repo they are of, how large they are, what needs them, how far they came."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from modelsync.errors import ModelsyncError
from modelsync.spec.file_kinds import is_projector
from modelsync.spec.labels import labels, stem_of
from modelsync.spec.lock import read as lock_reader
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.names import printable
from modelsync.spec.roles import Role
from modelsync.store import receipts, small_files, survey
from modelsync.store.layout import Store, url_key
from modelsync.store.needs import Need, needs
from modelsync.transfer.received import received


class KnownFile(NamedTuple):
    """Where a file of the store comes from.

    Attributes:
        path: Its path there.
        repo: Its repo, or None.
        url: Its URL, or None.
        role: Its role in a lock; None where only a receipt tells of it.
        size: Bytes of the whole file; None where nothing tells.
    """

    path: str
    repo: str | None = None
    url: str | None = None
    role: Role | None = None
    size: int | None = None


class StoredModel(NamedTuple):
    """Files of the store that are one model: the parts of a split one, or all files of a repo's folder models.

    Attributes:
        title: `user/model:Q4_K_M`, `user/model/mmproj.gguf`, or the name of a file.
        repo: Its repo, or None.
        digests: The sha256 of each of its files that is here or on its way, in hex.
        files: How many of them are here.
        bytes: Bytes of those, of which partials count with what has arrived.
        needs: The locks and pulls that need any of them.
        names: What locks that are alive call it, by the path of the lock.
        used: When it was last used, or came, in seconds since the epoch.
        total: Bytes that it will have, where a part of it is on its way and that is known.
        unfinished: Whether a part of it is on its way.
    """

    title: str
    repo: str | None
    digests: frozenset[str]
    files: int
    bytes: int
    needs: tuple[Need, ...]
    names: Mapping[str, tuple[str, ...]]
    used: float
    total: int | None = None
    unfinished: bool = False


class StoredModels(NamedTuple):
    """What is in a store.

    Attributes:
        survey: What it was made from.
        models: The models, the largest first.
        known: What is known of each digest.
        needs: What each lock and pull needs.
        locks: The models of each lock that can be read, by its path.
    """

    survey: survey.Survey
    models: tuple[StoredModel, ...]
    known: Mapping[str, KnownFile]
    needs: tuple[Need, ...]
    locks: Mapping[str, tuple[LockedModel, ...]]


def stored(store: Store, *, now: float | None = None) -> StoredModels:
    """What is in the store. Read-only stores are not listed.

    Raises:
        StoreError: it cannot be looked at.
    """
    now = time.time() if now is None else now
    found = survey.take(store, now)
    locks = {path: models for path in found.locks if (models := _models_of(path))}
    wanted = needs(found, now)
    known = _known(store, found, locks)
    here = {thing.name: thing.bytes for thing in found.of("blob")}
    arriving = {thing.name: thing for thing in found.of("partial") if thing.key not in here}
    came = {thing.name: thing.changed for thing in (*found.of("receipt"), *found.of("blob"))}
    had: dict[str, int] = dict(here)
    for thing in arriving.values():
        had[thing.key] = max(had.get(thing.key, 0), received(thing.path))
        came[thing.key] = max(came.get(thing.key, 0.0), thing.changed)
    groups: dict[tuple[str | None, str], list[str]] = {}
    for digest in had:
        groups.setdefault(_group(digest, known.get(digest)), []).append(digest)
    titles = _titles(groups, known)
    listed = []
    for group, digests in groups.items():
        mine = frozenset(digests)
        needed = tuple(need for need in wanted if not mine.isdisjoint(need.digests))
        coming = [digest for digest in digests if digest not in here]
        sizes = [known[digest].size if digest in known else None for digest in coming]
        total = sum(here.get(digest, 0) for digest in digests) + sum(size or 0 for size in sizes)
        listed.append(
            StoredModel(
                titles[group],
                group[0],
                mine,
                len(digests) - len(coming),
                sum(had[digest] for digest in digests),
                needed,
                _names(mine, needed, locks),
                max((need.used for need in needed), default=max(came.get(digest, 0.0) for digest in digests)),
                total if coming and None not in sizes else None,
                bool(coming),
            )
        )
    ordered = sorted(listed, key=lambda model: (-model.bytes, model.title))
    return StoredModels(found, tuple(ordered), known, wanted, locks)


def _models_of(lock: str) -> tuple[LockedModel, ...]:
    with suppress(OSError, ValueError, ModelsyncError):
        return lock_reader.parse(small_files.read(lock).decode()).models
    return ()


def _known(
    store: Store, found: survey.Survey, locks: Mapping[str, Iterable[LockedModel]]
) -> dict[str, KnownFile]:
    """What locks and pulls say of each digest, else its receipt; of what is read to be locked, by its key."""
    known: dict[str, KnownFile] = {}
    for thing in found.of("blob"):
        receipt = receipts.read(store.root, thing.name)
        if receipt is not None and receipt.origins:
            first = receipt.origins[0]
            known[thing.name] = KnownFile(
                first.path, first.repo or _repo(first.url or ""), first.url, None, thing.bytes
            )
    for root in found.roots.values():
        if root is not None:
            known.update(_of_files(root.files, _repo(root.uri or "")))
    for models in locks.values():
        for model in models:
            known.update(_of_files(model.files, _repo(str(model.request.get("uri", "")))))
    return known


def _of_files(files: Iterable[LockedFile], repo: str | None) -> dict[str, KnownFile]:
    found = {}
    for file in files:
        mine = KnownFile(file.path, file.repo or repo, file.url, file.role, file.size)
        found[file.sha256] = mine
        if file.url is not None:
            found[url_key(file.url)] = mine
        found.update({piece.sha256: mine._replace(size=piece.size) for piece in file.pieces})
    return found


def _repo(uri: str) -> str | None:
    from modelsync.spec import uri as uris

    with suppress(ModelsyncError):
        asked = uris.parse(uri).uri
        if isinstance(asked, uris.OciUri):
            return f"{asked.registry}/{asked.repository}"
        return asked.repo if isinstance(asked, uris.HfUri) else None
    return None


def _group(digest: str, known: KnownFile | None) -> tuple[str | None, str]:
    """What tells a model from others: its repo and its path without the ending of a part."""
    if known is None:
        return None, f"\0{digest}"
    if known.role == "file" and known.repo is not None:
        return known.repo, ""
    return known.repo, stem_of(known.path)


def _titles(
    groups: Mapping[tuple[str | None, str], list[str]], known: Mapping[str, KnownFile]
) -> dict[tuple[str | None, str], str]:
    by_repo: dict[str, dict[str, tuple[str | None, str]]] = {}
    titles: dict[tuple[str | None, str], str] = {}
    for group, digests in groups.items():
        repo, stem = group
        first = known.get(min(digests, key=lambda digest: known[digest].path if digest in known else ""))
        if first is None:
            titles[group] = digests[0][:12]
        elif repo is None:
            titles[group] = printable(first.path)
        elif not stem:
            titles[group] = printable(repo)
        elif first.role not in ("model", None) or is_projector(first.path):
            titles[group] = printable(f"{repo}/{first.path}")
        else:
            by_repo.setdefault(repo, {})[first.path] = group
    for repo, paths in by_repo.items():
        for path, label in labels(sorted(paths)).items():
            titles[paths[path]] = printable(f"{repo}:{label}")
    return titles


def _names(
    digests: frozenset[str], needed: Iterable[Need], locks: Mapping[str, Iterable[LockedModel]]
) -> dict[str, tuple[str, ...]]:
    found = {}
    for need in needed:
        if need.lock is not None and need.lives:
            models = locks.get(need.lock, ())
            found[need.lock] = tuple(
                model.title for model in models if not digests.isdisjoint(file.sha256 for file in model.files)
            )
    return found
