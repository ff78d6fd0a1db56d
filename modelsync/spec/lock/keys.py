"""The keys of a lock, and the lowest version of a reader that understands what is in it. Pure."""

from typing import TYPE_CHECKING

from modelsync.spec.roles import COMPANIONS

if TYPE_CHECKING:
    from modelsync.spec.lock.model import Lock, LockedModel

VERSION = 2  # what this modelsync reads; it writes the lowest that will do

# Each with the version since which a lock has it.
REQUEST_KEYS = {
    "uri": 1,
    "revision": 1,
    **{each.key: each.since for each in COMPANIONS},
    "include": 2,
    "exclude": 2,
    "sha256": 1,
    "endpoint": 1,
}
ROLE_VERSIONS = {"model": 1, "file": 2, **{each.role: each.since for each in COMPANIONS}}

PIECE_KEYS = ("path", "url", "etag", "size", "sha256")
FILE_KEYS = (
    "role",
    "repo",
    "revision",
    *PIECE_KEYS,
    "license",
)  # an older reader writes what it does not know last
MODEL_KEYS = ("name", "variant", "request", "revision", "license", "files")
LOCK_KEYS = ("version", "model")

_HEX = "0123456789abcdef"


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit of 40 lower-case hex digits: all that version 1 knows."""
    return len(revision) == 40 and not revision.strip(_HEX)


def is_manifest(revision: str) -> bool:
    """Whether a revision is the digest of a registry's manifest: `sha256:` and 64 lower-case hex digits."""
    kind, _, digits = revision.partition(":")
    return kind == "sha256" and len(digits) == 64 and not digits.strip(_HEX)


def short(revision: str | None) -> str:
    """The beginning of a commit, or of a digest's digits, as people tell them apart; empty where there is none."""
    return (revision or "").removeprefix("sha256:")[:7]


def needed_version(lock: "Lock") -> int:
    """The version of a lock: that of the oldest reader which understands all of it."""
    return max(map(_needed, lock.models), default=1)


def _needed(model: "LockedModel") -> int:
    needed = [REQUEST_KEYS[key] for key in model.request if key in REQUEST_KEYS]
    needed += (ROLE_VERSIONS[file.role] for file in model.files)
    revisions = (model.revision, *(file.revision for file in model.files))
    needed += (2 for revision in revisions if revision is not None and not is_commit(revision))
    return max(needed, default=1)
