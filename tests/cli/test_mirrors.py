"""Mirrors on the command line and in code: flags, variables, keywords, and what is said of where files came from."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import modelsync
from tests.support.command_line import Cli
from tests.support.content import damage, sha256
from tests.support.mirrors import WebMirror, web_mirror
from tests.support.project import MANIFEST, QUANTS, REPO

DATA = QUANTS["tiny-Q4_K_M.gguf"]
URI = f"hf:{REPO}:Q4_K_M"


@pytest.fixture
def mirror() -> Iterator[WebMirror]:
    """A mirror that has all quants."""
    with web_mirror(QUANTS.values()) as running:
        yield running


@pytest.fixture
def locked(cli: Cli) -> Cli:
    """A project with a lock; nothing is here, and the hub remembers nothing."""
    cli("-q", "lock")
    cli.hub.clear()
    return cli


def from_mirror(mirror: WebMirror, data: bytes = DATA) -> list[dict[str, object]]:
    """`sources` of a file that came from a mirror."""
    return [{"place": mirror.url, "files": 1, "bytes": len(data)}]


def cdn(cli: Cli) -> int:
    """Bytes of files that the hub sent."""
    return sum(seen.sent for seen in cli.hub.seen("cdn"))


@pytest.mark.parametrize(
    "words", [("sync", "--frozen"), ("path", "tiny"), ("verify", "--repair")], ids=lambda w: w[0]
)
def test_locked_files_come_from_a_mirror_alone(
    words: tuple[str, ...], locked: Cli, mirror: WebMirror
) -> None:
    """`--mirror-only` with each command that fetches what is locked; JSON says from where, `-v` too."""
    done = locked(*words, "--mirror", mirror.url, "--mirror-only", "--format", "json", "-v")
    assert done.json["sources"] == from_mirror(mirror)
    assert f"from {mirror.url}" in done.err
    assert locked.hub.seen() == []


def test_a_repair_names_its_source(locked: Cli, mirror: WebMirror, store_root: Path) -> None:
    """What is damaged comes from the mirror, and JSON says so."""
    locked("-q", "sync")
    (blob,) = store_root.glob(f"blobs-v1/**/{sha256(DATA)}")
    damage(blob, 100)
    done = locked("verify", "--repair", "--mirror", mirror.url, "--mirror-only", "--format", "json")
    assert done.json["sources"] == from_mirror(mirror)
    assert blob.read_bytes() == DATA


@pytest.mark.parametrize("words", [("pull", URI), ("path", URI), ("add", "more", URI)], ids=lambda w: w[0])
def test_what_is_looked_up_at_the_hub_comes_from_a_mirror(
    words: tuple[str, ...], cli: Cli, mirror: WebMirror
) -> None:
    """The hub says which digest; the bytes come from the mirror."""
    done = cli(*words, "--mirror", mirror.url, "--format", "json")
    assert done.json["sources"] == from_mirror(mirror)
    assert cdn(cli) == 0


def test_run_takes_from_a_mirror(locked: Cli, mirror: WebMirror) -> None:
    """And tells it in its events."""
    events = locked.folder / "events"
    done = locked(
        "run", "--frozen", "--mirror", mirror.url, "--mirror-only", "--events", str(events),
        "--", "python3", "-c", "import os; print(os.environ['MODELSYNC_PATH_TINY'])",
    )  # fmt: skip
    assert Path(done.out.strip()).read_bytes() == DATA
    assert places_told(events) == [mirror.url]
    assert locked.hub.seen() == []


@pytest.mark.parametrize(
    "words", [("sync", "--frozen"), ("pull", URI), ("verify", "--repair")], ids=lambda words: words[0]
)
def test_events_name_the_mirror(words: tuple[str, ...], locked: Cli, mirror: WebMirror) -> None:
    """The last event of a file that came from a mirror has its address as `place`."""
    events = locked.folder / "events"
    locked("-q", *words, "--mirror", mirror.url, "--events", str(events))
    assert places_told(events) == [mirror.url]


def places_told(events: Path) -> list[str]:
    """The places in a file of events, once each."""
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    return sorted({line["place"] for line in lines if line["phase"] == "done" and line["place"] is not None})


def test_variables_say_what_flags_do(locked: Cli, mirror: WebMirror) -> None:
    """`MODELSYNC_MIRRORS` has blanks between, `…_MIRROR_ONLY` and `…_NO_MIRRORS` are true words; a flag wins."""
    with web_mirror() as empty:
        both = {"MODELSYNC_MIRRORS": f" {empty.url}  {mirror.url} "}
        done = locked(
            "sync", "--frozen", "--format", "json", variables={**both, "MODELSYNC_MIRROR_ONLY": "1"}
        )
        assert done.json["sources"] == from_mirror(mirror)
        assert locked.hub.seen() == []
        assert len(empty.asked) == 1
    locked("-q", "cache", "clean", "--yes")
    mirror.asked.clear()
    done = locked("sync", "--frozen", "--format", "json", variables={**both, "MODELSYNC_NO_MIRRORS": "1"})
    assert done.json["sources"] == [{"place": "source", "files": 1, "bytes": len(DATA)}]
    assert mirror.asked == []
    locked("-q", "cache", "clean", "--yes")
    named = {"MODELSYNC_MIRRORS": "http://127.0.0.1:9/x"}
    done = locked("sync", "--frozen", "--mirror", mirror.url, "--format", "json", variables=named)
    assert done.json["sources"] == from_mirror(mirror)
    assert "is left alone" not in done.err


def test_flags_that_contradict_are_an_error_of_usage(locked: Cli) -> None:
    """Nothing but mirrors, and no mirror."""
    done = locked("sync", "--frozen", "--mirror-only", "--no-mirrors", status=2)
    assert "leave out --no-mirrors or --mirror-only" in done.err
    done = locked("sync", "--frozen", "--mirror-only", status=1)
    assert "--mirror, MODELSYNC_MIRRORS, or `mirrors` in models.toml or your own config.toml" in done.err


@pytest.mark.parametrize("text", ["ftp://x/y", "https://x:99999/{sha256}", "oci://x/y:tag"])
def test_what_is_no_mirror_is_told_with_its_place(locked: Cli, text: str, tmp_path: Path) -> None:
    """The flag, the variable, the line of models.toml or of the user's config; nothing is asked."""
    done = locked("sync", "--frozen", "--mirror", text, status=2)
    assert f"error: --mirror: the mirror `{text}` " in done.err
    done = locked("sync", "--frozen", status=2, variables={"MODELSYNC_MIRRORS": f"/srv {text}"})
    assert f"error: MODELSYNC_MIRRORS: the mirror `{text}` " in done.err
    config = tmp_path / "config.toml"
    config.write_text(f'mirrors = ["/srv", "{text}"]\n')
    done = locked("sync", "--frozen", status=2, variables={"MODELSYNC_CONFIG": str(config)})
    assert f"config.toml:1: mirrors[1]: the mirror `{text}` " in done.err
    locked.write(f'[modelsync]\nmirrors = ["{text}"]\n{MANIFEST}')
    done = locked("sync", "--frozen", status=2)
    assert f"models.toml:2: modelsync.mirrors[0]: the mirror `{text}` " in done.err
    assert "hint: " in done.err
    assert locked.hub.seen() == []


def test_headers_come_from_a_mirror_on_the_command_line(locked: Cli, mirror: WebMirror) -> None:
    """`inspect` and `estimate` have the flags too; what the header lacks is told as of any file."""
    for word in ("inspect", "estimate"):
        done = locked(word, "tiny", "--mirror", mirror.url, "--mirror-only", status=1)
        assert "tiny-Q4_K_M.gguf" in done.err  # these bytes are no whole model
    assert locked.hub.seen() == []
    assert mirror.asked


class TestCode:
    """The keywords `mirrors=` and `mirror_only=` of the public functions."""

    CALLS: ClassVar[dict[str, Callable[..., object]]] = {
        "path": lambda **more: modelsync.path("tiny", **more),
        "files": lambda **more: modelsync.files("tiny", **more),
        "sync": lambda **more: modelsync.sync(frozen=True, **more),
        "verify": lambda **more: modelsync.verify(repair=True, **more),
    }

    @pytest.mark.parametrize("name", CALLS)
    def test_a_call_takes_from_mirrors_alone(
        self, name: str, locked: Cli, mirror: WebMirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every function that fetches what is locked; a listener hears from where."""
        monkeypatch.chdir(locked.folder)
        heard: list[modelsync.Event] = []
        self.CALLS[name](mirrors=[mirror.url], mirror_only=True, on_progress=heard.append)
        assert modelsync.path("tiny", offline=True).read_bytes() == DATA
        assert {event.place for event in heard if event.phase == "done"} >= {mirror.url}
        assert locked.hub.seen() == []

    def test_a_pull_takes_the_bytes_from_a_mirror(
        self, cli: Cli, mirror: WebMirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The hub resolves, the mirror gives; `mirrors=()` asks none."""
        monkeypatch.chdir(cli.folder)
        modelsync.pull(URI, mirrors=[mirror.url])
        assert cdn(cli) == 0
        modelsync.pull(f"hf:{REPO}:Q8_0", mirrors=())
        assert cdn(cli) > 0

    def test_a_lock_asks_no_origin_where_mirrors_alone_are_to_be_asked(
        self, cli: Cli, mirror: WebMirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is stale cannot be resolved by mirrors; what is fresh needs nothing."""
        monkeypatch.chdir(cli.folder)
        with pytest.raises(modelsync.ModelsyncError, match="only mirrors are to be asked"):
            modelsync.lock(mirrors=[mirror.url], mirror_only=True)
        assert cli.hub.seen() == []
        modelsync.lock()
        cli.hub.clear()
        modelsync.lock(mirrors=[mirror.url], mirror_only=True)
        assert cli.hub.seen() == []

    def test_headers_come_from_mirrors(
        self, locked: Cli, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`inspect` and `estimate` have the keywords."""
        locked.repo.commit({"tiny-Q4_K_M.gguf": tiny_gguf})
        locked("-q", "lock", "-U")
        locked.hub.clear()
        monkeypatch.chdir(locked.folder)
        with web_mirror([tiny_gguf.read_bytes()]) as there:
            found = modelsync.inspect("tiny", mirrors=[there.url], mirror_only=True)
            assert modelsync.estimate("tiny", mirrors=[there.url], mirror_only=True).verdict.fits
        assert found.architecture == "llama"
        assert locked.hub.seen() == []


def test_a_manifest_names_mirrors_for_every_command(cli: Cli, mirror: WebMirror) -> None:
    """`mirrors` under `[modelsync]`: the hub lists the digest, the mirror gives it, also to `path` and `run`."""
    cli.write(f'[modelsync]\nmirrors = ["{mirror.url}"]\n{MANIFEST}')
    cli("-q", "lock")
    done = cli("path", "tiny", "--format", "json")
    assert done.json["sources"] == from_mirror(mirror)
    assert cdn(cli) == 0
