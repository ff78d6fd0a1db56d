"""The mirrors of this project and user: who named each, whether it answers, and whether it has what is locked."""

import time
from collections.abc import Iterator
from pathlib import Path

from modelsync.context import Context
from modelsync.errors import CancelledError, HttpStatusError, ModelsyncError
from modelsync.net.body import content_length
from modelsync.ops.doctor.findings import Finding
from modelsync.project.project import LoadedProject
from modelsync.settings import Settings
from modelsync.sizes import size as size_text
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
            "unset MODELSYNC_MIRROR_ONLY, or name one in MODELSYNC_MIRRORS, models.toml or your own config.toml",
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
    sha256 = file.sha256 if file is not None else _NOTHING
    began = time.perf_counter()
    try:
        size = _size(context, mirror, sha256)
    except CancelledError:
        raise
    except ModelsyncError as error:
        # The digest of a probe is none that a person knows.
        words = error.message.replace(_NOTHING, "{sha256}")
        return Finding(name, f"{who}; {words}", "warning", error.hint or "it is left out while it is so")
    took = f"{who}; answers in {(time.perf_counter() - began) * 1000:.0f} ms"
    wanted = file.size if file is not None else 0
    if size not in (None, -1, wanted):
        what = "a digest that is no model's" if file is None else printable(file_name(file.path))
        return Finding(
            name,
            f"{took}, but with {size_text(size)} for {what}",
            "warning",
            "a login page, or a server's page for what it lacks, looks like that: every file is checked, and it "
            "is left out while it is so",
        )
    return Finding(name, f"{took}{_about(size is not None, file)}")


def _folder(name: str, mirror: Mirror, file: LockedFile | None, who: str) -> Finding:
    if not Path(mirror.folder).is_dir():
        return Finding(
            name, f"{who}; there is no such folder", "warning", "`modelsync export --to mirror` makes one"
        )
    has = file is not None and Path(mirror.place_of(file.sha256)).is_file()
    return Finding(name, f"{who}; a folder of this machine{_about(has, file)}")


def _size(context: Context, mirror: Mirror, sha256: str) -> int | None:
    """The bytes that a mirror says it has under a digest: -1 where it does not say it, None where it has nothing.

    It is asked by HEAD: a GET has a cache that pulls through fetch the whole file.

    Raises:
        ModelsyncError: it does not answer, or refuses.
    """
    if mirror.kind == "web":
        url = mirror.place_of(sha256)
    else:
        url = context.repository(*mirror.repository).blob_url(f"sha256:{sha256}")
    try:
        head = context.client().head_once(url)
    except HttpStatusError as error:
        if error.status in (404, 410):
            return None
        if error.status in (405, 501):  # it knows no HEAD
            return -1
        raise
    length = content_length(head.headers) if head.redirect_to is None else None
    return -1 if length is None else length


def _about(has: bool, file: LockedFile | None) -> str:
    """What its answer means for the locked file that it was asked for."""
    if file is None:
        return ""
    return f", {'has' if has else 'does not have'} {printable(file_name(file.path))}"
