"""The store's small files are data: whatever stands in them, no command fails over it, and nothing else is touched."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.errors import StoreError
from modelsync.store import (
    atomic,
    blobs,
    header_cache,
    layout,
    prune,
    pulled,
    receipts,
    roots,
    small_files,
    survey,
    sync_memo,
    views,
)
from modelsync.store.layout import Store, header_in
from modelsync.store.sync_memo import Memo
from modelsync.transfer import journal
from tests.support.content import sha256
from tests.support.store import ONE, THREE, TWO, locked, publish, write_lock

URI = "hf:user/model:Q4_K_M#main"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("\udcff\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
any_time = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def changed(value: Any) -> st.SearchStrategy[Any]:
    """Values like this one, with any of its parts replaced by anything."""
    if isinstance(value, dict):
        parts: st.SearchStrategy[Any] = st.fixed_dictionaries(
            {}, optional={key: changed(part) for key, part in value.items()}
        )
    elif isinstance(value, list):
        parts = st.tuples(*map(changed, value)).map(list)
    else:
        parts = st.just(value)
    return parts | JSON


def written(value: Any) -> bytes:
    return json.dumps(value).encode()


# --- the reader --------------------------------------------------------------------------------------


def test_a_small_file_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    """Up to its bound a file is read whole; a larger one, a folder or a device that never ends is an error."""
    path = tmp_path / "file"
    for size in (0, 1, 65_535, 65_536, 65_537, 300_000):
        path.write_bytes(bytes(size))
        assert len(small_files.read(path, 300_000)) == size
        if size:
            with pytest.raises(OSError, match="too large"):
                small_files.read(path, size - 1)
    with pytest.raises(OSError, match="directory"):
        small_files.read(tmp_path)
    if Path("/dev/zero").exists():
        with pytest.raises(OSError, match="too large"):
            small_files.read("/dev/zero", 1 << 20)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_is_not_waited_for(store: Store, tmp_path: Path) -> None:
    """A pipe that no one writes to stands in place of each small file: none of them is waited for."""
    publish(store, ONE)
    views.make(store, [locked(ONE)])
    pulled.remember(store, URI, [locked(ONE)])
    (key,) = roots.read_all(store)
    header_cache.keep(store, sha256(ONE), b"GGUF")
    view = store.view_path(views.view_key([locked(ONE)]))
    for path in (
        store.receipt_path(sha256(ONE)),
        store.root_path(key),
        Path(header_in(store.root, sha256(ONE))),
        view.with_name(f"{view.name}.json"),
        sync_memo.place(store, ("x",)),
    ):
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
    assert blobs.state(store, sha256(ONE)) == "suspect"
    assert pulled.recall(store, URI) is None
    assert not header_cache.recall(store, sha256(ONE))
    assert views.contents_of(view) is None
    assert sync_memo.recall(store, ("x",)) is None
    assert roots.look_at_lock(str(store.root_path(key))).digests is None
    survey.take(store, time.time())


# --- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../../precious", "link/precious", "/precious", "a/../../../../precious"]
)
def test_no_name_of_a_view_leads_out_of_it(store: Store, tmp_path: Path, name: str) -> None:
    """The list of a view names a file elsewhere, by dots or through a link: prune leaves that file alone."""
    root = Store(tmp_path / "home/.cache/store")
    precious = tmp_path / "home/precious"
    publish(root, ONE)
    folder = views.make(root, [locked(ONE)])
    precious.write_bytes(b"mine")
    name = name.replace("/precious", str(precious)) if name == "/precious" else name
    (folder / "link").symlink_to(precious.parent, target_is_directory=True)
    folder.with_name(f"{folder.name}.json").write_text(json.dumps({"files": {name: sha256(ONE)}}))
    assert (folder / "link/precious").exists()
    prune.execute(root, prune.prune(root, at_once=True, now=time.time() + 3 * survey.DAY))
    assert precious.read_bytes() == b"mine"
    assert blobs.state(root, sha256(ONE)) == "missing"


def test_a_view_that_is_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    """A link in a view's place goes; what it leads to stays."""
    publish(store, ONE)
    folder = views.make(store, [locked(ONE)])
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere, target_is_directory=True)
    views.remove(folder)
    assert (elsewhere / "model.gguf").exists()
    assert list(folder.parent.iterdir()) == []


# --- shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*layout.FOLDERS, *(f"{name}/ab" for name in layout.SHARDED)])
def test_a_folder_of_the_store_that_leads_out_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    """Nothing is written, renamed or removed through it, and the message names it."""
    data = next(
        data for data in (b"GGUF %d" % number for number in range(10_000)) if sha256(data)[:2] == "ab"
    )
    publish(store, data)
    views.make(store, [locked(data)])
    header_cache.keep(store, sha256(data), b"GGUF")
    sync_memo.write(store, Memo(("x",), None, {}, {}, ("/x", 1, 1), {}))
    roots.write(store, tmp_path / "models.lock", [sha256(data)])
    for folder in layout.FOLDERS:
        (store.root / folder).mkdir(exist_ok=True)
    elsewhere = tmp_path / "elsewhere"
    (store.root / name).rename(elsewhere)
    (store.root / name).symlink_to(elsewhere, target_is_directory=True)
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in elsewhere.rglob("*"))
    atomic._checked.clear()  # as another process
    for work in (
        lambda: prune.execute(store, prune.clean(store)),
        lambda: publish(store, data + b"more"),
        lambda: blobs.discard(store, sha256(data)),
        lambda: views.make(store, [locked(data, "other.gguf")]),
        lambda: roots.write(store, tmp_path / "models.lock", [sha256(b"x")]),
        lambda: header_cache.keep(store, sha256(data), b"GGUF two"),
    ):
        with pytest.raises(StoreError, match=f"{name} is a link that leads out of the store"):
            work()
    assert sorted((str(path), path.lstat().st_mtime_ns) for path in elsewhere.rglob("*")) == before


def test_a_folder_of_the_store_that_came_since_the_plan_is_refused(store: Store, tmp_path: Path) -> None:
    """`clean` asks a person between its plan and the work: the folders are looked at once more."""
    publish(store, ONE)
    views.make(store, [locked(ONE)])
    steps = prune.clean(store)
    elsewhere = tmp_path / "elsewhere"
    (store.root / layout.VIEWS).rename(elsewhere)
    (store.root / layout.VIEWS).symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(StoreError, match="leads out of the store"):
        prune.execute(store, steps)
    assert list(elsewhere.glob("*/model.gguf"))


def test_nothing_is_shown_through_a_view_that_is_a_link(store: Store, tmp_path: Path) -> None:
    """A planted link by a view's name is replaced by the view; what it leads to stays as it is."""
    publish(store, ONE)
    folder = store.view_path(views.view_key([locked(ONE)]))
    folder.parent.mkdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    views.make(store, [locked(ONE)])
    assert not folder.is_symlink()
    assert (folder / "model.gguf").read_bytes() == ONE
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_receipt_of_a_wrong_shape_is_none(store: Store) -> None:
    """The blob of such a receipt is suspect; it is hashed, and known again."""
    publish(store, ONE)
    good = json.loads(store.receipt_path(sha256(ONE)).read_bytes().partition(b"\n")[0])
    for wrong in ({"from": [5]}, {"from": 5}, {"size": True}, {"size": -1}, {"mtime_ns": "x"}, {"seal": [1]}):
        store.receipt_path(sha256(ONE)).write_bytes(written({**good, **wrong}))
        assert blobs.state(store, sha256(ONE)) == "suspect"
    views.make(store, [locked(ONE)])
    assert blobs.state(store, sha256(ONE)) == "here"


def receipt() -> Any:
    return {
        "size": len(ONE),
        "mtime_ns": 1,
        "blake3": "0" * 64,
        "seal": None,
        "damaged": False,
        "from": [
            {"path": "a.gguf", "repo": "user/model", "revision": "0" * 40, "url": "https://x.example/a"}
        ],
    }


@any_time
@given(first=changed(receipt()), second=changed({"size": 20 << 20, "hashes": "00" * 64}))
def test_any_receipt_is_data(tmp_path: Path, first: Any, second: Any) -> None:
    """Whatever stands in a receipt, looking and listing go on."""
    store = Store(tmp_path)
    path = store.receipt_path(sha256(ONE))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written(first) + b"\n" + written(second))
    found = receipts.read(store.root, sha256(ONE))
    assert found is None or receipts.dumps(found)
    assert receipts.blocks(store, sha256(ONE)) is None
    assert blobs.state(store, sha256(ONE)) == "missing"


def pull_root() -> Any:
    piece = {"path": "a.part1of1", "url": "https://x.example/a", "size": 3, "sha256": "0" * 64, "etag": "e"}
    file = {"role": "model", "path": "a.gguf", "size": 3, "sha256": "0" * 64, "url": "https://x.example/a"}
    file |= {"etag": "e", "repo": "user/model", "revision": "0" * 40, "pieces": [piece]}
    return {"digests": ["0" * 64], "uri": URI, "files": [file]}


def lock_root() -> Any:
    return {
        "digests": ["0" * 64],
        "lock": "/x/models.lock",
        "missed": 5.0,
        "folder": "/x/models",
        "place": "p",
    }


@any_time
@given(value=changed(pull_root()) | changed(lock_root()))
def test_any_root_is_data(tmp_path: Path, value: Any) -> None:
    """Whatever stands in a root, recalling and pruning go on, and no name leads anywhere."""
    store = Store(tmp_path)
    path = store.root_path("0" * 16)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written(value))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roots, "_PAUSE", 0)
        root = roots.read(store.root, "0" * 16)
        for file in root.files if root is not None else ():
            assert not Path(file.path).is_absolute()
            assert ".." not in Path(file.path).parts
        roots.folders(store, Path("/x/models.lock"))
        prune.prune(store)
        prune.prune(store, at_once=True, unseen=True)


def memo() -> Any:
    stamp = [1, 2, 3]
    return [
        sync_memo._VERSION,
        ["/x/models.toml", ""],
        None,
        {"/x/models.toml": None},
        {"/x/a.gguf": stamp, "/x/receipt": stamp},
        ["/x/root", 1, 2],
        {"a": [None, [["model", "/x/a.gguf", "/x/receipt"]]]},
    ]


@any_time
@given(value=changed(memo()))
def test_any_memo_is_data(tmp_path: Path, value: Any) -> None:
    """Whatever stands in a memo, it is a memo or it is as if it were not there."""
    store, subject = Store(tmp_path), ("/x/models.toml", "")
    path = sync_memo.place(store, subject)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written(value))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sync_memo, "stat_of", lambda _: None)
        assert sync_memo.recall(store, subject) is None  # its root is not there
    found = small_files.parsed(path, sync_memo._parse)
    if found is not None:
        sync_memo.still(found.inputs)
        sync_memo.still(found.outputs)
        for _, _, files in found.models.values():
            for _, file, _ in files:
                sync_memo.is_ours(store, found, file)


def test_a_memo_names_nothing_outside(tmp_path: Path) -> None:
    """A path that a memo names is given to nobody unless it is in a view or in the project's folder."""
    store = Store(tmp_path / "store")
    found = Memo((str(tmp_path / "project/models.toml"), ""), None, {}, {}, ("", 0, 0), {})
    inside = [tmp_path / "project/models/a.gguf", tmp_path / "store/views-v1/0/a.gguf"]
    outside = [
        "/etc/passwd",
        f"{tmp_path}/project/../a.gguf",
        f"{tmp_path}/store/a.gguf",
        f"{tmp_path}/projects/a",
    ]
    assert all(sync_memo.is_ours(store, found, str(path)) for path in inside)
    assert not any(sync_memo.is_ours(store, found, path) for path in outside)


@any_time
@given(value=changed({"files": {"a.gguf": "0" * 64, "sub/b.gguf": "0" * 64}}))
def test_any_list_of_a_view_is_data(tmp_path: Path, value: Any) -> None:
    """Whatever stands in the list of a view, it says what the view shows, or nothing; and the view can be removed."""
    store = Store(tmp_path)
    folder = store.view_path("0" * 16)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f"{folder.name}.json")
    path.write_bytes(written(value))
    for name, digest in (views.contents_of(folder) or {}).items():
        assert (folder / name).resolve().is_relative_to(folder.resolve())
        assert len(digest) == 64
    views.remove(folder)
    assert not folder.exists()


@given(
    lines=st.lists(
        st.sampled_from(["boot x", "+ 0 5", "? 5 9", "- 2 3", "synced 2", "@ 5 words"])
        | st.builds("{} {}".format, st.sampled_from("+?-@=") | st.just("synced"), st.text(max_size=12))
        | st.builds(
            lambda value: f"= 0 {json.dumps(value)}", changed({"origin": "o", "etag": "e", "total": 5})
        ),
        max_size=8,
    )
)
def test_any_journal_is_data(lines: list[str]) -> None:
    """Whatever stands in a journal, it says which bytes are here, or nothing."""
    text = "\n".join([f"{journal.MAGIC} sha256:x", *lines, ""]).encode(errors="surrogatepass")
    trusted = journal.read(text, "sha256:x", "x")
    assert trusted is not None
    assert all(validator.total >= 0 for validator in trusted.validators.values())
    assert trusted.length <= len(text)


# --- roots that are half there, and when they were used -----------------------------------------------


def test_a_root_that_is_half_there_for_a_moment_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems show half a file for a moment: what it needs is not forgotten over that."""
    pulled.remember(store, URI, [locked(ONE)])
    (key,) = roots.read_all(store)
    whole = store.root_path(key).read_bytes()
    store.root_path(key).write_bytes(whole[:20])
    monkeypatch.setattr(time, "sleep", lambda _: store.root_path(key).write_bytes(whole))
    assert pulled.recall(store, URI) == (locked(ONE),)


def test_a_root_tells_when_it_was_used(store: Store, tmp_path: Path) -> None:
    """Its time moves at most once a day, whoever asks and however often."""
    lock = tmp_path / "models.lock"
    digests = write_lock(lock, ONE, TWO, THREE)
    roots.write(store, lock, digests)
    path = roots.place(store, lock, digests)
    uses: list[Callable[[], None]] = [
        lambda: roots.write(store, lock, digests),
        lambda: roots.use(store, lock, digests),
    ]
    for use in uses:
        for hours, moves in ((23, False), (25, True)):
            before = time.time() - hours * 3600
            os.utime(path, (before, before))
            use()
            assert (path.stat().st_mtime > before + 1) is moves
