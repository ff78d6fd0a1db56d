"""Puts locked files into the Hugging Face cache for other programs: those that the user's own hub publishes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from modelsync.caches.home import Home
from modelsync.caches.hub_entry import NewEntry
from modelsync.caches.hub_writer import HubWriter, PutEntry
from modelsync.caches.huggingface import hub_folder
from modelsync.context import Context
from modelsync.errors import StoreError
from modelsync.resolve import published
from modelsync.resolve.published import HubFile
from modelsync.settings import truth
from modelsync.spec.lock.model import LockedModel
from modelsync.spec.names import printable
from modelsync.store import hashing, views


class GiveReport(NamedTuple):
    """What came of it.

    Attributes:
        put: Where files were put.
        there: Where files were before.
        refused: How many files were left out.
        notes: For a person.
        settled: Whether doing it again would do nothing more.
    """

    put: tuple[Path, ...] = ()
    there: tuple[Path, ...] = ()
    refused: int = 0
    notes: tuple[str, ...] = ()
    settled: bool = True


def give(context: Context, models: Sequence[LockedModel], root: Path | None = None) -> GiveReport:
    """Puts the files of models that are in the store into the cache, each under its repo, commit and path.

    Those tools hash nothing. So only what the user's own hub says, or said to this machine, that it publishes there is
    put there.

    Args:
        context: What to work with.
        models: The models.
        root: The cache; None: where the Hugging Face tools have theirs.

    Raises:
        StoreError: there is no home to have a cache in, or the store cannot be written.
    """
    writer = _writer(context, root)
    wanted: list[tuple[HubFile, NewEntry]] = []
    left: Counter[str] = Counter()
    for model in models:
        files, others = published.files_of(context, model)
        left[f"{model.title}: it is of no hub's commit"] += len(others)
        stored = dict(zip(model.files, views.bytes_of(context.store, model.files), strict=True))
        for file in files:
            blob = stored[file.file]
            if blob is None:
                left[f"{model.title}: it is not in the store"] += 1
            else:
                wanted.append((file, _entry(file, blob)))
    writer.check(entry for _, entry in wanted)
    lacking = [
        (file, entry)
        for file, entry in wanted
        if not writer.is_there(entry) or (entry.branch is not None and writer.branch_held(entry) is None)
    ]
    answer = published.confirm(context, [(file, entry.blob) for file, entry in lacking])
    for file, why in answer.refused:
        left[f"{printable(file.repo)}: {why}"] += 1
    blob_of = dict(lacking)
    entries = [
        blob_of[one.file]._replace(etag=one.etag, branch=one.file.branch if one.is_branch else None)
        for one in answer.confirmed
    ]
    done = writer.put(entries) if entries else []
    were = {writer.place(entry) for _, entry in wanted} - {writer.place(entry) for _, entry in lacking}
    there = were | {writer.place(one.entry) for one in done if one.outcome == "there"}
    failed = [one for one in done if one.outcome not in ("put", "there")]
    notes = (*_left_out(left), *_told(writer, done, [entry for _, entry in lacking]))
    return GiveReport(
        tuple(writer.place(one.entry) for one in done if one.outcome == "put"),
        tuple(sorted(there)),
        sum(left.values()) + len(failed),
        notes,
        settled=answer.settled and not any(one.outcome in ("busy", "failed") for one in failed),
    )


def offer(context: Context, models: Sequence[LockedModel]) -> GiveReport:
    """Like `give`; that it is not possible is a note, since the files are here."""
    try:
        return give(context, models)
    except StoreError as error:
        words = f"nothing was put into the Hugging Face cache: {error.message}"
        return GiveReport(notes=(words,), settled=False)


def places(context: Context, models: Sequence[LockedModel]) -> list[Path]:
    """Where the files of models are in the cache, or would be.

    Raises:
        StoreError: there is no home to have a cache in.
    """
    writer = _writer(context, None)
    found = (file for model in models for file in published.files_of(context, model)[0])
    return [writer.place(_entry(file, Path())) for file in found]


def _writer(context: Context, root: Path | None) -> HubWriter:
    home = Home.of_process()
    folder = root.absolute() if root is not None else hub_folder(home)
    if folder is None:
        raise StoreError(
            "there is no home folder for the Hugging Face cache",
            hint="HF_HOME or HF_HUB_CACHE says where it is",
        )
    links = False if truth(home.variables.get("HF_HUB_DISABLE_SYMLINKS", "")) else None

    def digest(entry: NewEntry, path: Path) -> str:
        told = context.teller(printable(f"{entry.repo}/{entry.path}"), entry.size, "checking")
        return hashing.sha256_of(path, on_bytes=told)

    return HubWriter(folder, context.store, links=links, cancel=context.cancel, digest=digest)


def _entry(file: HubFile, blob: Path) -> NewEntry:
    row = file.file
    return NewEntry(file.repo, file.commit, row.path, "", row.sha256, row.size, blob, file.branch)


def _left_out(left: Counter[str]) -> tuple[str, ...]:
    return tuple(
        f"left out of the Hugging Face cache{'' if count == 1 else f' ({count} files)'}: {words}"
        for words, count in left.items()
        if count
    )


def _told(writer: HubWriter, done: Sequence[PutEntry], wanted: Sequence[NewEntry]) -> tuple[str, ...]:
    """What a person should know of what was put, and of what could not be."""
    notes: dict[str, None] = {}
    words = {
        "other": "something else has its place",
        "busy": "another program is at work on it",
    }
    for one in done:
        entry = one.entry
        name = f"{printable(entry.repo)}/{printable(entry.path)}"
        if one.outcome not in ("put", "there"):
            why = one.why or words[one.outcome]
            notes[f"left out of the Hugging Face cache: {name}: {why}"] = None
        elif one.copied:
            notes["the Hugging Face cache is on another file system than the store: the files are copies"] = (
                None
            )
    put = {writer.place(one.entry) for one in done if one.outcome == "put"}
    for entry in wanted:
        if (
            writer.place(entry) in put
            and writer.branch_held(entry) != entry.commit
            and entry.branch is not None
        ):
            notes[
                f"in the Hugging Face cache `{printable(entry.branch)}` of {printable(entry.repo)} does not name what "
                f"was put there: it is found by its commit, {entry.commit}"
            ] = None
    return tuple(notes)
