"""`path()` of a model that is here must not wait for imports that it does not need."""

from pathlib import Path

from modelsync.store import links, pulled, roots, views
from modelsync.store.layout import Store
from tests.support.content import sha256
from tests.support.processes import finish, python
from tests.support.store import locked, publish, write_lock

HEAVY = (
    "dataclasses",
    "inspect",
    "filelock",
    "blake3",
    "platformdirs",
    "shutil",
    "subprocess",
    "threading",
    "queue",
)

DATA = b"GGUF"


def test_finding_what_is_here_imports_nothing_heavy(store: Store, tmp_path: Path) -> None:
    """Looking for blobs, views, links, memories and roots, all there already, imports none of the slow modules."""
    files = [locked(DATA)]
    blob = publish(store, DATA)
    views.make(store, files)
    links.place(tmp_path / "models", [links.NewLink("m/a.gguf", blob, sha256(DATA), len(DATA))])
    pulled.remember(store, "hf:user/model", files)
    roots.write(store, tmp_path / "models.lock", write_lock(tmp_path / "models.lock", DATA))
    code = f"""
import sys
from pathlib import Path
from modelsync.settings import Settings
from modelsync.spec.lock.model import LockedFile
from modelsync.store import blobs, layout, links, pulled, roots, views
folder = Path(sys.argv[2])
store = layout.open_store(Settings(store=Path(sys.argv[1])))
files = pulled.recall(store, "hf:user/model")
assert blobs.state(store, files[0].sha256, files[0].size) == "here"
assert views.ready(store, files) == views.view_paths(store, files)
assert all(links.intact(folder / "models", path, put) for path, put in links.owned(folder / "models").items())
roots.write(store, folder / "models.lock", [files[0].sha256])
layout.default_root()
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""
    assert finish(python(code, store.root, tmp_path)) == [""]
