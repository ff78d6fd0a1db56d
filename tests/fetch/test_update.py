"""An update costs what changed: bytes and requests are counted, and the file is right whatever happens."""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.context import Context
from modelsync.errors import CancelledError, DiskFullError, HashMismatchError, NetworkError, NotAModelError
from modelsync.fetch import delta
from modelsync.install import report as install_report
from modelsync.net.retry import TRIES
from modelsync.ops import pull, sync
from modelsync.store import blobs
from modelsync.transfer.copy_source import CopySources
from modelsync.transfer.progress import Event
from modelsync.transfer.scheduler import Scheduler
from tests.hub import Corrupt, Cut, Drop, Fault, Hub, IgnoreRange, Replaced, Request, Slow, Status
from tests.support.content import damage, sha256
from tests.support.project import Opened, Place, sync_options
from tests.support.units import KiB, MiB
from tests.support.waiting import wait_until
from tests.support.weight_files import Weights, gguf_of, large, weights

MANIFEST = '[models]\nbig = "hf:user/big-GGUF:Q8_0"\n'
NAME = "big-Q8_0.gguf"
TEMPLATE = {"tokenizer.chat_template": "{{ old }}", "vocabulary": "word " * 100_000}  # 0.5 MB of header
NEW_TEMPLATE = {**TEMPLATE, "tokenizer.chat_template": "{{ new and longer }}" * 20}


def update(
    place: Place, context: Context, old: bytes, new: bytes, manifest: str = MANIFEST
) -> install_report.SyncReport:
    """Syncs one version, then the next; what the hub saw is what the second one asked."""
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: old})
    project = place.write(manifest)
    sync.sync(context, project)
    repo.commit({NAME: new})
    place.hub.clear()
    report = sync.sync(context, project, sync_options(upgrade=True))
    blob = blobs.find(context.store, sha256(new), len(new))
    assert blob is not None
    assert blob.read_bytes() == new
    assert report.bytes_fetched == came(place.hub)
    assert report.bytes_fetched + report.bytes_reused >= len(new)
    return report


def came(hub: Hub) -> int:
    """Bytes of files that the hub has sent."""
    return sum(request.sent for request in hub.seen("cdn"))


def test_new_metadata_costs_the_header_and_two_per_cent(place: Place, context: Context) -> None:
    """300 tensors, 64 MiB: another chat template."""
    old, new = gguf_of(large(), TEMPLATE), gguf_of(large(), NEW_TEMPLATE)
    report = update(place, context, old, new)
    header = len(new) - sum(len(tensor.data) for tensor in large().values())
    assert came(place.hub) <= header + len(new) // 50
    assert report.bytes_reused >= len(new) - header - len(new) // 50
    assert len(place.hub.seen("cdn")) <= 2 + 300


def test_one_new_tensor_costs_itself_the_header_and_three_per_cent(place: Place, context: Context) -> None:
    """One of 300, and the template with it."""
    tensors = {**large(), "output.weight": weights("another", 12_000)}
    new = gguf_of(tensors, NEW_TEMPLATE)
    update(place, context, gguf_of(large(), TEMPLATE), new)
    header = len(new) - sum(len(tensor.data) for tensor in tensors.values())
    assert came(place.hub) <= header + len(tensors["output.weight"].data) + 3 * len(new) // 100


def test_when_all_has_changed_it_costs_the_file_and_one_per_cent(place: Place, context: Context) -> None:
    """A new imatrix: all quantized tensors are others, the norms are not."""
    changed = {name: large()[name] if "norm" in name else tensor for name, tensor in large(1).items()}
    new = gguf_of(changed, TEMPLATE)
    update(place, context, gguf_of(large(), TEMPLATE), new)
    assert came(place.hub) <= 1.01 * len(new)
    kept = sum(
        "norm" in name for name in changed
    )  # each splits a range, where it is copied before it is asked for
    assert len(place.hub.seen("cdn")) <= 7 + 2 * len(new) // (8 * MiB) + 8 + kept


def test_a_first_download_asks_for_nothing_more(place: Place, context: Context) -> None:
    """No older file: no header is read, and no candidate's either."""
    new = gguf_of(large(), TEMPLATE)
    place.hub.repo("user/big-GGUF").commit({NAME: new})
    sync.sync(context, place.write(MANIFEST))
    assert came(place.hub) == len(new)
    assert len(place.hub.seen("hub", "*/resolve/*")) == 1


def small(count: int = 12, seed: int = 0) -> dict[str, Weights]:
    """A model that is just large enough to be looked at: 12 tensors of 1 MB."""
    return {f"blk.{n}.w": weights(f"{seed} {n}", 3900 + n) for n in range(count)}


def test_a_small_model_is_fetched_plainly(place: Place, context: Context) -> None:
    """Under 8 MiB in common nothing is looked at."""
    update(place, context, gguf_of(small(6)), gguf_of(small(6), NEW_TEMPLATE))
    assert came(place.hub) >= len(gguf_of(small(6)))


def test_another_commit_of_the_same_bytes_costs_nothing(place: Place, context: Context) -> None:
    """Back and forth between two versions: the second time both are here."""
    one, two = gguf_of(small(), TEMPLATE), gguf_of(small(), NEW_TEMPLATE)
    update(place, context, one, two)
    repo = place.hub.repo("user/big-GGUF")
    for data in (one, two, one):
        repo.commit({NAME: data})
        place.hub.clear()
        report = sync.sync(context, place.project, sync_options(upgrade=True))
        assert [change.action for change in report.changes] == ["updated"]
        assert (came(place.hub), report.bytes_fetched) == (0, 0)
        assert report.bytes_reused == len(data)


def test_a_tensor_may_have_moved_to_another_part(place: Place, context: Context) -> None:
    """A split model is cut again, into more parts: what each part has is found in any part of the old one."""
    tensors = list(small(30).items())

    def cut(sizes: list[int], template: Mapping[str, str]) -> dict[str, bytes]:
        parts, start = {}, 0
        for number, size in enumerate(sizes, 1):
            name = f"big-Q8_0-{number:05d}-of-{len(sizes):05d}.gguf"
            parts[name] = gguf_of(dict(tensors[start : start + size]), template if number == 1 else {})
            start += size
        return parts

    repo = place.hub.repo("user/big-GGUF")
    repo.commit(cut([15, 15], TEMPLATE))
    project = place.write(MANIFEST)
    sync.sync(context, project)
    new = cut([9, 12, 9], NEW_TEMPLATE)
    repo.commit({**dict.fromkeys(cut([15, 15], TEMPLATE), None), **new})
    place.hub.clear()
    sync.sync(context, project, sync_options(upgrade=True))
    for data in new.values():
        assert blobs.find(context.store, sha256(data), len(data)) is not None
    assert came(place.hub) <= 600 * KiB + 3 * 80 * KiB + sum(map(len, new.values())) // 50


def test_another_repos_copy_is_worth_a_look(place: Place, context: Context, opened: Opened) -> None:
    """The same quant under another name, by someone else, with another template."""
    place.hub.repo("user/first-GGUF").commit({"first.gguf": gguf_of(small(), TEMPLATE)})
    new = gguf_of(small(), NEW_TEMPLATE)
    place.hub.repo("other/second-GGUF").commit({"second.gguf": new})
    pull.pull(context, ["hf:user/first-GGUF/first.gguf"])
    place.hub.clear()
    report = pull.pull(context, ["hf:other/second-GGUF/second.gguf"])
    assert came(place.hub) == report.bytes_fetched < len(new) // 10
    assert report.bytes_reused > 9 * len(new) // 10


def test_a_store_that_only_is_read_gives_too(
    place: Place, context: Context, opened: Opened, store_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image's older model, and a writable store that has nothing."""
    old, new = gguf_of(small(), TEMPLATE), gguf_of(small(), NEW_TEMPLATE)
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: old})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    baked = store_root.rename(store_root.parent / "baked")
    monkeypatch.setenv("MODELSYNC_READONLY_STORES", str(baked))
    repo.commit({NAME: new})
    place.hub.clear()
    report = sync.sync(opened(), project, sync_options(upgrade=True))
    assert came(place.hub) == report.bytes_fetched < len(new) // 10


def test_a_rotten_older_blob_costs_traffic_and_nothing_else(place: Place, context: Context) -> None:
    """A bit flipped under the same size and time: what was copied is fetched again, and that is told."""
    old, new = gguf_of(small(), TEMPLATE), gguf_of(small(), NEW_TEMPLATE)
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: old})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    blob = blobs.find(context.store, sha256(old))
    assert blob is not None
    damage(blob, len(old) - 300_000)
    repo.commit({NAME: new})
    place.hub.clear()
    report = sync.sync(context, project, sync_options(upgrade=True))
    found = blobs.find(context.store, sha256(new))
    assert found is not None
    assert found.read_bytes() == new
    assert came(place.hub) <= 1.01 * len(new)
    assert any("copied from another file" in note for note in report.notes)
    assert any("may be damaged" in note for note in report.notes)
    assert blobs.state(context.store, sha256(old)) == "suspect"


def test_an_older_blob_that_was_doubted_for_nothing_is_found_good(place: Place, context: Context) -> None:
    """A byte that no look saw is another one in the new version: going back hashes the old one and fetches nothing."""
    old = gguf_of(small(), TEMPLATE)
    new = bytearray(gguf_of(small(), NEW_TEMPLATE))
    new[-300_000] ^= 4
    update(place, context, old, bytes(new))
    place.hub.repo("user/big-GGUF").commit({NAME: old})
    place.hub.clear()
    report = sync.sync(context, place.project, sync_options(upgrade=True))
    assert (came(place.hub), report.bytes_reused) == (0, len(old))
    assert blobs.find(context.store, sha256(old)) is not None


def test_a_hub_that_lies_about_the_sha256_publishes_nothing(place: Place, context: Context) -> None:
    """It names one file and serves another of the same size: twice over the network, refused, the old one kept."""
    old, new = gguf_of(small(), TEMPLATE), gguf_of(small(), NEW_TEMPLATE)
    served = gguf_of({**small(), "blk.3.w": weights("other", 3903)}, NEW_TEMPLATE)
    assert len(served) == len(new)
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: old})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    repo.commit({NAME: new})
    place.hub.misbehave(Replaced(served), times=None)
    place.hub.clear()
    with pytest.raises(HashMismatchError, match="came from http"):
        sync.sync(context, project, sync_options(upgrade=True))
    assert came(place.hub) <= 2.01 * len(served)
    assert blobs.find(context.store, sha256(new)) is None
    assert blobs.find(context.store, sha256(old)) is not None
    place.hub.behave()
    sync.sync(context, project)
    assert blobs.find(context.store, sha256(new)) is not None


def test_a_cdn_that_changes_the_file_between_look_and_fetch_publishes_nothing(
    place: Place, context: Context
) -> None:
    """The looks are answered with the right bytes, what has to be fetched with others."""
    old = gguf_of(small(), TEMPLATE)
    new = gguf_of({**small(), "blk.3.w": weights("new", 3903)}, NEW_TEMPLATE)
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: old})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    repo.commit({NAME: new})

    def is_large(request: Request) -> bool:
        first, _, last = request.headers.get("range", "").removeprefix("bytes=").partition("-")
        return first not in ("", "0") and bool(last) and int(last) - int(first) > 100 * KiB

    place.hub.misbehave(Replaced(random.Random(5).randbytes(len(new))), times=None, when=is_large)
    with pytest.raises(HashMismatchError):
        sync.sync(context, project, sync_options(upgrade=True))
    assert blobs.find(context.store, sha256(new)) is None
    place.hub.behave()
    sync.sync(context, project)
    assert blobs.find(context.store, sha256(new)) is not None


def test_no_room_for_both_is_told_before_anything_is_asked(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one stays, no byte of a file is asked for."""
    repo = place.hub.repo("user/big-GGUF")
    old = gguf_of(small(), TEMPLATE)
    repo.commit({NAME: old})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    repo.commit({NAME: gguf_of(small(), NEW_TEMPLATE)})
    place.hub.clear()
    monkeypatch.setattr("modelsync.system.disks.free_bytes", lambda _: MiB)
    with pytest.raises(DiskFullError, match="not enough space"):
        sync.sync(context, project, sync_options(upgrade=True))
    assert came(place.hub) == 0
    assert blobs.find(context.store, sha256(old)) is not None


@pytest.mark.parametrize("fault", [Status(503), Drop(), Cut(200 * KiB), Cut(540 * KiB, reset=True)], ids=str)
def test_a_broken_connection_does_not_make_an_update_cost_the_file(
    place: Place, context: Context, fault: Fault
) -> None:
    """The first answer fails, before the header, in it or behind it: it is asked for again, and the rest is copied."""
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: gguf_of(small(), TEMPLATE)})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    new = gguf_of(small(), NEW_TEMPLATE)
    repo.commit({NAME: new})
    place.hub.clear()
    place.hub.misbehave(fault)
    report = sync.sync(context, project, sync_options(upgrade=True))
    assert blobs.find(context.store, sha256(new)) is not None
    assert came(place.hub) <= 2 * 600 * KiB + len(new) // 50
    assert report.bytes_reused > 9 * len(new) // 10


def test_a_source_that_is_down_is_told_and_not_asked_for_the_whole_file(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many tries as for any bytes, then the network's error; the next sync is an update as ever."""
    monkeypatch.setattr("modelsync.net.retry.FIRST_WAIT", 0.001)
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: gguf_of(small(), TEMPLATE)})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    new = gguf_of(small(), NEW_TEMPLATE)
    repo.commit({NAME: new})
    place.hub.clear()
    place.hub.misbehave(Status(503), times=None)
    with pytest.raises(NetworkError):
        sync.sync(context, project, sync_options(upgrade=True))
    assert len(place.hub.seen("cdn")) == TRIES
    place.hub.behave()
    place.hub.clear()
    sync.sync(context, project)
    assert blobs.find(context.store, sha256(new)) is not None
    assert came(place.hub) <= 600 * KiB + len(new) // 50


@pytest.mark.parametrize("fault", [Status(404), IgnoreRange(), Corrupt(30), Corrupt(9)], ids=str)
def test_a_header_that_cannot_be_had_means_the_plain_way(
    place: Place, context: Context, fault: Fault
) -> None:
    """An error, the whole instead of a part, a header that makes no sense: the file is fetched all the same."""
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: gguf_of(small(), TEMPLATE)})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    new = gguf_of(small(), NEW_TEMPLATE)
    repo.commit({NAME: new})
    place.hub.misbehave(fault)
    sync.sync(context, project, sync_options(upgrade=True))
    assert blobs.find(context.store, sha256(new)) is not None


def test_what_is_no_gguf_is_refused_as_ever(place: Place, context: Context) -> None:
    """A page of the right size where an update should be: told as what it is."""
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: gguf_of(small(), TEMPLATE)})
    project = place.write(MANIFEST)
    sync.sync(context, project)
    repo.commit({NAME: b"<html>" + bytes(12 * MiB)})
    with pytest.raises(NotAModelError):
        sync.sync(context, project, sync_options(upgrade=True))


def test_progress_tells_copied_bytes_apart(place: Place, opened: Opened) -> None:
    """A listener sees them as here, and as not fetched."""
    events: list[Event] = []
    context = opened(listener=events.append)
    new = gguf_of(small(), NEW_TEMPLATE)
    report = update(place, context, gguf_of(small(), TEMPLATE), new)
    last = [event for event in events if event.phase == "done"][-1]
    assert last.done == len(new)
    assert last.reused == report.bytes_reused


def break_off(place: Place, context: Context, uri: str) -> None:
    """Pulls from a slow hub until some MiB are here."""

    def stop(event: Event) -> None:
        if event.done > 4 * MiB:
            context.cancel.set()

    place.hub.misbehave(Slow(8 * MiB), times=None)
    context.telling.listener = stop
    with pytest.raises(CancelledError):
        pull.pull(context, [uri])


def test_what_an_interrupted_update_left_is_used_from_any_url(place: Place, opened: Opened) -> None:
    """Begun from one repo, cut off for good; another repo has the same bytes: they are not fetched twice."""
    data = gguf_of(small(), TEMPLATE)
    place.hub.repo("user/one-GGUF").commit({"one.gguf": data})
    place.hub.repo("user/two-GGUF").commit({"two.gguf": data})
    break_off(place, opened(), "hf:user/one-GGUF/one.gguf")
    place.hub.behave()
    place.hub.clear()
    report = pull.pull(opened(), ["hf:user/two-GGUF/two.gguf"])
    assert came(place.hub) == report.bytes_fetched < len(data) - 4 * MiB
    assert report.bytes_reused > 4 * MiB


def test_a_pinned_direct_url_takes_up_what_a_repo_had_begun(place: Place, opened: Opened) -> None:
    """The mirror of a hub that went away in the middle."""
    data = gguf_of(small(), TEMPLATE)
    place.hub.repo("user/one-GGUF").commit({"one.gguf": data})
    break_off(place, opened(), "hf:user/one-GGUF/one.gguf")
    place.hub.clear()
    url = place.hub.file("/direct.gguf", data)
    project = place.write(f'[models.big]\nuri = "{url}"\nsha256 = "{sha256(data)}"\n')
    context = opened()
    sync.sync(context, project)
    assert blobs.find(context.store, sha256(data)) is not None
    assert sum(request.sent for request in place.hub.seen("plain")) < len(data) - 4 * MiB


def test_an_interrupted_update_goes_on_where_it_was(
    place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied stays, the header is not read again, and nothing is looked at twice."""
    old, new = gguf_of(small(), TEMPLATE), gguf_of(small(), NEW_TEMPLATE)
    repo = place.hub.repo("user/big-GGUF")
    repo.commit({NAME: old})
    project = place.write(MANIFEST)
    sync.sync(opened(), project)
    repo.commit({NAME: new})
    context = opened()
    copy, calls = CopySources.copy, 0
    runs: list[Scheduler] = []
    start = Scheduler.start

    def begin(run: Scheduler) -> None:
        runs.append(run)
        start(run)

    def stop(*arguments: object) -> int:
        nonlocal calls
        calls += 1
        if calls > 8:
            context.cancel.set()
            wait_until(lambda: runs[0].stopped)
        return copy(*arguments)  # type: ignore[arg-type]

    place.hub.clear()
    with monkeypatch.context() as patch:
        patch.setattr(CopySources, "copy", stop)
        patch.setattr(Scheduler, "start", begin)
        with pytest.raises(CancelledError):
            sync.sync(context, project, sync_options(upgrade=True))
    report = sync.sync(opened(), project)
    assert blobs.find(context.store, sha256(new)) is not None
    assert report.bytes_reused > 9 * len(new) // 10
    assert came(place.hub) <= 600 * KiB + 128 * KiB + len(new) // 50


MOST = settings().max_examples // 2  # each is two syncs
names = st.sampled_from([f"t{n}" for n in range(7)])
versions = st.dictionaries(names, st.tuples(st.integers(0, 1), st.integers(1, 90)), min_size=1, max_size=7)


@settings(max_examples=MOST, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    versions,
    st.sets(names, max_size=3),
    versions,
    st.randoms(use_true_random=False),
    st.sampled_from([8, 32, 64, 256]),
    st.sampled_from([8, 32, 64, 256]),
    st.dictionaries(st.text("ab", min_size=1, max_size=3), st.text(max_size=20), max_size=4),
    st.dictionaries(st.text("ab", min_size=1, max_size=3), st.text(max_size=20), max_size=4),
)
def test_whatever_two_versions_have_in_common_the_new_one_is_right_and_that_is_not_fetched(
    hub: Hub,
    tmp_path: Path,
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    before: dict[str, tuple[int, int]],
    removed: set[str],
    added: dict[str, tuple[int, int]],
    order: random.Random,
    alignment: int,
    new_alignment: int,
    keys: dict[str, str],
    new_keys: dict[str, str],
) -> None:
    """Shared tensors in another order, at another alignment, under other keys: equal bytes, and few of them fetched."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setattr(delta, "LEAST", 1)
    store = tmp_path / f"{order.getrandbits(60):x}"
    monkeypatch.setenv("MODELSYNC_STORE", str(store))

    def tensors(version: dict[str, tuple[int, int]]) -> dict[str, Weights]:
        made = {name: weights((name, kind, rows), 8 * rows + kind) for name, (kind, rows) in version.items()}
        shuffled = order.sample(sorted(made), len(made))
        return {name: made[name] for name in shuffled}

    after = {**added, **{name: what for name, what in before.items() if name not in removed}}
    old_tensors, new_tensors = tensors(before), tensors(after)
    old, new = gguf_of(old_tensors, keys, alignment), gguf_of(new_tensors, new_keys, new_alignment)
    repo = hub.repo("user/any-GGUF")
    one, two = repo.commit({"any.gguf": old}), repo.commit({"any.gguf": new, "x": store.name.encode()})
    context = opened()
    pull.pull(context, [f"hf:user/any-GGUF/any.gguf#{one}"])
    hub.clear()
    pull.pull(context, [f"hf:user/any-GGUF/any.gguf#{two}"])
    blob = blobs.find(context.store, sha256(new))
    assert blob is not None
    assert blob.read_bytes() == new
    shared = sum(len(tensor.data) for name, tensor in new_tensors.items() if old_tensors.get(name) == tensor)
    looks = len(new_tensors) * (512 + 2 * len(new) // 128)
    padding = len(new_tensors) * new_alignment
    slack = 64 * KiB + len(old)  # of the header
    assert came(hub) <= max(len(new) - shared, 0) + looks + padding + min(slack, len(new))
