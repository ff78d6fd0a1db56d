"""How the model API writes files, folders and refs in JSON."""

from datetime import UTC, datetime
from typing import Any

from .repos import Commit, Entry, Repo


def sibling(path: str, entry: Entry, blobs: bool) -> dict[str, Any]:
    """A file in a model's `siblings`, with sizes and digests where `blobs` are asked for."""
    value: dict[str, Any] = {"rfilename": path}
    if blobs:
        value |= {"size": entry.what.size, "blobId": entry.oid}
        if entry.lfs:
            value["lfs"] = {
                "sha256": entry.what.sha256,
                "size": entry.what.size,
                "pointerSize": len(entry.what.pointer),
            }
    return value


def listing(repo: Repo, commit: Commit, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """The entries below a folder: files, and the folders they are in, in order of their paths."""
    prefix = f"{folder.rstrip('/')}/" if folder else ""
    found: dict[str, dict[str, Any]] = {}
    for path, entry in commit.files.items():
        if not path.startswith(prefix):
            continue
        parts = path.removeprefix(prefix).split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            above = prefix + "/".join(parts[:depth])
            oid = commit.id[::-1]
            found.setdefault(above, {"type": "directory", "oid": oid, "size": 0, "path": above})
        if recursive or len(parts) == 1:
            found[path] = _tree_entry(repo, path, entry)
    return [found[path] for path in sorted(found)]


def _tree_entry(repo: Repo, path: str, entry: Entry) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.what.size, "path": path}
    if entry.lfs:
        size, pointer = entry.what.size, len(entry.what.pointer)
        value["lfs"] = {"oid": entry.what.sha256, "size": size, "pointerSize": pointer}
        if repo.xet:
            value["xetHash"] = entry.what.sha256[::-1]
    return value


def refs(repo: Repo) -> dict[str, Any]:
    """A repo's branches and tags."""
    return {
        "branches": [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha}
            for name, sha in repo.branches.items()
        ],
        "tags": [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": sha} for name, sha in repo.tags.items()
        ],
        "converts": [],
    }


def iso(seconds: float) -> str:
    """A time, given in seconds since the epoch, as the API writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
