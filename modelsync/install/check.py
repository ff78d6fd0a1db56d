"""Hashes what is on this machine of locked files: blobs of the store, and files in the project's folder."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import StoreError
from modelsync.fetch import wanted as fetch_wanted
from modelsync.install.plan import Step, link_targets
from modelsync.spec.blocks import Span, count
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.names import printable
from modelsync.store import checked, hashing, link_findings, receipts, verify
from modelsync.store.verify import BlobCheck

_warned: set[str] = set()  # folders of which a person was told


def check_blob(context: Context, step: Step, linked: Path | None) -> BlobCheck:
    """Hashes the suspect blob of a `check` step again.

    Args:
        context: What to work with.
        step: The step.
        linked: The project's folder: where the blob is damaged, hard links to it may be replaced from then on, and
            what a person wrote into it through a symbolic link is kept beside that.
    """
    assert step.model is not None
    assert step.file is not None
    label = fetch_wanted.label(step.model.name, step.file)
    paths = [path for file, path in link_targets(step.model) if file.sha256 == step.target]
    blob = context.store.blob_path(step.target)  # gone afterwards, where nothing of it is known to be good
    names = link_findings.names_of(linked, paths, blob) if linked is not None else {}
    written = link_findings.written_through(linked, paths, blob) if linked is not None else ()
    told = context.teller(label, step.bytes, "checking")
    finding = verify.recheck(context.store, step.target, keep=bool(written), on_bytes=told)
    if linked is not None and (finding.state != "good" or finding.path != blob):
        for kept in link_findings.keep(linked, written, blob):
            context.warn(f"what was changed is kept as {printable(str(kept))}")
        with suppress(StoreError):  # a folder that is only read keeps its links
            if names:
                link_findings.distrust(linked, names)
    return finding


def is_locked(context: Context, folder: Path | None, path: str, name: str, file: LockedFile) -> bool:
    """Hashes a file of which nothing tells what it is; remembers what it was found to be.

    Args:
        context: What to work with.
        folder: The project's, if the file is in it.
        path: The file: relative to the folder, with `/`; else an absolute path.
        name: The model's name.
        file: What it should be.

    Returns:
        Whether it has the locked bytes. A file that is written to meanwhile has not.
    """
    place = Path(path) if folder is None else folder / path
    told = context.teller(fetch_wanted.label(name, file), file.size, "checking")
    try:
        seen = place.stat()
        found = hashing.sha256_of(place, on_bytes=told)
        now = place.stat()
    except OSError:
        return False
    if (seen.st_size, seen.st_mtime_ns, seen.st_ino) != (now.st_size, now.st_mtime_ns, now.st_ino):
        return False
    kept = checked.remember(context.store, folder, path, seen, found)
    if not kept and found == file.sha256 and str(place.parent) not in _warned:
        _warned.add(str(place.parent))
        context.warn(
            f"{printable(str(place))} was hashed, and that cannot be kept: every process has to do it. Where an image"
            " is built, `modelsync sync --link-mode copy` records its files; MODELSYNC_VERIFY=size takes them by their"
            " size"
        )
    return found == file.sha256


def check_copy(
    context: Context, path: Path, file: LockedFile, *, full: bool, on_bytes: Callable[[int], None]
) -> tuple[bool, tuple[Span, ...]]:
    """Hashes a file in the project's folder that is not the blob itself.

    Args:
        context: What to work with.
        path: The file.
        file: What it should be.
        full: Hash with SHA-256 against the lock, not with BLAKE3 against the receipt.
        on_bytes: Is told how many more bytes were read.

    Returns:
        Whether it has the locked bytes; and where not, as offsets of whole blocks, if that is known.
    """
    known = receipts.blocks(context.store, file.sha256)
    if known is not None and known.size == file.size and not full:
        where = known.damaged(hashing.blocks_of(path, length=file.size, on_bytes=on_bytes))
        return not where and path.stat().st_size == file.size, where
    if path.stat().st_size != file.size:
        return False, ()
    receipt = receipts.read(context.store.root, file.sha256)
    if not full and receipt is not None and receipt.blake3 is not None and count(file.size) == 1:
        return hashing.blocks_of(path, on_bytes=on_bytes).seal == receipt.blake3, ()
    return hashing.sha256_of(path, on_bytes=on_bytes) == file.sha256, ()
