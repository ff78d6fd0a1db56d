"""Whatever is done to the files, and in whatever order commands run: `path` gives what is locked."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.context import Context
from modelsync.errors import StoreError
from modelsync.ops import lock, path, repair, sync, verify
from modelsync.ops.options import Upgrade
from modelsync.project.project import Project
from modelsync.spec.digest import sha256_hex
from modelsync.store import checked
from modelsync.store.link_record import LinkMode
from tests.support.content import damage, gguf, sha256
from tests.support.project import LINKED, Opened, Place, sync_options

_later = iter(range(1, 1_000_000))


def written(file: Path, change: Callable[[Path], None]) -> None:
    """Writes to a file, in place, at a time that it never had."""
    file.chmod(0o644)
    change(file)
    os.utime(file, (1_600_000_000 + next(_later), 1_600_000_000 + next(_later)))


def replaced(file: Path) -> None:
    """Puts another file of the same size in its place, as an editor does."""
    size = file.stat().st_size
    file.unlink()
    file.write_bytes(os.urandom(size))


EDITS: dict[str, Callable[[Path], None]] = {
    "rot": lambda file: damage(file, 2000),
    "flip": lambda file: written(file, lambda file: damage(file, 2001)),
    "cut": lambda file: written(file, lambda file: os.truncate(file, 1000)),
    "replace": replaced,
    "delete": Path.unlink,
}
COMMANDS = ("sync", "path", "verify", "repair", "upgrade")


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sampled_from(["hardlink", "copy", "symlink"]),
    st.lists(st.sampled_from([*EDITS, *COMMANDS]), min_size=1, max_size=7),
)
def test_a_path_has_the_locked_bytes(
    place: Place, store_root: Path, opened: Opened, mode: LinkMode, steps: list[str]
) -> None:
    """Only rot that keeps size and time, and that nobody has looked for since, can be returned. A repair ends it."""
    for folder in (store_root, place.folder):
        shutil.rmtree(folder, ignore_errors=True)
    place.folder.mkdir()
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("q4")})
    project, context = place.write(LINKED), opened()
    sync.sync(context, project, sync_options(link_mode=mode))
    linked = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    unseen = False
    for number, step in enumerate(steps):
        checked._here.clear()
        if step in EDITS:
            if linked.is_file() and (step == "delete" or linked.stat().st_size > 2001):
                EDITS[step](linked)
                unseen = unseen or step == "rot"
        elif step == "sync":
            with suppress(StoreError):  # what a person edited stays
                sync.sync(context, project, sync_options(link_mode=mode))
        elif step == "upgrade":
            place.repo.commit({"tiny-Q4_K_M.gguf": gguf(f"v{number}")})
            lock.lock(context, project, Upgrade(every_model=True))
        elif step == "verify":
            verify.verify(context, project)
            unseen = False
        elif step == "repair":
            assert repair.repair(context, project).error is None
            unseen = False
        assert unseen or given_bytes(context, project) == locked_digest(project)
    assert repair.repair(context, project).error is None
    sync.sync(context, project, sync_options(link_mode=mode))  # of what a new lock supersedes
    assert sha256(linked.read_bytes()) == locked_digest(project) == given_bytes(context, project)


def given_bytes(context: Context, project: Project) -> str:
    return sha256(path.files(context, "tiny", lambda: project).model.read_bytes())


def locked_digest(project: Project) -> str:
    lock = project.loaded().lock
    assert lock is not None
    return sha256_hex(lock.models[0].files[0].sha256)
