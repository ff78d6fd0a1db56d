"""Headers come from mirrors too, by ranges: what is decided before a fetch asks no hub where a mirror is named."""

from pathlib import Path

import pytest

from modelsync.context import CallOptions
from modelsync.errors import NetworkError, NotFoundError, NotSyncedError
from modelsync.ops import estimate, inspect, lock, path, sync
from modelsync.ops.inspect_files import FilesInspection
from modelsync.project.project import Project
from tests.hub.wire import Delivery, Reply
from tests.support.any_files import safetensors
from tests.support.content import sha256
from tests.support.machines import HUGE, Sized
from tests.support.mirrors import Odd, WebMirror, body, web_mirror
from tests.support.project import REPO, Opened, Place, chosen_file, put, sync_options
from tests.support.quant_files import WORDS, quant

SMALL = quant("Q2_K", vocabulary=WORDS[:200])
LARGE = quant("Q8_0", vocabulary=WORDS[:200])
TINY = (
    f'[models.tiny]\nuri = "hf:{REPO}:Q2_K"\n[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\n'
    f'[models.big]\nuri = "hf:{REPO}:Q8_0"\nload = {{ n_ctx = {HUGE} }}\n'
)


@pytest.fixture
def two(place: Place, opened: Opened) -> Project:
    """A model with a small and a large variant, and one that no machine has room for; locked, and nothing is here."""
    put(place, {"tiny-Q2_K.gguf": SMALL, "tiny-Q8_0.gguf": LARGE})
    project = place.write(TINY)
    lock.lock(opened(), project)
    place.hub.clear()
    return place.project


def by(*mirrors: WebMirror | str, only: bool = True, offline: bool | None = None) -> CallOptions:
    """The options of a call that asks these mirrors."""
    return CallOptions(
        mirrors=[str(getattr(each, "url", each)) for each in mirrors], mirror_only=only, offline=offline
    )


def read(mirror: WebMirror, data: bytes) -> list[str | None]:
    """The ranges that were asked of a file."""
    return [span for method, digest, span in mirror.asked if digest == sha256(data) and method == "GET"]


@pytest.mark.parametrize("only", [True, False])
def test_a_header_comes_from_a_mirror(only: bool, two: Project, place: Place, opened: Opened) -> None:
    """`inspect` and `estimate` read it there by ranges, once: then it is kept. The hub is not asked."""
    with web_mirror([SMALL]) as mirror:
        found = inspect.inspect(opened(by(mirror, only=only)), "tiny", lambda: two)
        assert found.architecture == "llama"
        estimate.estimate(opened(by(mirror, only=only)), "tiny", lambda: two)
        asked = read(mirror, SMALL)
    assert asked
    assert all(span is not None for span in asked)
    assert len(asked) == len(set(asked))
    assert place.hub.seen() == []


@pytest.mark.parametrize("room", [64 * 1024, 12.5])
def test_auto_is_decided_by_headers_of_a_mirror(
    room: float, two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """`sync --frozen --mirror-only --variant auto` takes the largest that fits, with no hub."""
    sized(room)
    frozen = sync_options(["tiny"], frozen=True, variant="auto")
    with web_mirror([SMALL, LARGE]) as mirror:
        report = sync.sync(opened(by(mirror)), two, frozen)
    assert [one.bytes for one in report.brought] == [len(LARGE if room > 100 else SMALL)]
    assert place.hub.seen() == []


def test_auto_means_what_the_mirror_has(two: Project, place: Place, opened: Opened, sized: Sized) -> None:
    """A variant that no mirror has is not chosen, with `--mirror-only`; where none has any, that is an error."""
    sized(64 * 1024)
    frozen = sync_options(["tiny"], frozen=True, variant="auto")
    with web_mirror() as empty, pytest.raises(NotFoundError, match="does not have it"):
        sync.sync(opened(by(empty)), two, frozen)
    with web_mirror([SMALL]) as mirror:
        sync.sync(opened(by(mirror)), two, frozen)
        assert chosen_file(opened(by(mirror)), two) == "tiny-Q2_K.gguf"
    assert place.hub.seen() == []


def test_what_does_not_fit_is_told_of_with_mirrors_alone(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """The warning before a fetch needs no hub."""
    sized(1024)
    said: list[str] = []
    with web_mirror([LARGE]) as mirror:
        sync.sync(opened(by(mirror), warn=said.append), two, sync_options(["big"], frozen=True))
    assert [words for words in said if "big does not fit this machine: it needs" in words] == said
    assert len(said) == 1
    assert place.hub.seen() == []


def test_a_folder_answers_without_a_network(
    two: Project, place: Place, opened: Opened, tmp_path: Path
) -> None:
    """`inspect`, `--variant auto` and `path` take from a folder mirror offline."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / sha256(SMALL)).write_bytes(SMALL)
    options = by(str(folder), only=False, offline=True)
    assert inspect.inspect(opened(options), "tiny", lambda: two).architecture == "llama"
    found = path.files(opened(options), "tiny", lambda: two)
    assert found.model.read_bytes() == SMALL
    with pytest.raises(NotSyncedError, match="big is not on this machine, and the network is ruled out"):
        path.files(opened(CallOptions(offline=True)), "big", lambda: two)
    assert place.hub.seen() == []


PAGE = body(b"<!DOCTYPE html><p>Log in")
BAD: dict[str, Odd] = {
    "a login page": lambda _, __: Reply(200, {"Content-Type": "text/html"}, PAGE),
    "no header": lambda _, data: Reply(200, body=body(b"GGUF" + bytes(len(data) - 4))),
    "a cut": lambda _, data: Reply(200, body=body(data), delivery=Delivery(stop=100)),
    "a drip": lambda _, data: Reply(200, body=body(data), delivery=Delivery(rate=20.0)),
    "silence": lambda _, __: Reply(200, body=PAGE, delivery=Delivery(delay=3.0, drop=True)),
    "a failure": lambda _, __: Reply(500, body=PAGE),
}


@pytest.mark.parametrize("odd", BAD)
def test_a_bad_mirror_costs_one_try_for_headers_too(
    odd: str, two: Project, place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once and left alone with one word; the next mirror gives the header."""
    monkeypatch.setenv("MODELSYNC_HTTP_TIMEOUT", "0.5")
    said: list[str] = []
    with web_mirror([SMALL], BAD[odd]) as bad, web_mirror([SMALL]) as good:
        context = opened(by(bad, good, only=False), warn=said.append)
        assert inspect.inspect(context, "tiny", lambda: two).architecture == "llama"
        assert len(bad.asked) == 1
    assert [words for words in said if "is left alone" in words and bad.url in words] == said
    assert len(said) == 1
    assert place.hub.seen() == []


def test_a_mirror_that_has_no_answer_is_named(two: Project, opened: Opened) -> None:
    """With nothing else to ask, the error says which mirror failed; without a mirror, how to name one."""
    with web_mirror([SMALL], BAD["a failure"]) as bad, pytest.raises(NetworkError, match=r"127\.0\.0\.1"):
        inspect.inspect(opened(by(bad)), "tiny", lambda: two)
    with pytest.raises(NotSyncedError, match="no mirror that you named has it"):
        inspect.inspect(opened(CallOptions(mirror_only=True)), "tiny", lambda: two)


def test_a_strangers_mirror_gives_no_header(two: Project, place: Place, opened: Opened) -> None:
    """No digest decides about a header: of a mirror that only the manifest names none is taken."""
    with web_mirror([SMALL]) as mirror:
        project = place.write(f'[modelsync]\nmirrors = ["{mirror.url}"]\n{TINY}')
        assert inspect.inspect(opened(), "tiny", lambda: project).architecture == "llama"
        assert mirror.asked == []
        with pytest.raises(NotSyncedError, match=r"config\.toml"):
            inspect.inspect(opened(CallOptions(mirror_only=True)), "big", lambda: project)


def test_a_trusted_mirror_of_the_manifest_does(
    two: Project, place: Place, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`trusted-mirrors` of the user's config: `inspect` knows the manifest's mirrors as `sync` does."""
    config = tmp_path / "config.toml"
    monkeypatch.setenv("MODELSYNC_CONFIG", str(config))
    with web_mirror([SMALL]) as mirror:
        config.write_text(f'trusted-mirrors = ["{mirror.url}"]\n')
        project = place.write(f'[modelsync]\nmirrors = ["{mirror.url}"]\n{TINY}')
        context = opened(CallOptions(mirror_only=True))
        assert inspect.inspect(context, "tiny", lambda: project).architecture == "llama"
    assert place.hub.seen() == []


def test_other_files_are_looked_into_at_a_mirror(place: Place, opened: Opened) -> None:
    """The header of safetensors comes from a mirror as that of GGUF does."""
    data = safetensors(bytes(8))
    place.repo.commit({"model.safetensors": data})
    project = place.write(f'[models]\nplain = "hf:{REPO}/model.safetensors"\n')
    lock.lock(opened(), project)
    place.hub.clear()
    from modelsync.store import prune

    prune.execute(opened().store, prune.clean(opened().store))
    with web_mirror([data], BAD["a failure"]) as bad, web_mirror([data]) as mirror:
        found = inspect.inspect(opened(by(bad, mirror)), "plain", lambda: place.project)
        assert mirror.asked
    assert isinstance(found, FilesInspection)
    assert found.tensor_count == 1
    assert place.hub.seen() == []
