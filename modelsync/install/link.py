"""Links blobs of the store into a folder: the project's `dir`, or that of `pull --dir`."""

from collections.abc import Iterable, Sequence

from modelsync.context import Context
from modelsync.errors import StoreError
from modelsync.install.target import Target
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.names import printable
from modelsync.store import links, verify
from modelsync.store.link_record import LinkMode, UsedMode


class LostBlobError(StoreError):
    """Another process emptied the store while files were linked."""


def link(context: Context, target: Target, files: Sequence[tuple[LockedFile, str]]) -> tuple[UsedMode, ...]:
    """Links files into the target's folder; what is there and right already is left as it is.

    Args:
        context: What to work with.
        target: The folder, and how files are linked.
        files: Each with its path in the folder. Their blobs are in the store.

    Returns:
        How they were linked.

    Raises:
        LostBlobError: a blob is gone.
        StoreError: a file that is not ours is in the way, the folder cannot be written.
        RefusedError: a path leaves the folder.
        DiskFullError: there is no space for copies; nothing was begun.
    """
    wanted = []
    for file, path in files:
        blob = verify.good(context.store, file.sha256, file.size)
        if blob is None:
            raise _lost(file.path)
        wanted.append(links.NewLink(path, blob, file.sha256, file.size))
    told = context.teller(f"{target.folder.name}/", sum(file.size for file, _ in files), "linking")
    used: tuple[UsedMode, ...] = ()
    failed: StoreError | None = None
    for mode, group in _by_mode(target, wanted).items():
        try:
            used += links.place(
                target.folder,
                group,
                mode=mode,
                inside=target.inside,
                owner=target.owner,
                set_aside=target.repairs,
                on_bytes=told,
            )
        except StoreError as error:
            lost = [want for want in group if not want.blob.exists()]
            failed = failed or (_lost(lost[0].path) if lost else error)
    if failed is not None:
        raise failed
    return used


def _lost(path: str) -> LostBlobError:
    return LostBlobError(
        f"{printable(path)} went from the store while it was linked", hint="run the same command again"
    )


def _by_mode(target: Target, wanted: Sequence[links.NewLink]) -> dict[LinkMode, list[links.NewLink]]:
    """How each is to be linked: as it was before, where that is to be repaired."""
    records = links.owned(target.folder) if target.repairs else {}
    groups: dict[LinkMode, list[links.NewLink]] = {}
    for want in wanted:
        put = records.get(want.path)
        mode = target.mode
        if put is not None and put.mode != "found" and put.mode != "reflink":
            mode = put.mode
        groups.setdefault(mode, []).append(want)
    return groups


def is_linked(context: Context, target: Target, files: Iterable[tuple[LockedFile, str]]) -> bool:
    """Whether each file stands in the folder as it was linked there, by the record, and a link leads to its blob."""
    records = links.owned(target.folder)
    return all(
        (record := records.get(path)) is not None
        and record.sha256 == file.sha256
        and links.serves(
            target.folder, path, record, "auto", verify.good(context.store, file.sha256, file.size)
        )
        for file, path in files
    )
