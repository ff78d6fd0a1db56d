"""The mirrors of this project and user: who named each, whether it answers, and whether it has what is locked."""

import time
from collections.abc import Iterator
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import CancelledError, HttpStatusError, ModelsyncError
from modelsync.ops.doctor.findings import Finding
from modelsync.project.project import LoadedProject
from modelsync.settings import Settings
from modelsync.spec.lock.model import LockedFile
from modelsync.spec.manifest.model import Manifest
from modelsync.spec.mirror import Mirror
from modelsync.spec.names import file_name, printable
from modelsync.system.parallel import run_all

SECONDS = 5.0  # that a mirror may go without a byte
_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # the digest of no bytes


def mirrors(context: Context, project: LoadedProject | None, manifest: Manifest | None) -> Iterator[Finding]:
    """A finding for each mirror. Each is asked for one digest, unless the network is ruled out.

    Args:
        context: What to work with.
        project: The project, if there is one.
        manifest: Its manifest.
    """
    if context.settings.no_mirrors:
        yield Finding("mirrors", "none is asked: MODELSYNC_NO_MIRRORS is set", "note")
        return
    if manifest is not None:
        context.use_mirrors(manifest.mirrors)
    named = context.mirrors
    if context.mirror_only and not named:
        yield Finding(
            "mirrors",
            "nothing but mirrors is to be asked, and none is named",
            "warning",
            "unset MODELSYNC_MIRROR_ONLY, or name one in MODELSYNC_MIRRORS or models.toml",
        )
    file = _a_file(project)
    quick = _quick(context.settings)
    with Context(quick, context.options) as asked:
        yield from run_all(
            lambda mirror: _finding(asked, mirror, file), named, name="mirror", cancel=context.cancel
        )


def _quick(settings: Settings) -> Settings:
    return settings._replace(
        http_timeout=min(SECONDS, settings.http_timeout), body_timeout=min(SECONDS, settings.body_timeout)
    )


def _a_file(project: LoadedProject | None) -> LockedFile | None:
    """A locked file; None where there is none, or what is wrong with the lock is told elsewhere."""
    try:
        lock = project.lock if project is not None else None
    except ModelsyncError:
        return None
    return next((file for model in lock.models for file in model.files), None) if lock is not None else None


def _finding(context: Context, mirror: Mirror, file: LockedFile | None) -> Finding:
    who = "yours" if mirror.trusted else "the manifest's, used for what the hub lists"
    name = str(mirror)
    if mirror.kind == "folder":
        return _folder(name, mirror, file, who)
    if context.offline:
        return Finding(name, f"{who}; not asked: the network is ruled out", "note")
    began = time.perf_counter()
    try:
        has = _has(context, mirror, file.sha256 if file is not None else _NOTHING)
    except CancelledError:
        raise
    except ModelsyncError as error:
        return Finding(
            name, f"{who}; {error.message}", "warning", error.hint or "it is left out while it is so"
        )
    took = f"{who}; answers in {(time.perf_counter() - began) * 1000:.0f} ms"
    return Finding(name, f"{took}{_about(has, file)}")


def _folder(name: str, mirror: Mirror, file: LockedFile | None, who: str) -> Finding:
    root = Path(mirror.text.partition("{sha256")[0])
    if not root.is_dir():
        return Finding(
            name, f"{who}; there is no such folder", "warning", "`modelsync export --to mirror` makes one"
        )
    has = file is not None and Path(mirror.place_of(file.sha256)).is_file()
    return Finding(name, f"{who}; a folder of this machine{_about(has, file)}")


def _has(context: Context, mirror: Mirror, sha256: str) -> bool:
    """Whether a mirror has a digest, by one HEAD.

    Raises:
        ModelsyncError: it does not answer, or refuses.
    """
    if mirror.kind == "web":
        url = mirror.place_of(sha256)
    else:
        url = context.repository(*mirror.repository).blob_url(f"sha256:{sha256}")
    try:
        context.client().leads(url)
    except HttpStatusError as error:
        if error.status in (404, 410):
            return False
        raise
    return True


def _about(has: bool, file: LockedFile | None) -> str:
    """What its answer means for the locked file that it was asked for."""
    if file is None:
        return ""
    return f", {'has' if has else 'does not have'} {printable(file_name(file.path))}"
