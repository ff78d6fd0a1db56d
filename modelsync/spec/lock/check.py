"""Checks the tables of a lock and builds its values. Nothing in them is trusted."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from modelsync.errors import LockfileError, ModelsyncError, RefusedError
from modelsync.spec.globs import Globs
from modelsync.spec.lock.keys import (
    FILE_KEYS,
    LOCK_KEYS,
    MODEL_KEYS,
    PIECE_KEYS,
    REQUEST_KEYS,
    VERSION,
    is_commit,
    is_manifest,
)
from modelsync.spec.lock.model import (
    MAX_FILE_SIZE,
    MAX_FILES,
    Lock,
    LockedFile,
    LockedModel,
    Piece,
    UnknownKeys,
)
from modelsync.spec.lock.origin import RequestReferences, asked, check_hashes, check_origin
from modelsync.spec.names import check_name, clash, path_fault, printable
from modelsync.spec.parts import MAX_PARTS, joined_name, part_of, siblings
from modelsync.spec.roles import ROLES
from modelsync.spec.toml import toml_value

MAX_MODELS = 20_000
MAX_TEXT = 4_096  # characters of a url, a license, …

_HEX = "0123456789abcdef"
AGAIN = "restore it; or delete it, and `modelsync lock` writes a new one"
_UPGRADE = "upgrade modelsync: a newer one wrote this lock"
_FILE_KEYS = frozenset((*FILE_KEYS, "pieces"))
_MODEL_KEYS, _PIECE_KEYS, _LOCK_KEYS = map(frozenset, (MODEL_KEYS, PIECE_KEYS, LOCK_KEYS))


class _NewerError(LockfileError):
    """Something that only a newer modelsync can have written."""


def lock(document: Mapping[str, Any], where: str) -> Lock:
    """The values of a whole lock.

    Raises:
        LockfileError: it is of a later version, asks for what only a later one has, or contradicts itself.
        RefusedError: it leads somewhere that its requests do not.
    """
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise LockfileError(f"{where}: it has no version, so it is no lock", hint=AGAIN)
    if version > VERSION:
        raise LockfileError(
            f"{where}: its version is {min(version, 10**9)}, and this modelsync reads up to {VERSION}",
            hint=_UPGRADE,
        )
    models: dict[tuple[str, str | None], LockedModel] = {}
    label = ""
    try:
        for index, table in enumerate(_tables(document, "model", MAX_MODELS)):
            label = f"model[{index}]: "
            name = check_name(_text(table, "name"))
            label = f"{name}: "
            variant = _optional(table, "variant")
            if variant is not None:
                label = f"{name} ({check_name(variant)}): "
            if (name, variant) in models:
                raise LockfileError("it is there twice")
            models[name, variant] = _model(table, name, variant)
        label = ""
        unknown = _unknown(document, _LOCK_KEYS)
    except ModelsyncError as error:
        kind = RefusedError if isinstance(error, RefusedError) else LockfileError
        hint = _UPGRADE if isinstance(error, _NewerError) else AGAIN
        raise kind(f"{where}: {label}{error.message}", hint=hint) from None
    return Lock(tuple(models.values()), unknown)


def _model(table: Mapping[str, Any], name: str, variant: str | None) -> LockedModel:
    request = table.get("request")
    if not isinstance(request, dict):
        raise LockfileError("request: a table is expected")
    for key in request:
        if key not in REQUEST_KEYS:  # it may decide the bytes
            raise _NewerError(f"request: unknown key `{printable(key, 80)}`")
    request = {key: request[key] for key in REQUEST_KEYS if key in request}
    wanted = asked(request)
    revision = _revision(table)
    files = tuple(_file(file, wanted, revision) for file in _tables(table, "files", MAX_FILES))
    _check_whole(files, wanted)
    check_hashes(files, wanted)
    unknown = _unknown(table, _MODEL_KEYS)
    return LockedModel(name, request, files, variant, revision, _optional(table, "license"), unknown)


def _file(table: Mapping[str, Any], wanted: RequestReferences, revision: str | None) -> LockedFile:
    role = table.get("role")
    if role not in ROLES:
        kind = _NewerError if isinstance(role, str) else LockfileError
        raise kind(f"files: a role is one of {', '.join(ROLES)}")
    path = _path(table)
    try:
        pieces = tuple(map(_piece, _tables(table, "pieces", MAX_PARTS))) if "pieces" in table else ()
        file = LockedFile(
            role,
            path,
            _size(table),
            _sha256(table),
            _optional(table, "url"),
            _optional(table, "etag"),
            _optional(table, "repo"),
            _revision(table),
            pieces,
            _unknown(table, _FILE_KEYS),
            _optional(table, "license"),
        )
        if pieces:
            _check_pieces(file)
        check_origin(file, wanted, revision)
    except (LockfileError, RefusedError) as error:
        raise type(error)(f"{printable(path)}: {error.message}") from None
    return file


def _piece(table: Mapping[str, Any]) -> Piece:
    url = _optional(table, "url")
    if url is None:
        raise LockfileError("pieces: each has a url")
    unknown = _unknown(table, _PIECE_KEYS)
    return Piece(_path(table), url, _size(table), _sha256(table), _optional(table, "etag"), unknown)


def _check_pieces(file: LockedFile) -> None:
    """Checks that the pieces are all those that make the file."""
    if file.url is not None or file.etag is not None:
        raise LockfileError("a file of pieces has neither url nor etag")
    paths = tuple(piece.path for piece in file.pieces)
    if joined_name(paths[0]) != file.path or siblings(paths[0]) != paths:
        raise LockfileError("its pieces are not all those that make it, in order")
    if sum(piece.size for piece in file.pieces) != file.size:
        raise LockfileError("its pieces do not have its size")


def _check_whole(files: tuple[LockedFile, ...], wanted: RequestReferences) -> None:
    """Checks that everything the request asks for is there once: one model with all its parts, each companion."""
    roles = [file.role for file in files]
    if wanted.globs is not None or (wanted.brings_companions and "file" in roles):
        _check_folder(files, wanted.globs)
        return
    models = tuple(file.path for file in files if file.role == "model")
    if not models or any(
        roles.count(role) != len(found)
        for role, found in wanted.companions.items()
        if found or not wanted.brings_companions
    ):
        raise LockfileError("files: not all, or not only, what the request asks for")
    if len({file[:2] + file[4:8] for file in files}) < len(files):
        raise LockfileError("files: one is there twice")
    for file in files:
        if joined_name(file.path) is not None:
            raise LockfileError(f"{printable(file.path)}: it is a piece, no file of its own")
        part = part_of(file.path) if file.role != "model" else None
        if part is not None and part.total > 1:
            raise _not_whole(file.path)
    if siblings(models[0]) != models:
        raise _not_whole(models[0])


def _not_whole(path: str) -> LockfileError:
    return LockfileError(f"{printable(path)}: not all of its parts are there, in order, or more")


def _check_folder(files: tuple[LockedFile, ...], globs: Globs | None) -> None:
    """Checks that a folder model is of files that its globs take, if it has any, each once, sorted by path."""
    paths = [file.path for file in files]
    if not paths or any(file.role != "file" or file.pieces or file.repo or file.revision for file in files):
        raise LockfileError("files: not all, or not only, what the request asks for")
    if any(one >= two for one, two in pairwise(paths)):
        raise LockfileError("files: they are not sorted by path, each once")
    for path in paths:
        if globs is not None and not globs.takes(path):
            raise RefusedError(f"{printable(path)}: the globs of the request do not take it")
    twins = clash(paths)
    if twins is not None:
        raise RefusedError(f"{printable(twins[0])} and {printable(twins[1])} cannot both be in one folder")


# --- single values -----------------------------------------------------------------------------------


def _tables(table: Mapping[str, Any], key: str, limit: int) -> list[dict[str, Any]]:
    value = table.get(key, [])
    if not isinstance(value, list) or len(value) > limit or not all(isinstance(item, dict) for item in value):
        raise LockfileError(f"{key}: a list of up to {limit} tables is expected")
    return value


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise LockfileError(f"{key}: a text is expected")
    return value


def _optional(table: Mapping[str, Any], key: str) -> str | None:
    return _text(table, key) if key in table else None


def _path(table: Mapping[str, Any]) -> str:
    path = _text(table, "path")
    fault = path_fault(path)
    if fault:
        raise RefusedError(f"the file name `{printable(path)}` is refused: {fault}")
    return path


def _size(table: Mapping[str, Any]) -> int:
    size = table.get("size")
    if type(size) is not int or not 0 <= size <= MAX_FILE_SIZE:  # a bool is an int too
        raise LockfileError("size: a number of bytes is expected")
    return size


def _sha256(table: Mapping[str, Any]) -> str:
    sha256 = table.get("sha256")
    if not isinstance(sha256, str) or len(sha256) != 64 or sha256.strip(_HEX):
        raise LockfileError("sha256: 64 lower-case hex digits are expected")
    return sha256


def _revision(table: Mapping[str, Any]) -> str | None:
    """A commit; or, where a registry is asked, the digest of a manifest. Each source checks for its own kind."""
    revision = table.get("revision")
    if revision is None or (isinstance(revision, str) and (is_commit(revision) or is_manifest(revision))):
        return revision
    raise LockfileError(
        "revision: a commit of 40 lower-case hex digits, or the digest of a manifest, is expected"
    )


def _unknown(table: Mapping[str, Any], known: frozenset[str]) -> UnknownKeys:
    """The keys of a later version: only those that change nothing for an older reader are not in `request`."""
    if table.keys() <= known:
        return ()
    try:
        return tuple((key, toml_value(table[key])) for key in table if key not in known)
    except RecursionError:
        raise LockfileError("its values are nested too deeply") from None
