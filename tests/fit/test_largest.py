"""What fits this machine: the variant that `auto` means, and the word before a download."""

import logging
from collections.abc import Callable

import pytest

from modelsync.context import Context
from modelsync.errors import MisfitError, ModelsyncError, NotFoundError, NotSyncedError
from modelsync.ops import path, pull, run, sync, up_to_date
from modelsync.project.project import Project
from modelsync.system import devices
from modelsync.system.devices import Device, Memory
from tests.hub import Status
from tests.ops.test_estimate import WORDS, put, quant
from tests.support.project import REPO, Opened, Place

MIB = 1 << 20
GIB = 1 << 30
HUGE = 2_000_000_000  # tokens of a context that no machine has room for
TWO = (
    f'[models.tiny]\nuri = "hf:{REPO}:Q2_K"\n[models.tiny.variants.server]\nuri = "hf:{REPO}:Q8_0"\n'
    f'[models.plain]\nuri = "hf:{REPO}:Q2_K"\n'
)


Sized = Callable[..., None]


@pytest.fixture
def sized(monkeypatch: pytest.MonkeyPatch) -> Sized:
    """Makes this a machine of so many MiB, of which so many are free, and of these GPUs."""

    def make(total: float, available: float | None = None, *gpus: int) -> None:
        room = Memory(int(total * MIB), int((total if available is None else available) * MIB))
        cards = tuple(Device(f"GPU {size}", "cuda", size * MIB, size * MIB) for size in gpus)
        monkeypatch.setattr(devices, "memory", lambda: room)
        monkeypatch.setattr(devices, "gpus", lambda: cards)
        monkeypatch.setattr(devices, "fingerprint", lambda: f"{total} {gpus}")

    return make


@pytest.fixture
def two(place: Place) -> Project:
    """A project of a model with a small and a large variant; nothing is locked."""
    put(place, {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS[:200]) for name in ("Q2_K", "Q8_0")})
    return place.write(TWO)


def chosen(context: Context, project: Project, variant: str | None = "auto") -> str:
    """The file that `path` gives."""
    return path.files(context, "tiny", lambda: project, variant=variant).model.name


def fetched(place: Place) -> int:
    """Files of which the hub gave anything but ranges for a header."""
    return len([seen for seen in place.hub.seen(match="*.gguf", method="GET") if seen.server == "cdn"])


# --- variants ----------------------------------------------------------------------------------------


def test_auto_is_the_largest_variant_that_fits(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """On a machine with room for all it is the large one, on a smaller one the small; path and sync agree."""
    sized(64 * 1024)
    report = sync.sync(opened(), two, variant="auto")
    assert [change.variant for change in report.changes] == [None, "server"]
    assert chosen(opened(), two) == "tiny-Q8_0.gguf"
    sized(12.5)
    sync.sync(opened(), two, variant="auto")
    assert chosen(opened(), two) == "tiny-Q2_K.gguf"


def test_what_is_free_at_the_moment_makes_no_difference(two: Project, opened: Opened, sized: Sized) -> None:
    """A machine's answer is by the memory that it has: another program does not change it."""
    sized(64 * 1024, 1)
    sync.sync(opened(), two, variant="auto")
    assert chosen(opened(), two) == "tiny-Q8_0.gguf"


def test_gpus_are_room_too(two: Project, opened: Opened, sized: Sized) -> None:
    """Where RAM is too small, a model whose layers go to a GPU fits."""
    sized(12.5)
    sync.sync(opened(), two, variant="auto")
    assert chosen(opened(), two) == "tiny-Q2_K.gguf"
    sized(12.5, None, 8192)
    assert chosen(opened(), two) == "tiny-Q8_0.gguf"


def test_a_gpu_that_has_the_machines_own_memory_is_no_more_room(
    two: Project, opened: Opened, sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room that is told of is there once."""
    sized(1)
    shared = Device("M4", "metal", 8 * GIB, 8 * GIB, shared=True)
    monkeypatch.setattr(devices, "gpus", lambda: (shared,))
    with pytest.raises(MisfitError, match=r"has room for [\d.]+ MiB in RAM\n"):
        sync.sync(opened(), two, variant="auto")


def test_gpus_that_a_job_may_not_use_are_no_room(
    two: Project, opened: Opened, sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that several jobs share, each has the GPUs that are listed for it."""
    sized(12.5, None, 8192)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    sync.sync(opened(), two, variant="auto")
    assert chosen(opened(), two) == "tiny-Q2_K.gguf"


def test_none_that_fits_is_an_error_and_fetches_nothing(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """It names the room there is, and how to take one all the same."""
    sized(1)
    with pytest.raises(
        MisfitError, match="no variant of tiny fits this machine, which has room for"
    ) as caught:
        sync.sync(opened(), two, variant="auto")
    assert "--variant NAME" in str(caught.value.hint)
    assert not (opened().store.root / "blobs-v1").exists()


def test_of_variants_of_the_same_file_the_one_that_needs_more_is_the_larger(
    two: Project, place: Place, opened: Opened
) -> None:
    """A variant may differ in its load settings alone; one that no machine has room for is passed over."""
    project = place.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q2_K"\n'
        "[models.tiny.variants.long]\nload = { n_ctx = 4096 }\n"
        f"[models.tiny.variants.huge]\nload = {{ n_ctx = {HUGE} }}\n"
    )
    report = sync.sync(opened(), project, variant="auto")
    assert [(change.variant, change.action) for change in report.changes if change.bytes] == [
        ("long", "added")
    ]


def test_a_model_without_variants_needs_no_decision(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """It is what it is, however large the machine: no header is read for it."""
    sized(1)
    sync.sync(opened(), two, ["plain"])
    place.hub.clear()
    context = opened()
    assert path.files(context, "plain", lambda: two, variant="auto").model.name == "tiny-Q2_K.gguf"
    assert context.decided == {}
    assert place.hub.seen() == []


def test_a_sync_with_nothing_to_do_asks_nobody(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """A bare one answers from its memo, one of a name by the headers that are here."""
    sized(64 * 1024)
    sync.sync(opened(), two, variant="auto")
    place.hub.clear()
    context = opened()
    assert up_to_date.nothing_to_do(context, two, "auto")
    assert not up_to_date.nothing_to_do(context, two, None)
    assert sync.sync(context, two, variant="auto").plan.steps == ()
    assert sync.sync(context, two, ["tiny"], variant="auto").plan.steps == ()
    assert chosen(context, two) == "tiny-Q8_0.gguf"
    assert place.hub.seen() == []


def test_what_one_machine_remembers_is_not_anothers(two: Project, opened: Opened, sized: Sized) -> None:
    """With other memory the memo says nothing: a store may move, and so may a virtual machine's limits."""
    sized(64 * 1024)
    sync.sync(opened(), two, variant="auto")
    sized(12.5)
    assert not up_to_date.nothing_to_do(opened(), two, "auto")
    assert up_to_date.files(opened(), two, "tiny", "auto") is None


def test_without_a_network_only_what_is_here_is_chosen_among(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """The variant that is here is the answer though a larger one would fit; and no memo is made of that."""
    sized(64 * 1024)
    sync.sync(opened(), two)
    context = opened(offline=True)
    assert chosen(context, two) == "tiny-Q2_K.gguf"
    assert (
        path.files(opened(), "tiny", lambda: two, variant="auto", download=False).model.name
        == "tiny-Q2_K.gguf"
    )
    assert run.environment(opened(), two, variant="auto")["MODELSYNC_PATH_TINY"].endswith("tiny-Q2_K.gguf")
    sync.sync(context, two, variant="auto")
    assert not up_to_date.nothing_to_do(opened(), two, "auto")
    assert chosen(opened(), two) == "tiny-Q8_0.gguf"


def test_a_hub_that_is_down_leaves_what_is_here(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """A larger variant whose header cannot be asked for is passed over, as long as another is here."""
    sized(64 * 1024)
    sync.sync(opened(), two)
    place.hub.misbehave(Status(404), where="cdn", times=None)
    place.hub.misbehave(Status(502), where="hub", times=None)
    context = opened()
    assert chosen(context, two) == "tiny-Q2_K.gguf"
    assert list(context.decided.values()) == [(None, False)]


def test_nothing_here_and_no_network_is_told(two: Project, place: Place, opened: Opened) -> None:
    """It names the sync that would choose."""
    from modelsync.ops import lock

    lock.lock(opened(), two)
    with pytest.raises(NotSyncedError) as caught:
        chosen(opened(offline=True), two)
    assert caught.value.hint == "run `modelsync sync --variant auto`"


def test_the_environment_may_ask_for_auto(
    two: Project, opened: Opened, sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`MODELSYNC_VARIANT=auto` means it everywhere; a variant that is named wins over it."""
    monkeypatch.setenv("MODELSYNC_VARIANT", "auto")
    sized(64 * 1024)
    sync.sync(opened(), two)
    assert chosen(opened(), two, None) == "tiny-Q8_0.gguf"
    assert up_to_date.files(opened(), two, "tiny", None) is not None
    with pytest.raises(NotFoundError):
        chosen(opened(), two, "laptop")


# --- before a download -------------------------------------------------------------------------------


@pytest.fixture
def misfit(place: Place) -> Project:
    """A project of a model whose context no machine has room for, and of one that fits."""
    put(place, {f"tiny-{name}.gguf": quant(name, vocabulary=WORDS[:200]) for name in ("Q2_K", "Q8_0")})
    return place.write(
        f'[models.big]\nuri = "hf:{REPO}:Q8_0"\nload = {{ n_ctx = {HUGE} }}\n[models]\nsmall = "hf:{REPO}:Q2_K"\n'
    )


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
    assert sync.sync(context, misfit, ["big"]).warnings == ()


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
    """Then nothing is fetched, of no model; and the variable means the same as the argument."""
    with pytest.raises(MisfitError, match="big does not fit") as caught:
        sync.sync(opened(require_fit=True), misfit)
    assert "modelsync estimate big" in str(caught.value.hint)
    assert not (opened().store.root / "blobs-v1").exists()
    monkeypatch.setenv("MODELSYNC_REQUIRE_FIT", "1")
    with pytest.raises(MisfitError):
        path.files(opened(), "big", lambda: misfit)
    assert sync.sync(opened(), misfit, ["small"]).bytes_fetched > 0


def test_a_pull_is_held_to_it_too(misfit: Project, opened: Opened, sized: Sized) -> None:
    """By what llama-cpp-python's own settings need."""
    sized(5)
    with pytest.raises(MisfitError, match=f"hf:{REPO}:Q8_0 does not fit"):
        pull.pull(opened(require_fit=True), [f"hf:{REPO}:Q8_0"])


def test_what_has_to_be_read_to_be_locked_is_weighed_before(
    place: Place, opened: Opened, sized: Sized
) -> None:
    """A direct URL has no published digest: it would be fetched by the lock already."""
    sized(5)
    url = place.hub.file("/files/tiny-Q8_0.gguf", quant("Q8_0", vocabulary=WORDS[:200]))
    with pytest.raises(MisfitError, match="tiny does not fit"):
        sync.sync(opened(require_fit=True), place.write(f'[models]\ntiny = "{url}"\n'))
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
    sync.sync(opened(), two, ["tiny"], variant="auto")
    brought = sum(seen.sent for seen in place.hub.seen("cdn", "*Q8_0*"))
    size = len(quant("Q8_0", vocabulary=WORDS[:200]))
    assert size < brought <= 2 * size  # the file is smaller than the first range that is asked for
    assert len(place.hub.seen("cdn", "*Q8_0*")) == 2


def test_a_header_that_cannot_be_read_is_no_reason_to_fail(
    place: Place, opened: Opened, sized: Sized
) -> None:
    """What is no GGUF after its magic, and what no server gives a range of, is fetched without a word."""
    from tests.support.project import gguf

    put(place, {"tiny-Q8_0.gguf": gguf("odd", 3 * MIB)})
    sized(8)
    report = sync.sync(opened(require_fit=True), place.write(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n'))
    assert report.warnings == ()
    assert report.bytes_fetched == 3 * MIB


def test_a_machine_that_tells_nothing_refuses_nothing(
    misfit: Project, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the memory is not known nothing can be said against a model; but nothing can be chosen either."""
    monkeypatch.setattr(devices, "memory", lambda: None)
    assert sync.sync(opened(require_fit=True), misfit).warnings == ()


def test_auto_on_a_machine_that_tells_nothing_is_an_error(
    two: Project, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how to name one."""
    monkeypatch.setattr(devices, "memory", lambda: None)
    with pytest.raises(ModelsyncError, match="does not tell its memory"):
        sync.sync(opened(), two, variant="auto")
