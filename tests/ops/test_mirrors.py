"""Mirrors give bytes by digest before the origin is asked; whatever one does, the digest and the origin decide."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from modelsync.context import CallOptions
from modelsync.errors import (
    HashMismatchError,
    ModelsyncError,
    NotFoundError,
    NotSyncedError,
    OfflineError,
    UsageError,
)
from modelsync.install.report import SyncReport
from modelsync.ops import sync
from modelsync.project.project import Project
from modelsync.project.selection import Selection
from modelsync.transfer.progress import Event
from tests.hub import Hub
from tests.hub.wire import Delivery, Reply, Request, text
from tests.support.command_line import Cli
from tests.support.content import gguf, sha256
from tests.support.mirrors import BAD_ANSWERS, Odd, body, places_of, ranged, web_mirror
from tests.support.project import MANIFEST, QUANTS, REPO, Opened, Place, brought, sync_options
from tests.support.registries import needs_registry, registry
from tests.support.servers import answering

DATA = QUANTS["tiny-Q4_K_M.gguf"]
FROZEN = sync_options(frozen=True)


@pytest.fixture
def locked(place: Place, opened: Opened, home: Path) -> Project:
    """A project with a lock, on a machine whose store is empty."""
    from modelsync.ops import lock

    project = place.write(MANIFEST)
    lock.lock(opened(), project)
    place.hub.clear()
    return project


def synced(opened: Opened, project: Project, *mirrors: str, only: bool = False, **more: object) -> SyncReport:
    """Syncs as the lock says."""
    return sync.sync(opened(CallOptions(mirrors=mirrors or None, mirror_only=only), **more), project, FROZEN)


def test_a_web_mirror_gives_the_bytes(place: Place, locked: Project, opened: Opened) -> None:
    """Not a byte comes from the hub, which is not asked at all; the report names the mirror."""
    with web_mirror([DATA]) as mirror:
        report = synced(opened, locked, mirror.url, only=True)
    assert places_of(report) == [mirror.url]
    assert report.bytes_fetched == len(DATA)
    assert place.hub.seen() == []
    assert {digest for _, digest, _ in mirror.asked} == {sha256(DATA)}


@pytest.mark.parametrize("layout", ["{sha256}", "{sha256:2}/{sha256}", ""])
def test_a_folder_is_a_mirror_without_a_network(
    layout: str, place: Place, locked: Project, opened: Opened, tmp_path: Path
) -> None:
    """A folder of this machine works offline; its file keeps its bytes."""
    digest = sha256(DATA)
    file = tmp_path / "served" / (f"{digest[:2]}/{digest}" if "/" in layout else digest)
    file.parent.mkdir(parents=True)
    file.write_bytes(DATA)
    where = f"file:{tmp_path}/served/{layout}"
    report = sync.sync(opened(CallOptions(mirrors=[where], offline=True)), locked, FROZEN)
    assert [one.taken_from for one in report.brought] == [file]
    assert place.hub.seen() == []
    assert file.read_bytes() == DATA


def test_a_folder_that_is_not_there_is_told_once(
    place: Place, locked: Project, opened: Opened, tmp_path: Path
) -> None:
    """A misspelt folder is no silence, and costs nothing; an empty one is only told of with details."""
    said: list[str] = []
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    folders = [str(tmp_path / name) for name in ("nowhere", "file", "loop", "empty", "empty/x{sha256:2}")]
    report = synced(opened, locked, *folders, warn=said.append)
    assert places_of(report) == [None]
    words = ["there is no such folder", "it is no folder", "it cannot be read: "]
    assert len(said) == len(words)
    for folder, line, each in zip(folders, said, words, strict=False):
        assert line.startswith(f"the mirror {folder} is left alone for the rest of this run: {each}")


@pytest.mark.parametrize("size", [-5, 5])
def test_a_mirror_with_another_file_says_so(size: int, place: Place, locked: Project, opened: Opened) -> None:
    """Of another size is no news from upstream: the hint names the mirror, and no upgrade."""
    said: list[str] = []
    other: Odd = lambda _, data: Reply(200, {}, body((data + b"more!")[: len(data) + size]))  # noqa: E731
    sizes = f"{len(DATA) + size} bytes instead of {len(DATA)}"
    with web_mirror([DATA], other) as mirror:
        synced(opened, locked, mirror.url, warn=said.append)
        assert said == [
            f"the mirror {mirror.url} is left alone for the rest of this run: "
            f"it has another file by a sha256: {sizes}"
        ]
        from modelsync.store import prune

        prune.execute(opened().store, prune.clean(opened().store))
        with pytest.raises(HashMismatchError, match=sizes) as error:
            synced(opened, locked, mirror.url, only=True)
    assert f"{mirror.url} has another file by this sha256" in error.value.message
    assert "the mirror has to mend it" in str(error.value.hint)


ODD: dict[str, Odd] = {
    **BAD_ANSWERS,
    "silence": lambda _, __: replace(text(200, ""), delivery=Delivery(delay=3.0, drop=True)),
    "a failure": lambda _, __: text(500, "no"),
    "a refusal": lambda _, __: text(401, "who are you?"),
    "a lying 416": lambda _, data: replace(
        text(416, "no such range", {"Content-Range": f"bytes */{len(data)}", "Content-Length": "99999"}),
        delivery=Delivery(),
    ),
    "a redirect to nowhere": lambda _, __: text(302, "", {"Location": "http://127.0.0.1:1/gone"}),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_bad_mirror_costs_one_attempt_and_a_word(
    odd: str, place: Place, locked: Project, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The origin gives the file, the mirror is asked once, and one warning says that it is left alone."""
    monkeypatch.setenv("MODELSYNC_HTTP_TIMEOUT", "0.5")
    said: list[str] = []
    with web_mirror([DATA], ODD[odd]) as mirror:
        report = synced(opened, locked, mirror.url, warn=said.append)
    assert places_of(report) == [None]
    assert [words for words in said if "is left alone" in words and mirror.url in words] == said
    assert len(said) == 1
    assert len([method for method, _, _ in mirror.asked if method == "GET"]) == 1


def test_what_a_mirror_lacks_is_no_fault(place: Place, locked: Project, opened: Opened) -> None:
    """It is asked for other files all the same, and nobody is warned."""
    said: list[str] = []
    with web_mirror([]) as mirror:
        report = synced(opened, locked, mirror.url, warn=said.append)
    assert places_of(report) == [None]
    assert said == []
    assert len(mirror.asked) == 1


@pytest.mark.parametrize(("answer", "phase"), [("lacks it", "done"), ("is the last place", "failed")])
def test_a_file_fails_where_its_last_place_does(
    answer: str, phase: str, place: Place, locked: Project, opened: Opened
) -> None:
    """Where the next place brings a file, no progress says that it failed; it ends once, and then well."""
    told: list[Event] = []
    only = answer == "is the last place"
    with web_mirror([]) as mirror, pytest.raises(ModelsyncError) if only else nullcontext():
        synced(opened, locked, mirror.url, only=only, listener=told.append)
    ends = [event.phase for event in told if event.phase in ("done", "failed")]
    assert ends == [phase]


def test_a_mirror_that_failed_is_left_alone(place: Place, opened: Opened) -> None:
    """Of many files, at most those that were on their way are asked of it; the next mirror gives all."""
    files = {f"part/{number:03}.json": b'{"n": %d}' % number for number in range(150)}
    place.repo.commit(files)
    manifest = f'[models.folder]\nuri = "hf:{REPO}"\ninclude = ["part/*"]\n'
    project = place.write(manifest)
    sync.sync(opened(), project)
    from modelsync.store import prune

    prune.execute(opened().store, prune.clean(opened().store))
    with web_mirror(files.values(), ODD["a failure"]) as bad, web_mirror(files.values()) as good:
        report = synced(opened, project, bad.url, good.url, only=True)
    assert set(places_of(report)) == {good.url}
    assert len(report.brought) == 150
    assert len(bad.asked) < 150


def test_a_partial_goes_on_from_the_next_place(
    place: Place, locked: Project, opened: Opened, home: Path
) -> None:
    """What a mirror brought before it broke off is not fetched again, from the origin nor from another mirror."""
    cut: Odd = lambda request, data: replace(ranged(request, data), delivery=Delivery(stop=1000))  # noqa: E731
    with web_mirror([DATA], cut) as mirror:
        report = synced(opened, locked, mirror.url)
    assert report.bytes_fetched <= len(DATA)
    assert brought(place, "*Q4_K_M*") <= len(DATA) - 1000


def test_wrong_bytes_of_a_mirror_do_not_cost_what_others_brought(
    place: Place, locked: Project, opened: Opened, home: Path
) -> None:
    """After a wrong hash nothing is fetched twice: that mirror's bytes go, those of an earlier place stay."""
    cut: Odd = lambda request, data: replace(ranged(request, data), delivery=Delivery(stop=1000))  # noqa: E731
    with web_mirror([DATA], cut) as first, web_mirror([DATA], ODD["wrong bytes"]) as wrong:
        report = synced(opened, locked, first.url, wrong.url)
    assert places_of(report) == [None]
    assert [span for _, _, span in wrong.asked] == [f"bytes=1000-{len(DATA) - 1}"]
    assert brought(place, "*Q4_K_M*") == len(DATA) - 1000


def test_credentials_do_not_go_where_a_mirror_redirects(
    place: Place, locked: Project, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storage behind a mirror gets the range, and no header of the user's."""
    seen: list[dict[str, str]] = []

    def storage(request: Request) -> Reply:
        seen.append(dict(request.headers))
        return ranged(request, DATA)

    config = tmp_path / "config.toml"
    monkeypatch.setenv("MODELSYNC_CONFIG", str(config))
    with answering(storage) as behind:
        to = behind.url.replace("127.0.0.1", "localhost")
        with web_mirror([DATA], lambda *_: text(307, "", {"Location": f"{to}/x"})) as mirror:
            host = mirror.url.split("/")[2]
            config.write_text(f'[hosts."{host}"]\nheaders = {{ Authorization = "Bearer secret" }}\n')
            report = synced(opened, locked, mirror.url, only=True)
    assert places_of(report) == [mirror.url]
    assert mirror.headers[0]["authorization"] == "Bearer secret"
    assert seen
    assert all("authorization" not in headers for headers in seen)


class TestManifest:
    """A mirror that a manifest alone names."""

    def write(self, place: Place, url: str) -> Project:
        """A project that names the mirror."""
        return place.write(f'[modelsync]\nmirrors = ["{url}"]\n{MANIFEST}')

    def test_is_used_for_what_the_hub_lists(self, place: Place, locked: Project, opened: Opened) -> None:
        """The hub is asked for its listing, and the mirror for the bytes."""
        with web_mirror([DATA]) as mirror:
            report = sync.sync(opened(), self.write(place, mirror.url), FROZEN)
        assert places_of(report) == [mirror.url]
        assert brought(place, "*Q4_K_M*") == 0

    def test_that_the_user_trusts_is_asked_at_once(
        self, place: Place, locked: Project, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`trusted-mirrors` of the user's config; then the hub need not be there."""
        config = tmp_path / "config.toml"
        monkeypatch.setenv("MODELSYNC_CONFIG", str(config))
        with web_mirror([DATA]) as mirror:
            config.write_text(f'trusted-mirrors = ["{mirror.url}"]\n')
            options = CallOptions(mirror_only=True)
            report = sync.sync(opened(options), self.write(place, mirror.url), FROZEN)
        assert places_of(report) == [mirror.url]
        assert place.hub.seen() == []

    def test_alone_is_asked_for_nothing_and_the_hint_says_where_one_may_stand(
        self, place: Place, locked: Project, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With `mirror_only` nothing confirms a digest that this machine never saw: the user has to name the mirror."""
        monkeypatch.setenv("MODELSYNC_STORE", str(tmp_path / "another machine"))
        with web_mirror([DATA]) as mirror:
            with pytest.raises(ModelsyncError, match="the manifest alone names mirrors") as error:
                sync.sync(opened(CallOptions(mirror_only=True)), self.write(place, mirror.url), FROZEN)
            assert mirror.asked == []
        for where in ("--mirror", "MODELSYNC_MIRRORS", "`trusted-mirrors` in your own config.toml"):
            assert where in str(error.value.hint)

    def test_may_be_no_folder(self, place: Place, locked: Project, opened: Opened) -> None:
        """A repository names no folder of this machine."""
        with pytest.raises(UsageError, match="a folder, and a manifest may name none"):
            sync.sync(opened(), self.write(place, "file:///srv/models"), FROZEN)


def test_a_mirror_of_the_manifest_gets_no_edited_lock_past_the_hub(
    place: Place, locked: Project, opened: Opened
) -> None:
    """A digest that the hub does not list is not asked of it, and so the sync fails."""
    forged = gguf("evil", len(DATA) * 2)[: len(DATA)]
    assert len(forged) == len(DATA)
    lock = place.folder / "models.lock"
    lock.write_text(lock.read_text().replace(sha256(DATA), sha256(forged)))
    with web_mirror([forged]) as mirror:
        with pytest.raises(ModelsyncError):
            sync.sync(opened(), TestManifest().write(place, mirror.url), FROZEN)
        assert mirror.asked == []


def test_a_mirror_over_plain_http_is_not_asked(locked: Project, opened: Opened) -> None:
    """But on loopback, and where the user's config allows it: a word says why, and the origin gives the file."""
    said: list[str] = []
    report = synced(opened, locked, "http://models.example/{sha256}", warn=said.append)
    assert places_of(report) == [None]
    assert len(said) == 1
    assert "plain http" in said[0]


@pytest.mark.parametrize("way", ["variable", "config"])
def test_the_user_names_mirrors(
    way: str,
    place: Place,
    locked: Project,
    opened: Opened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`MODELSYNC_MIRRORS`, with blanks between, and `mirrors` of the user's config; `()` is none of them."""
    config = tmp_path / "config.toml"
    monkeypatch.setenv("MODELSYNC_CONFIG", str(config))
    with web_mirror([]) as empty, web_mirror([DATA]) as mirror:
        config.write_text(f'mirrors = ["{mirror.url}"]\n' if way == "config" else "")
        if way == "variable":
            monkeypatch.setenv("MODELSYNC_MIRRORS", f"{empty.url}  {mirror.url}")
        none = sync.sync(opened(CallOptions(mirrors=())), locked, sync_options(frozen=True, dry_run=True))
        report = synced(opened, locked)
    assert none.brought == ()
    assert places_of(report) == [mirror.url]
    assert bool(empty.asked) is (way == "variable")


def test_mirror_only_never_asks_the_origin(place: Place, locked: Project, opened: Opened) -> None:
    """Not for bytes, not to resolve; what no mirror has is an error that says so."""
    with web_mirror([]) as mirror:
        with pytest.raises(NotFoundError, match="does not have it"):
            synced(opened, locked, mirror.url, only=True)
        context = opened(CallOptions(mirrors=[mirror.url], mirror_only=True))
        with pytest.raises(OfflineError, match="only mirrors"):
            sync.sync(context, locked, sync_options(upgrade=True))
    with pytest.raises(NotSyncedError, match="no mirror is named"):
        synced(opened, locked, only=True)
    assert place.hub.seen() == []


def test_split_projector_and_folder_come_from_a_mirror_alone(hub: Hub, place: Place, opened: Opened) -> None:
    """An empty store and no hub: every kind of entry is synced from digests."""
    from modelsync.ops import lock

    files = {
        "big/x-Q4_K_M-00001-of-00002.gguf": gguf("one"),
        "big/x-Q4_K_M-00002-of-00002.gguf": gguf("two"),
        "mmproj-x-f16.gguf": gguf("see"),
        "adapter.gguf": gguf("lora"),
        "config.json": b'{"a": 1}',
    }
    hub.repo("user/all").commit(files)
    project = place.write(
        '[models.x]\nuri = "hf:user/all:Q4_K_M"\nmmproj = true\nloras = ["hf:user/all/adapter.gguf"]\n'
        '[models.folder]\nuri = "hf:user/all"\ninclude = ["*.json"]\n'
    )
    lock.lock(opened(), project)
    hub.clear()
    from modelsync.store import prune

    prune.execute(opened().store, prune.clean(opened().store))
    with web_mirror(files.values()) as mirror:
        report = synced(opened, project, mirror.url, only=True)
    assert len(report.brought) == 5
    assert hub.seen() == []


@needs_registry
def test_a_registry_is_a_mirror_after_a_push(
    place: Place, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was pushed from one machine is synced by another from the registry alone,."""
    import modelsync
    from modelsync.store import prune

    files = {
        "big/x-Q4_K_M-00001-of-00002.gguf": gguf("one"),
        "big/x-Q4_K_M-00002-of-00002.gguf": gguf("two"),
        "mmproj-x-f16.gguf": gguf("see"),
        "adapter.gguf": gguf("lora"),
        "config.json": b'{"a": 1}',
    }
    place.hub.repo("user/all").commit(files)
    project = place.write(
        '[models.x]\nuri = "hf:user/all:Q4_K_M"\nmmproj = true\nloras = ["hf:user/all/adapter.gguf"]\n'
        '[models.folder]\nuri = "hf:user/all"\ninclude = ["*.json"]\n'
    )
    sync.sync(opened(), project)
    monkeypatch.chdir(place.folder)
    (tmp_path / "registry").mkdir()
    with registry(tmp_path / "registry") as there:
        mirror = f"oci://{there.host}/team/models"
        modelsync.push(mirror)
        prune.execute(opened().store, prune.clean(opened().store))
        place.hub.clear()
        report = synced(opened, project, mirror, only=True)
        lacking = f"oci://{there.host}/team/none"
        prune.execute(opened().store, prune.clean(opened().store))
        again = synced(opened, project, lacking, mirror, only=True)
    assert set(places_of(report)) == set(places_of(again)) == {mirror}
    assert len(report.brought) == 5
    assert place.hub.seen() == []


class TestExport:
    """`export --to mirror`."""

    def test_a_folder_serves_what_is_locked(self, place: Place, opened: Opened, tmp_path: Path) -> None:
        """What it wrote is a mirror; what no lock needs goes, and a stranger's file stays."""
        from modelsync.ops.export import mirror
        from modelsync.store import prune

        folder = tmp_path / "served"
        project = place.write(MANIFEST)
        sync.sync(opened(), project)
        done = mirror.write(opened(), project, Selection(), folder)
        assert (done.put, done.there, done.removed) == ((sha256(DATA),), (), ())
        assert (folder / sha256(DATA)).read_bytes() == DATA
        assert mirror.write(opened(), project, Selection(), folder).there == (sha256(DATA),)
        prune.execute(opened().store, prune.clean(opened().store))
        report = synced(opened, project, str(folder), only=True)
        assert [one.taken_from for one in report.brought] == [folder / sha256(DATA)]

        stranger = folder / ("0" * 64)
        stranger.write_bytes(b"theirs")
        place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
        sync.sync(opened(), project, sync_options(upgrade=True))
        done = mirror.write(opened(), project, Selection(("tiny",)), folder)
        assert done.removed == ()  # a part
        done = mirror.write(opened(), project, Selection(), folder)
        assert done.removed == (sha256(DATA),)
        assert {path.name for path in folder.iterdir()} == {sha256(gguf("new")), "0" * 64, mirror.RECORD}

    def test_one_that_breaks_off_leaves_nothing_half(
        self, place: Place, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each file appears whole or not at all; the next export does the rest."""
        from modelsync.errors import StoreError
        from modelsync.ops.export import mirror
        from modelsync.store import atomic

        folder = tmp_path / "served"
        files = {f"part/{number}.json": b'{"n": %d}' % number for number in range(3)}
        place.repo.commit(files)
        project = place.write(f'[models.folder]\nuri = "hf:{REPO}"\ninclude = ["part/*"]\n')
        sync.sync(opened(), project)
        rename, done = atomic.rename, list[Path]()

        def breaks(here: Path, there: Path) -> None:
            if len(done) == 1 and there.name != mirror.RECORD:
                raise OSError(28, "No space left on device")
            if there.name != mirror.RECORD:
                done.append(there)
            rename(here, there)

        monkeypatch.setattr(atomic, "rename", breaks)
        with pytest.raises(StoreError, match="cannot write the mirror"):
            mirror.write(opened(), project, Selection(), folder)
        left = [path for path in folder.iterdir() if path.name != mirror.RECORD]
        assert left == done
        assert left[0].read_bytes() in files.values()
        monkeypatch.setattr(atomic, "rename", rename)
        assert len(mirror.write(opened(), place.project, Selection(), folder).put) == 2

    def test_two_projects_share_a_folder(self, place: Place, opened: Opened, tmp_path: Path) -> None:
        """What another lock needs is not removed."""
        from modelsync.ops.export import mirror
        from modelsync.project import discovery

        folder = tmp_path / "served"
        project = place.write(MANIFEST)
        sync.sync(opened(), project)
        other = tmp_path / "other"
        other.mkdir()
        (other / "models.toml").write_text(MANIFEST)
        twin = discovery.find(manifest_path=other)
        sync.sync(opened(), twin)
        for each in (project, twin):
            mirror.write(opened(), each, Selection(), folder)
        (other / "models.toml").write_text(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n')
        twin = discovery.find(manifest_path=other)
        sync.sync(opened(), twin)
        assert mirror.write(opened(), twin, Selection(), folder).removed == ()
        assert (folder / sha256(DATA)).is_file()


def test_the_command_line_says_where_files_came_from(cli: Cli) -> None:
    """JSON has `sources`; `-v` has a line a file."""
    cli("-q", "lock")
    with web_mirror([DATA]) as mirror:
        done = cli("sync", "--frozen", "--mirror-only", "--mirror", mirror.url, "--format", "json", "-v")
    assert done.json["sources"] == [{"place": mirror.url, "files": 1, "bytes": len(DATA)}]
    assert f"from {mirror.url}" in done.err
