"""From what sources say to what the lock says: files without a published digest are read once, into the store."""

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modelsync.content.policy import named_data
from modelsync.context import Context
from modelsync.errors import HashMismatchError, ModelsyncError, NotSyncedError
from modelsync.fetch import disk_space
from modelsync.fetch.blobs import fetch
from modelsync.fetch.wanted import WantedFile, blob_of, label, wanted_file
from modelsync.fit import preflight
from modelsync.resolve.content_check import joined, objections
from modelsync.resolve.git_objects import check_git_ids
from modelsync.resolve.layer_answers import without_layers
from modelsync.resolve.resolved import ResolvedRequest
from modelsync.resolve.rows import by_path, locked_row, unread_row
from modelsync.spec.globs import Globs
from modelsync.spec.lock.model import LockedFile, Piece
from modelsync.spec.names import printable
from modelsync.spec.uri import HfUri

if TYPE_CHECKING:
    from modelsync.sources.base import Found, FoundPiece
    from modelsync.transfer.jobs import Fetched


class PinnedFiles(NamedTuple):
    """The files of each request, settled, in order; notes for a person; and the bytes it took."""

    files: tuple[tuple[LockedFile, ...], ...]
    notes: tuple[str, ...] = ()
    fetched: int = 0


def settle(
    context: Context,
    asked: Sequence[ResolvedRequest],
    folder: Path,
    *,
    read: bool = True,
    confirm: bool = False,
    keep: Callable[[str], None] | None = None,
    copies: Callable[[str, "Sequence[Found]"], Sequence[tuple[Path, int]]] | None = None,
    on_error: Callable[[int, ModelsyncError], None] | None = None,
) -> PinnedFiles:
    """Turns answers into locked files.

    Args:
        context: What to work with.
        asked: The requests and their answers.
        folder: What relative `file:` paths are relative to.
        read: Whether files without a digest are read to learn it. If not, such a file gets an empty digest, which
            no real file has, unless size and ETag are those of before.
        confirm: Whether `previous` is the answer for a file that the store has and the source confirms.
        keep: Told the digest of each file that was read, before it is published: the place to write a root.
        copies: Told a request's name and those of its files that are to be read; gives the folders that they will be
            copied into afterwards, and the bytes: their disks are looked at before the first byte is read.
        on_error: Called with the index of each request that cannot be settled, in place of raising; it gets no files.

    Raises:
        DiskFullError: a disk has no room for what would be read.
        HashMismatchError: a piece of a joined file is not what its source said.
        MisfitError: a model that would be read does not fit this machine, and the context requires that.
    """
    failed: dict[int, ModelsyncError] = {}

    def fail(index: int, error: ModelsyncError) -> None:
        if on_error is None:
            raise error
        failed[index] = joined([failed[index], error]) if index in failed else error

    asked, layer_notes, layer_bytes = without_layers(context, asked, folder, read=read, keep=keep, fail=fail)
    settled_before = _confirmed(context, asked) if confirm else {}
    needs, in_git = _unknown(context, asked, folder) if read else ((), frozenset())
    needs = tuple((index, need) for index, need in needs if index not in failed)
    needs = tuple((index, need) for index, need in needs if (index, need.file) not in settled_before)
    learnt: dict[str, Fetched] = {}

    def on_read(need: WantedFile, fetched: "Fetched") -> None:
        _check_pieces(need.file, fetched)
        if need.key in in_git:
            check_git_ids(need, fetched)
        if keep is not None:
            keep(fetched.sha256)
        learnt[need.key] = fetched

    if read:
        for index, error in objections(context, asked, folder).items():
            fail(index, error)
    room = disk_space.Room(context.store)
    for index, ask in enumerate(asked):
        mine = [need for at, need in needs if at == index]
        wanted = {id(need.file) for need in mine}
        unread = [file for file in ask.answer.files if id(file) in wanted]
        sizes = ((need.key, need.file.size or 0) for need in mine)
        full = room.take(sizes, copies(ask.name, unread) if copies is not None else ()) if mine else None
        if full is not None:
            fail(index, full)
    needs = tuple((index, need) for index, need in needs if index not in failed)
    preflight.check_files(
        context,
        [(ask.name, [need for at, need in needs if at == index]) for index, ask in enumerate(asked)],
        fail,
    )
    needs = tuple((index, need) for index, need in needs if index not in failed)

    def on_lost(need: WantedFile, error: ModelsyncError) -> None:
        for index, other in needs:
            if other.key == need.key:
                fail(index, error)

    totals = fetch(
        context,
        [need for _, need in needs],
        on_read=on_read,
        on_error=on_lost if on_error is not None else None,
    )
    by_file = {(index, need.file): need for index, need in needs}
    before = [by_path(ask.previous) for ask in asked]

    def settled(index: int, file: "Found") -> LockedFile:
        if file.sha256 is not None and file.size is not None:
            return locked_row(
                file, file.size, file.sha256, tuple(piece.sha256 or "" for piece in file.pieces)
            )
        if (index, file) in settled_before:
            return settled_before[index, file]
        need = by_file.get((index, file))
        if need is None:
            return unread_row(file, before[index].get((file.role, file.path), ()))
        here = _size_here(context, file) if need.key not in learnt else None
        if need.key not in learnt and here is None:  # it was here, and another process emptied the store
            fetch(context, [need], on_read=on_read)
        fetched = learnt.get(need.key)
        if fetched is not None:
            return locked_row(file, fetched.size, fetched.sha256, fetched.pieces)
        here = _size_here(context, file) if here is None else here
        if here is None:
            raise NotSyncedError(f"{need.label} went from the store", hint="run the same command again")
        return locked_row(file, here, file.sha256 or "", ())  # pinned, and here before it was asked for

    notes = _read_notes(asked, [(index, need) for index, need in needs if need.key in learnt])
    if learnt:
        from modelsync.fetch.misplaced import notes_on

        notes += notes_on(
            context, ((need, learnt[need.key].sha256) for _, need in needs if need.key in learnt)
        )
    for index, error in sorted(failed.items()):
        assert on_error is not None
        on_error(index, error)
    files = tuple(
        () if index in failed else tuple(settled(index, file) for file in ask.answer.files)
        for index, ask in enumerate(asked)
    )
    notes = layer_notes + notes + _index_notes(context, asked, files)
    return PinnedFiles(files, notes, totals.fetched + layer_bytes)


def _read_notes(
    asked: Sequence[ResolvedRequest], read: "Sequence[tuple[int, WantedFile]]"
) -> tuple[str, ...]:
    """Says which files were read; of a folder model how many."""
    notes = [
        f"{need.label}: read once to learn its sha256, which its source does not publish"
        for _, need in read
        if need.file.role != "file"
    ]
    counts = Counter(index for index, need in read if need.file.role == "file")
    for index, count in sorted(counts.items()):
        what = "1 small file" if count == 1 else f"{count} small files"
        notes.append(
            f"{asked[index].name}: {what} read once to learn a sha256 that the source does not publish"
        )
    return tuple(notes)


def _index_notes(
    context: Context, asked: Sequence[ResolvedRequest], files: Sequence[Sequence[LockedFile]]
) -> tuple[str, ...]:
    """What indexes of folder models name and the globs leave out."""
    notes: list[str] = []
    for ask, found in zip(asked, files, strict=True):
        if found and ask.answer.left_out:
            from modelsync.resolve.index_notes import index_notes

            globs = Globs(tuple(ask.request["include"]), tuple(ask.request.get("exclude", ())))
            notes += index_notes(context, ask.name, globs, found, ask.answer.left_out)
    return tuple(notes)


def _confirmed(
    context: Context, asked: Sequence[ResolvedRequest]
) -> "dict[tuple[int, LockedFile | Found], LockedFile]":
    """The files without a published digest whose rows in the lock their source confirms."""
    from modelsync.resolve.confirm import confirmed

    rows: dict[tuple[int, LockedFile | Found], LockedFile] = {}
    for index, ask in enumerate(asked):
        before = by_path(ask.previous)
        for file in ask.answer.files:
            if file.sha256 is None or file.size is None:
                old = confirmed(context, file, before.get((file.role, file.path), ()))
                if old is not None:
                    pieces = tuple(piece.sha256 for piece in old.pieces)
                    rows[index, file] = locked_row(file, old.size, old.sha256, pieces)
    return rows


def _unknown(
    context: Context, asked: Sequence[ResolvedRequest], folder: Path
) -> "tuple[tuple[tuple[int, WantedFile], ...], frozenset[str]]":
    """The files whose digest is to be learnt, each with the index of its request; and the keys of those of a commit."""
    from modelsync.sources.request import owners

    needs = []
    in_git = set()
    sources = context.sources()
    for index, ask in enumerate(asked):
        endpoint = context.endpoint(ask.request.get("endpoint"))
        data = named_data([file.path for file in ask.answer.files])
        for file, reference, source in owners(ask.request, ask.answer.files, sources):
            if file.sha256 is None or file.size is None:
                need = wanted_file(
                    label(ask.name, file), file, source, source.locate(file, endpoint, folder)
                )._replace(allow_code=ask.allow_code, names_data=file.path in data)
                needs.append((index, need))
                if isinstance(reference.uri, HfUri):
                    in_git.add(need.key)
    return tuple(needs), frozenset(in_git)


def _size_here(context: Context, file: "Found") -> int | None:
    """Bytes of the file's blob; None where it is not here."""
    with suppress(OSError):  # another process has just removed it
        path = blob_of(context, file)
        return path.stat().st_size if path is not None else None
    return None


def _check_pieces(file: "LockedFile | Found", fetched: "Fetched") -> None:
    pieces: Sequence[Piece | FoundPiece] = file.pieces
    for piece, sha256 in zip(pieces, fetched.pieces, strict=False):
        if piece.sha256 is not None and piece.sha256 != sha256:
            shutil.rmtree(fetched.path.parent, ignore_errors=True)
            raise HashMismatchError(
                f"{printable(piece.path)}: expected sha256 {piece.sha256}, got {sha256}",
                hint="run the command again; if it stays so, the source's file is damaged",
            )
