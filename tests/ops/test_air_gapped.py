"""A machine with an empty store and no hub: `sync --frozen --mirror-only` brings every kind of entry."""

from collections.abc import Callable
from pathlib import Path

import pytest

import modelsync
from modelsync.ops.export import mirror
from modelsync.project.selection import Selection
from tests.hub import Hub
from tests.support.any_files import safetensors
from tests.support.content import gguf, sha256
from tests.support.nginx import needs_nginx, nginx
from tests.support.project import Opened, Place
from tests.support.registries import needs_registry, registry

FILES = {
    "big/x-Q4_K_M-00001-of-00002.gguf": gguf("one"),
    "big/x-Q4_K_M-00002-of-00002.gguf": gguf("two", 5000),
    "x-Q8_0.gguf": gguf("large", 7000),
    "mmproj-x-f16.gguf": gguf("see"),
    "adapter.gguf": gguf("lora"),
    "mtp-x-Q4_K_M.gguf": gguf("draft"),
    "config.json": b'{"a": 1}',
    "model.safetensors": safetensors(bytes(64)),
    "whisper.bin": b"lmgg" + bytes(range(256)) * 4,
}
MANIFEST = """
[models]
whisper = "hf:user/all/whisper.bin"

[models.x]
uri = "hf:user/all:Q4_K_M"
mmproj = true
draft = true
loras = ["hf:user/all/adapter.gguf"]
[models.x.variants.server]
uri = "hf:user/all:Q8_0"

[models.folder]
uri = "hf:user/all"
include = ["*.json", "*.safetensors"]
"""


@pytest.fixture
def made(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The machine that talks to the hub: all of the project is locked and here, with every variant."""
    place.hub.repo("user/all").commit(FILES)
    place.write(MANIFEST)
    monkeypatch.chdir(place.folder)
    modelsync.sync(all_variants=True)
    return place


@pytest.fixture
def bare(made: Place, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Goes on as another machine: nothing is in its store, and its hub is one that does not answer."""

    def away() -> None:
        monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another-machine"))
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        hub.clear()

    return away


def check(made: Place, place: str) -> None:
    """Syncs as the lock says from one mirror alone, and looks at every file."""
    lock = made.lock_text
    report = modelsync.sync(frozen=True, mirror_only=True, mirrors=[place], all_variants=True)
    assert {one.place for one in report.brought} == {place}
    assert {one.sha256 for one in report.brought} == {sha256(data) for data in FILES.values()}
    assert report.bytes_fetched == sum(map(len, FILES.values()))
    x = modelsync.files("x", offline=True)
    assert [part.read_bytes() for part in x.parts] == list(FILES.values())[:2]
    assert x.mmproj is not None
    assert x.draft is not None
    assert [x.mmproj.read_bytes(), x.draft.read_bytes()] == [
        FILES["mmproj-x-f16.gguf"],
        FILES["mtp-x-Q4_K_M.gguf"],
    ]
    assert [lora.read_bytes() for lora in x.loras] == [FILES["adapter.gguf"]]
    assert modelsync.path("x", variant="server", offline=True).read_bytes() == FILES["x-Q8_0.gguf"]
    folder = modelsync.path("folder", offline=True)
    for name in ("config.json", "model.safetensors"):
        assert (folder / name).read_bytes() == FILES[name]
    assert modelsync.path("whisper", offline=True).read_bytes() == FILES["whisper.bin"]
    assert made.hub.seen() == []
    again = modelsync.sync(frozen=True, mirror_only=True, mirrors=[place], all_variants=True)
    assert (again.brought, again.bytes_fetched) == ((), 0)
    assert made.lock_text == lock


@needs_registry
def test_everything_comes_from_a_registry(made: Place, bare: Callable[[], None], tmp_path: Path) -> None:
    """Split model, projector, draft, adapter, variant, folder and plain file, of what was pushed there."""
    with registry(tmp_path / "registry") as there:
        target = f"oci://{there.host}/team/models"
        modelsync.push(target)
        bare()
        check(made, target)


@needs_nginx
def test_everything_comes_from_nginx(
    made: Place, bare: Callable[[], None], opened: Opened, tmp_path: Path
) -> None:
    """The same, of the folder that `export --to mirror` wrote."""
    served = tmp_path / "served"
    mirror.write(opened(), made.project, Selection(), served)
    with nginx(served, tmp_path / "nginx") as there:
        bare()
        check(made, there.url)
        before = len(there.requests)
        modelsync.sync(frozen=True, mirror_only=True, mirrors=[there.url], all_variants=True)
        assert len(there.requests) == before  # with nothing to do, no mirror is asked
        assert {path.strip("/") for method, path, *_ in there.requests if method == "GET"} == {
            sha256(data) for data in FILES.values()
        }


@needs_nginx
def test_nginx_gives_ranges(made: Place, bare: Callable[[], None], opened: Opened, tmp_path: Path) -> None:
    """What was there in part is not fetched again from a static server."""
    served = tmp_path / "served"
    mirror.write(opened(), made.project, Selection(), served)
    with nginx(served, tmp_path / "nginx") as there:
        bare()
        modelsync.sync("whisper", frozen=True, mirror_only=True, mirrors=[there.url])
        inspected = modelsync.inspect("folder", mirror_only=True, mirrors=[there.url])
        assert inspected.tensor_count == 1
        ranges = {span for *_, path, _status, span, _sent in there.requests if span != "-"}
    assert ranges
    assert made.hub.seen() == []
