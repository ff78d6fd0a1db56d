"""The word before a download that this machine has no room for."""

import logging

import pytest

from modelsync.context import CallOptions
from modelsync.errors import MisfitError
from modelsync.install.report import SyncReport
from modelsync.ops import path, pull, sync
from modelsync.project.project import Project
from modelsync.system import devices
from tests.support.content import gguf
from tests.support.machines import HUGE, Sized
from tests.support.project import REPO, Opened, Place, put, sync_options
from tests.support.quant_files import WORDS, quant
from tests.support.units import MiB


@pytest.fixture
def misfit(place: Place) -> Project:
    """A project of a model whose context no machine has room for, and of one that fits."""
    put(place, {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS[:200]) for name in ("Q2_K", "Q8_0")})
    return place.write(
        f'[models.big]\nuri = "hf:{REPO}:Q8_0"\nload = {{ n_ctx = {HUGE} }}\n[models]\nsmall = "hf:{REPO}:Q2_K"\n'
    )


def fetched(place: Place) -> int:
    """Files of which the hub gave anything but ranges for a header."""
    return len([seen for seen in place.hub.seen(match="*.gguf", method="GET") if seen.server == "cdn"])


def test_a_model_that_cannot_fit_is_told_of_before_it_is_fetched(
    misfit: Project, place: Place, opened: Opened
) -> None:
    """With what it needs and the room there is; then the sync goes on."""
    told: list[tuple[str, int]] = []
    context = opened(warn=lambda words: told.append((words, fetched(place))))
    report = sync.sync(context, misfit)
    ((words, before),) = told
    assert "big does not fit this machine: it needs" in words
    assert "room for" in words
    assert report.warnings == (words,)
    assert [change.name for change in report.changes] == ["big", "small"]
    assert fetched(place) > before
    assert sync.sync(context, misfit, sync_options(["big"])).warnings == ()


def test_who_listens_to_nothing_reads_it_in_the_log(
    misfit: Project, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """A program finds it under `modelsync`, as a warning."""
    with caplog.at_level(logging.WARNING, "modelsync"):
        sync.sync(opened(), misfit)
    assert "big does not fit this machine" in caplog.text


def test_a_fit_can_be_required(
    misfit: Project, place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing of that model is fetched, and the others are; the variable means the same as the argument."""
    with pytest.raises(MisfitError, match=r"^big does not fit") as caught:
        sync.sync(opened(CallOptions(require_fit=True)), misfit)
    assert "modelsync estimate big" in str(caught.value.hint)
    assert [one.model for one in caught.value.errors] == ["big"]
    report = caught.value.report
    assert isinstance(report, SyncReport)
    assert [change.name for change in report.changes] == ["small"]
    assert [
        blob.stat().st_size for blob in (opened().store.root / "blobs-v1").rglob("*") if blob.is_file()
    ] == [len(quant("Q2_K", vocabulary=WORDS[:200]))]
    monkeypatch.setenv("MODELSYNC_REQUIRE_FIT", "1")
    with pytest.raises(MisfitError):
        path.files(opened(), "big", lambda: misfit)
    assert sync.sync(opened(), misfit, sync_options(["small"])).changes == ()


def test_one_misfit_of_a_pull_keeps_no_other(misfit: Project, opened: Opened, sized: Sized) -> None:
    """The larger quant is an error, the smaller one is here."""
    uris = [f"hf:{REPO}:Q8_0", f"hf:{REPO}:Q2_K"]

    def refused(room: int) -> MisfitError:
        sized(room)
        with pytest.raises(MisfitError) as error:
            pull.pull(opened(CallOptions(require_fit=True)), uris)
        return error.value

    # From none that fits up to one: more room is tried until there is a report of one.
    found = (error for error in map(refused, range(1, 64)) if error.report.pulled)  # type: ignore[attr-defined]
    error = next(found)
    report = error.report
    assert isinstance(report, pull.PullReport)
    assert [one.uri for one in report.pulled] == uris[1:]
    assert [one.model for one in error.errors] == uris[:1]


def test_a_model_without_a_variant_that_fits_keeps_no_other(
    place: Place, opened: Opened, sized: Sized
) -> None:
    """`auto` of one model means nothing here: that one is told, and the other is linked."""
    put(place, {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS[:200]) for name in ("Q2_K", "Q8_0")})
    sized(16)
    project = place.write(
        f'[modelsync]\ndir = "models"\n[models.big]\nuri = "hf:{REPO}:Q8_0"\nload = {{ n_ctx = {HUGE} }}\n'
        f'[models.big.variants.small]\nuri = "hf:{REPO}:Q2_K"\n[models]\nsmall = "hf:{REPO}:Q2_K"\n'
    )
    with pytest.raises(MisfitError, match=r"models\.toml:3: big: ") as error:
        sync.sync(opened(), project, sync_options(variant="auto"))
    report = error.value.report
    assert isinstance(report, SyncReport)
    assert [change.name for change in report.changes] == ["small"]


def test_a_pull_is_held_to_it_too(misfit: Project, opened: Opened, sized: Sized) -> None:
    """By what llama-cpp-python's own settings need."""
    sized(5)
    with pytest.raises(MisfitError, match=f"hf:{REPO}:Q8_0 does not fit"):
        pull.pull(opened(CallOptions(require_fit=True)), [f"hf:{REPO}:Q8_0"])


def test_what_has_to_be_read_to_be_locked_is_weighed_before(
    place: Place, opened: Opened, sized: Sized
) -> None:
    """A direct URL has no published digest: it would be fetched by the lock already."""
    sized(5)
    url = place.hub.file("/files/tiny-Q8_0.gguf", quant("Q8_0", vocabulary=WORDS[:200]))
    with pytest.raises(MisfitError, match="tiny does not fit"):
        sync.sync(opened(CallOptions(require_fit=True)), place.write(f'[models]\ntiny = "{url}"\n'))
    assert not (opened().store.root / "blobs-v1").exists()
    assert not place.project.lock_path.exists()


def test_what_is_small_beside_the_machine_costs_no_header(place: Place, opened: Opened, sized: Sized) -> None:
    """Its size alone tells that it fits: the file is asked for once, as ever."""
    put(place, {"tiny-Q8_0.gguf": quant("Q8_0")})
    sized(1024)
    place.hub.clear()
    sync.sync(opened(), place.write(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n'))
    assert fetched(place) == 1


def test_what_was_found_to_fit_is_not_looked_at_again(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """The header by which `auto` chose is not read once more before the download."""
    sized(16)
    sync.sync(opened(), two, sync_options(["tiny"], variant="auto"))
    brought = sum(seen.sent for seen in place.hub.seen("cdn", "*Q8_0*"))
    size = len(quant("Q8_0", vocabulary=WORDS[:200]))
    assert size < brought <= 2 * size  # the file is smaller than the first range that is asked for
    assert len(place.hub.seen("cdn", "*Q8_0*")) == 2


def test_a_header_that_cannot_be_read_is_no_reason_to_fail(
    place: Place, opened: Opened, sized: Sized
) -> None:
    """What is no GGUF after its magic, and what no server gives a range of, is fetched without a word."""
    put(place, {"tiny-Q8_0.gguf": gguf("odd", 3 * MiB)})
    sized(8)
    report = sync.sync(
        opened(CallOptions(require_fit=True)), place.write(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n')
    )
    assert report.warnings == ()
    assert report.bytes_fetched == 3 * MiB


def test_a_machine_that_tells_nothing_refuses_nothing(
    misfit: Project, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the memory is not known nothing can be said against a model; but nothing can be chosen either."""
    monkeypatch.setattr(devices, "memory", lambda: None)
    assert sync.sync(opened(CallOptions(require_fit=True)), misfit).warnings == ()
