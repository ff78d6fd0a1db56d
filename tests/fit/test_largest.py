"""The variant that `auto` means: the largest that fits this machine."""

import pytest

from modelsync.context import CallOptions
from modelsync.errors import MisfitError, ModelsyncError, NotSyncedError
from modelsync.ops import path, run, sync, up_to_date
from modelsync.project.project import Project
from modelsync.project.selection import Selection
from modelsync.system import devices
from modelsync.system.devices import Device
from tests.hub import Status
from tests.support.machines import HUGE, Sized
from tests.support.project import REPO, Opened, Place, chosen_file, sync_options
from tests.support.units import GiB


def test_auto_is_the_largest_variant_that_fits(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """On a machine with room for all it is the large one, on a smaller one the small; path and sync agree."""
    sized(64 * 1024)
    report = sync.sync(opened(), two, sync_options(variant="auto"))
    assert [change.variant for change in report.changes] == [None, "server"]
    assert chosen_file(opened(), two) == "tiny-Q8_0.gguf"
    sized(12.5)
    sync.sync(opened(), two, sync_options(variant="auto"))
    assert chosen_file(opened(), two) == "tiny-Q2_K.gguf"


def test_what_is_free_at_the_moment_makes_no_difference(two: Project, opened: Opened, sized: Sized) -> None:
    """A machine's answer is by the memory that it has: another program does not change it."""
    sized(64 * 1024, 1)
    sync.sync(opened(), two, sync_options(variant="auto"))
    assert chosen_file(opened(), two) == "tiny-Q8_0.gguf"


def test_gpus_are_room_too(two: Project, opened: Opened, sized: Sized) -> None:
    """Where RAM is too small, a model whose layers go to a GPU fits."""
    sized(12.5)
    sync.sync(opened(), two, sync_options(variant="auto"))
    assert chosen_file(opened(), two) == "tiny-Q2_K.gguf"
    sized(12.5, None, 8192)
    assert chosen_file(opened(), two) == "tiny-Q8_0.gguf"


def test_a_gpu_that_has_the_machines_own_memory_is_no_more_room(
    two: Project, opened: Opened, sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room that is told of is there once."""
    sized(1)
    shared = Device("M4", "metal", 8 * GiB, 8 * GiB, shared=True)
    monkeypatch.setattr(devices, "gpus", lambda: (shared,))
    with pytest.raises(MisfitError, match=r"has room for [\d.]+ [KM]iB in RAM\n"):
        sync.sync(opened(), two, sync_options(variant="auto"))


def test_gpus_that_a_job_may_not_use_are_no_room(
    two: Project, opened: Opened, sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that several jobs share, each has the GPUs that are listed for it."""
    sized(12.5, None, 8192)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    sync.sync(opened(), two, sync_options(variant="auto"))
    assert chosen_file(opened(), two) == "tiny-Q2_K.gguf"


def test_none_that_fits_is_an_error_and_stops_no_other(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """It names the room there is, and how to take one all the same; of the model nothing is fetched."""
    sized(1)
    with pytest.raises(
        MisfitError, match="no variant of tiny fits this machine, which has room for"
    ) as caught:
        sync.sync(opened(), two, sync_options(variant="auto"))
    assert "--variant NAME" in str(caught.value.hint)
    lock = two.loaded().lock
    plain = lock.find("plain") if lock else None
    blobs = (opened().store.root / "blobs-v1").rglob("?" * 64)
    assert plain is not None
    assert {blob.name for blob in blobs} == {plain.files[0].sha256}


def test_of_variants_of_the_same_file_the_one_that_needs_more_is_the_larger(
    two: Project, place: Place, opened: Opened
) -> None:
    """A variant may differ in its load settings alone; one that no machine has room for is passed over."""
    project = place.write(
        f'[models.tiny]\nuri = "hf:{REPO}:Q2_K"\n'
        "[models.tiny.variants.long]\nload = { n_ctx = 4096 }\n"
        f"[models.tiny.variants.huge]\nload = {{ n_ctx = {HUGE} }}\n"
    )
    report = sync.sync(opened(), project, sync_options(variant="auto"))
    assert [(change.variant, change.action) for change in report.changes if change.bytes] == [
        ("long", "added")
    ]


def test_a_sync_with_nothing_to_do_asks_nobody(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """A bare one answers from its memo, one of a name by the headers that are here."""
    sized(64 * 1024)
    sync.sync(opened(), two, sync_options(variant="auto"))
    place.hub.clear()
    context = opened()
    assert up_to_date.nothing_to_do(context, two, "auto")
    assert not up_to_date.nothing_to_do(context, two, None)
    assert sync.sync(context, two, sync_options(variant="auto")).plan.steps == ()
    assert sync.sync(context, two, sync_options(["tiny"], variant="auto")).plan.steps == ()
    assert chosen_file(context, two) == "tiny-Q8_0.gguf"
    assert place.hub.seen() == []


def test_what_one_machine_remembers_is_not_anothers(two: Project, opened: Opened, sized: Sized) -> None:
    """With other memory the memo says nothing: a store may move, and so may a virtual machine's limits."""
    sized(64 * 1024)
    sync.sync(opened(), two, sync_options(variant="auto"))
    sized(12.5)
    assert not up_to_date.nothing_to_do(opened(), two, "auto")
    assert up_to_date.files(opened(), two, "tiny", "auto") is None


def test_without_a_network_only_what_is_here_is_chosen_among(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """The variant that is here is the answer though a larger one would fit; and no memo is made of that."""
    sized(64 * 1024)
    sync.sync(opened(), two)
    context = opened(CallOptions(offline=True))
    assert chosen_file(context, two) == "tiny-Q2_K.gguf"
    assert (
        path.files(opened(), "tiny", lambda: two, variant="auto", download=False).model.name
        == "tiny-Q2_K.gguf"
    )
    assert run.environment(opened(), two, Selection(variant="auto"))["MODELSYNC_PATH_TINY"].endswith(
        "tiny-Q2_K.gguf"
    )
    sync.sync(context, two, sync_options(variant="auto"))
    assert not up_to_date.nothing_to_do(opened(), two, "auto")
    assert chosen_file(opened(), two) == "tiny-Q8_0.gguf"


def test_a_hub_that_is_down_leaves_what_is_here(
    two: Project, place: Place, opened: Opened, sized: Sized
) -> None:
    """A larger variant whose header cannot be asked for is passed over, as long as another is here."""
    sized(64 * 1024)
    sync.sync(opened(), two)
    place.hub.misbehave(Status(404), where="cdn", times=None)
    place.hub.misbehave(Status(502), where="hub", times=None)
    context = opened()
    assert chosen_file(context, two) == "tiny-Q2_K.gguf"
    assert list(context.decided.values()) == [(None, False)]


def test_nothing_here_and_no_network_is_told(two: Project, place: Place, opened: Opened) -> None:
    """It names the sync that would choose."""
    from modelsync.ops import lock

    lock.lock(opened(), two)
    with pytest.raises(NotSyncedError) as caught:
        chosen_file(opened(CallOptions(offline=True)), two)
    assert caught.value.hint == "run `modelsync sync --variant auto`"


def test_auto_on_a_machine_that_tells_nothing_is_an_error(
    two: Project, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how to name one."""
    monkeypatch.setattr(devices, "memory", lambda: None)
    with pytest.raises(ModelsyncError, match="does not tell its memory"):
        sync.sync(opened(), two, sync_options(variant="auto"))
