"""Views: blobs under their own names, for llama.cpp."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import NotSyncedError
from modelsync.spec.lock.model import LockedFile
from modelsync.store import atomic, blobs, verify, views
from modelsync.store.layout import Store
from tests.support.content import damage, sha256
from tests.support.processes import CAN_REFUSE, finish, python, refusing
from tests.support.store import FILES, ONE, THREE, TWO, locked, publish


@pytest.fixture
def full(store: Store) -> Store:
    for data in (ONE, TWO, THREE):
        publish(store, data)
    return store


def test_a_view_shows_all_files_under_their_names(full: Store) -> None:
    """All parts stand in one folder under their own names, as further names of the blobs themselves."""
    assert views.ready(full, FILES) is None
    folder = views.make(full, FILES)
    paths = views.view_paths(full, FILES)
    assert [path.name for path in paths] == [
        "big-00001-of-00002.gguf",
        "big-00002-of-00002.gguf",
        "mmproj.gguf",
    ]
    assert {path.parent for path in paths} == {folder}
    assert [path.read_bytes() for path in paths] == [ONE, TWO, THREE]
    assert all(path.samefile(full.blob_path(sha256(path.read_bytes()))) for path in paths)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in paths)
    assert views.ready(full, FILES) == paths


def test_the_same_files_have_the_same_view(full: Store) -> None:
    """Two projects with the same files share a view; it is made once and left as it is."""
    folder = views.make(full, FILES)
    before = folder.stat().st_mtime_ns
    assert views.make(full, tuple(FILES)) == folder
    assert folder.stat().st_mtime_ns == before


def test_names_that_collide_get_folders(full: Store) -> None:
    """Two adapters of one name are both shown."""
    files = (locked(ONE, "a/adapter.gguf", "model"), locked(TWO, "b/Adapter.gguf", "lora"))
    views.make(full, files)
    assert [path.read_bytes() for path in views.view_paths(full, files)] == [ONE, TWO]
    assert views.ready(full, files) is not None


@pytest.mark.parametrize("harm", ["missing", "other", "truncated", "replaced", "dangling"])
def test_a_harmed_view_is_not_ready_and_heals(full: Store, tmp_path: Path, harm: str) -> None:
    """A file of a view that is gone, or not the blob, is seen by a stat, and made anew."""
    views.make(full, FILES)
    paths = views.view_paths(full, FILES)
    victim = paths[1]
    victim.unlink()
    if harm == "other":
        victim.write_bytes(b"GGUF TWO")
    elif harm == "truncated":
        victim.write_bytes(b"GG")
    elif harm == "replaced":
        shutil.copyfile(full.blob_path(sha256(TWO)), victim)
    elif harm == "dangling":
        victim.symlink_to(tmp_path / "nowhere")
    assert views.ready(full, FILES) is None
    views.make(full, FILES)
    assert views.ready(full, FILES) == paths
    assert victim.read_bytes() == TWO


def test_a_view_of_a_blob_that_was_mended_heals(full: Store) -> None:
    """After a damaged blob was replaced, the view's link to the damaged bytes is not ready, and is replaced."""
    views.make(full, FILES)
    path = views.view_paths(full, FILES)[0]
    damage(full.blob_path(sha256(ONE)), 0)
    assert verify.verify(full, sha256(ONE)).state == "damaged"
    assert views.ready(full, FILES) is None
    with pytest.raises(NotSyncedError):
        views.make(full, FILES)
    blobs.discard(full, sha256(ONE))
    publish(full, ONE)
    assert views.ready(full, FILES) is None
    views.make(full, FILES)
    assert path.read_bytes() == ONE
    assert views.ready(full, FILES) is not None


def test_no_view_without_its_blobs(store: Store) -> None:
    """A view is made of blobs that are here and not suspect; the message names the file."""
    publish(store, ONE)
    with pytest.raises(NotSyncedError, match=r"big-00002-of-00002\.gguf"):
        views.make(store, FILES)
    assert not store.view_path(views.view_key(FILES)).exists()


def test_makers_at_the_same_time(full: Store) -> None:
    """Six processes make and unmake one view at once: it ends whole, and nothing is left over."""
    code = (
        "import sys, random\nfrom pathlib import Path\nfrom modelsync.store import views\n"
        "from modelsync.store.layout import Store\nfrom tests.support.store import FILES\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for _ in range(60):\n"
        "    views.make(store, FILES)\n"
        "    random.choice(views.view_paths(store, FILES)).unlink(missing_ok=True)\n"
        "views.make(store, FILES)\n"
    )
    finish(*(python(code, full.root) for _ in range(6)))
    views.make(full, FILES)
    assert [path.read_bytes() for path in views.view_paths(full, FILES)] == [ONE, TWO, THREE]
    assert list((full.root / "tmp-v1").iterdir()) == []


@pytest.mark.skipif(not CAN_REFUSE, reason="needs Linux's seccomp, to have a kernel without links")
@pytest.mark.parametrize("refused", [["link"], ["link", "symlink"]])
def test_where_links_cannot_be_had(full: Store, refused: list[str]) -> None:
    """Without hard links a view has symbolic ones, without those copies; both are ready, and known from then on."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom modelsync.store import views\n"
        "from modelsync.store.layout import Store\nfrom tests.support.store import FILES\n"
        "store = Store(Path(sys.argv[1]))\nviews.make(store, FILES)\n"
        "before = [path.lstat().st_ino for path in views.view_paths(store, FILES)]\n"
        "views.make(store, FILES)\n"
        "assert before == [path.lstat().st_ino for path in views.view_paths(store, FILES)]\n"
    )
    finish(refusing(dict.fromkeys(refused, errno.EPERM), code, [full.root]))
    paths = views.view_paths(full, FILES)
    assert views.ready(full, FILES) == paths
    assert [path.read_bytes() for path in paths] == [ONE, TWO, THREE]
    assert all(path.is_symlink() == (refused == ["link"]) for path in paths)
    if refused == ["link", "symlink"]:
        os.utime(paths[0], ns=(1, 1))  # a copy that was touched may be anything
        assert views.ready(full, FILES) is None


def test_views_of_readonly_stores(full: Store, tmp_path: Path) -> None:
    """A view in a read-only store is used; one that is not there is made in the own store, by symbolic links."""
    mine = Store(tmp_path / "mine", (full.root,))
    views.make(full, FILES)
    assert views.ready(mine, FILES) == views.view_paths(full, FILES)
    other = FILES[:1]
    assert views.ready(mine, other) is None
    views.make(mine, other)
    (path,) = views.view_paths(mine, other)
    assert path.is_symlink()
    assert views.ready(mine, other) == (path,)
    assert full.blob_path(sha256(ONE)).stat().st_nlink == 2  # the blob and the read-only store's own view


def test_what_a_view_shows_is_written_down(full: Store) -> None:
    """Prune learns from a file beside the folder what a view needs; one that makes no sense says nothing."""
    folder = views.make(full, FILES)
    assert views.contents_of(folder) == {
        path.name: sha256(path.read_bytes()) for path in views.view_paths(full, FILES)
    }
    folder.with_name(f"{folder.name}.json").write_text("[]")
    assert views.contents_of(folder) is None
    views.make(full, FILES)
    assert views.contents_of(folder) is not None


def test_a_removed_view_leaves_what_is_not_its_own(full: Store) -> None:
    """Removing a view removes what was put there, and the folder unless somebody put something else into it."""
    files = (locked(ONE, "a/adapter.gguf", "model"), locked(TWO, "b/adapter.gguf", "lora"))
    folder = views.make(full, files)
    (folder / "mine.txt").write_text("mine")
    views.remove(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    (folder / "mine.txt").unlink()
    views.make(full, files)
    views.remove(folder)
    assert list((full.root / "views-v1").iterdir()) == []


def test_a_size_that_is_not_the_blobs_is_not_shown(full: Store) -> None:
    """A lock that says another size than the blob has does not get it."""
    views.make(full, FILES)
    wrong = (FILES[0]._replace(size=FILES[0].size + 1), *FILES[1:])
    assert views.ready(full, wrong) is None
    with pytest.raises(NotSyncedError):
        views.make(full, wrong)


def test_nothing_is_written_by_looking(store: Store) -> None:
    """Asking for a view makes no folder."""
    assert views.ready(store, FILES) is None
    assert views.view_paths(store, FILES)
    assert not store.root.exists()
    atomic.prepare(store)


_NAMES = st.sampled_from(
    ["a.gguf", "A.gguf", "b.gguf", "x-00001-of-00002.gguf", "x-00002-of-00002.gguf", "ü.gguf"]
)
_FILES = st.lists(
    st.builds(
        lambda role, folder, name, seed: LockedFile(role, f"{folder}{name}", 8, sha256(bytes([seed]))),
        st.sampled_from(["model", "mmproj", "lora"]),
        st.sampled_from(["", "sub/", "other/"]),
        _NAMES,
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda file: (file.role, file.path),
)


@given(files=_FILES)
def test_shown_paths_are_distinct_and_stay_in_their_view(files: list[LockedFile]) -> None:
    """Every file has a path of its own, whatever the case, inside a view with a short name, under its own name."""
    store = Store(Path("/store"))
    paths = views.view_paths(store, files)
    folder = store.view_path(views.view_key(files))
    assert len({str(path).casefold() for path in paths}) == len(files)
    for path, file in zip(paths, files, strict=True):
        assert path.is_relative_to(folder)
        assert ".." not in path.parts
        assert path.name == file.path.rpartition("/")[2]
        assert len(str(path.relative_to(store.root))) <= len("views-v1/") + 16 + 12 + len(path.name)


@given(files=_FILES, others=_FILES)
def test_a_views_name_follows_from_what_it_shows(files: list[LockedFile], others: list[LockedFile]) -> None:
    """Two views have one name exactly when they show the same bytes under the same names."""
    store = Store(Path("/store"))

    def shown(of: list[LockedFile]) -> list[tuple[str, str]]:
        folder = store.view_path(views.view_key(of))
        return [
            (str(path.relative_to(folder)), file.sha256)
            for path, file in zip(views.view_paths(store, of), of, strict=True)
        ]

    assert (views.view_key(files) == views.view_key(others)) == (shown(files) == shown(others))
