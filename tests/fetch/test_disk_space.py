"""A disk that is too small is told before the first byte of a file is asked for."""

from collections.abc import Callable

import pytest

from modelsync.context import Context
from modelsync.errors import DiskFullError
from modelsync.fetch import batch
from modelsync.ops import pull, sync
from modelsync.store.links import LinkMode
from modelsync.system import disks as system_disks
from tests.support.content import gguf
from tests.support.project import REPO, Place, sync_options

BOTH = f'[models]\nsmall = "hf:{REPO}:Q4_K_M"\nlarge = "hf:{REPO}:Q8_0"\n'  # 3,000 and 5,000 bytes
Disks = Callable[[int, int], None]


@pytest.fixture
def disks(place: Place, monkeypatch: pytest.MonkeyPatch) -> Disks:
    """Makes the project's `models` folder be on a disk of its own.

    Says how much is free on the store's and on that, beside what always stays free.
    """
    folder = place.folder / "models"

    def make(free: int, there: int) -> None:
        monkeypatch.setattr(system_disks, "device", lambda path: 2 if path.is_relative_to(folder) else 1)
        monkeypatch.setattr(
            system_disks,
            "free_bytes",
            lambda path: system_disks.RESERVE + (there if path.is_relative_to(folder) else free),
        )

    return make


def files_asked(place: Place) -> int:
    return len(place.hub.seen("cdn"))


def test_files_that_are_fetched_one_after_the_other_count_together(
    place: Place, context: Context, disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are locked and fetched at once: of the model that does not fit beside the others, none is asked."""
    monkeypatch.setattr(batch, "BATCH", 1)
    project = place.write(BOTH)
    disks(7999, 0)
    with pytest.raises(DiskFullError, match=r"large: .*7\.8 KiB needed") as error:
        sync.sync(context, project)
    assert "cache prune" in str(error.value.hint)
    assert [seen.path.rpartition("/")[2] for seen in place.hub.seen("hub", match="*resolve*")] == [
        "tiny-Q4_K_M.gguf"
    ]
    assert files_asked(place) == 1
    disks(5000, 0)
    assert sync.sync(context, project).bytes_fetched == 5000


@pytest.mark.parametrize("mode", ["auto", "copy"])
def test_copies_on_another_disk_must_fit_there(
    place: Place, context: Context, disks: Disks, mode: LinkMode
) -> None:
    """The project's folder is on a disk that cannot take them: the network is not asked for what has no place."""
    project = place.write(f'[modelsync]\ndir = "models"\n{BOTH}')
    disks(10**6, 7999)
    with pytest.raises(DiskFullError, match=f"not enough space at {place.folder / 'models'}"):
        sync.sync(context, project, sync_options(link_mode=mode))
    assert files_asked(place) == 1  # of the one that has a place beside the other


def test_copies_beside_the_store_count_twice(place: Place, context: Context, disks: Disks) -> None:
    """With --link-mode copy both the blob and its copy are written."""
    project = place.write(BOTH)
    disks(15_999, 0)
    with pytest.raises(DiskFullError):
        sync.sync(context, project, sync_options(directory=place.folder / "here", link_mode="copy"))
    assert files_asked(place) == 1
    disks(10_000, 0)
    assert sync.sync(
        context, project, sync_options(directory=place.folder / "here", link_mode="copy")
    ).bytes_fetched


def test_links_take_no_room(place: Place, context: Context, disks: Disks) -> None:
    """On the store's own disk a file is there once."""
    disks(8000, 0)
    assert (
        sync.sync(context, place.write(BOTH), sync_options(directory=place.folder / "here")).bytes_fetched
        == 8000
    )


def test_a_pulls_plain_files_must_fit_too(place: Place, context: Context, disks: Disks) -> None:
    """`pull --dir` looks at both disks before it fetches."""
    disks(10**6, 2999)
    with pytest.raises(DiskFullError, match=r"2\.9 KiB needed"):
        pull.pull(context, [f"hf:{REPO}:Q4_K_M"], directory=place.folder / "models")
    assert files_asked(place) == 0


def test_what_stands_there_already_is_not_counted(place: Place, context: Context, disks: Disks) -> None:
    """A file of the right size in the folder may be the one that is wanted, and needs no copy."""
    project = place.write(f'[modelsync]\ndir = "models"\n[models]\nsmall = "hf:{REPO}:Q4_K_M"\n')
    there = place.folder / "models" / "small" / "tiny-Q4_K_M.gguf"
    there.parent.mkdir(parents=True)
    there.write_bytes(gguf("q4"))
    disks(3000, 0)
    assert sync.sync(context, project).bytes_reused == 3000
    assert files_asked(place) == 0
