"""A hub whose repos are folders: `ROOT/user/model/…`, for the demo and for trials by hand."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from .content import File
from .hub import Hub
from .repos import Repo
from .wire import Reply, Request

Stamp = tuple[int, int]


class FolderHub(Hub):
    """Looks at its folders at every request: what is new, changed or gone since is a new commit on main.

    A commit keeps what it held: the files are copied aside, so a changed file can still be had by the old
    commit. Files and folders whose names begin with a dot are left out.
    """

    def __init__(self, root: Path, *, port: int = 0) -> None:
        self._root = root
        self._known: dict[str, dict[str, Stamp]] = {}
        self._looking = threading.Lock()
        self._kept = TemporaryDirectory(prefix="hub-files-")
        self._count = 0
        super().__init__(port=port)

    def close(self) -> None:
        """Stop, and drop the copies."""
        super().close()
        self._kept.cleanup()

    def look(self) -> None:
        """Commit what changed in the folders."""
        with self._looking:
            for folder in sorted(self._root.glob("[!.]*/[!.]*/")):
                name = folder.relative_to(self._root).as_posix()
                self._commit(self.repo(name), folder, self._known.setdefault(name, {}))

    def _commit(self, repo: Repo, folder: Path, known: dict[str, Stamp]) -> None:
        now: dict[str, Stamp] = {}
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not any(part.startswith(".") for part in inside.parts):
                state = path.stat()
                now[inside.as_posix()] = (state.st_size, state.st_mtime_ns)
        changed: dict[str, bytes | Path | None] = {path: None for path in known if path not in now}
        changed |= {path: self._keep(folder / path) for path in now if now[path] != known.get(path)}
        if changed:
            repo.commit(changed)
        known.clear()
        known.update(now)

    def _keep(self, path: Path) -> Path:
        self._count += 1
        return Path(shutil.copyfile(path, Path(self._kept.name) / str(self._count)))

    def _from_hub(self, request: Request, edit: Callable[[File], File]) -> Reply:
        self.look()
        return super()._from_hub(request, edit)
