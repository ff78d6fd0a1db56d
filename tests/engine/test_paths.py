"""Where a model is: what `path()` and `list` answer, and that it is what the lock names."""

import shutil
from pathlib import Path

import pytest

from modelsync.engine import listing, locking, paths, syncing
from modelsync.engine.context import Context
from tests.engine.conftest import REPO, Place, gguf

LINKED = f'[modelsync]\ndir = "models"\n[models]\ntiny = "hf:{REPO}:Q4_K_M"\n'


def test_another_version_of_the_same_size_is_not_the_model(place: Place, context: Context) -> None:
    """When the lock has moved on and no sync was run, the old link is not answered, whatever its size."""
    project = place.write(LINKED)
    syncing.sync(context, project)
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("nw")})
    locking.lock(context, project, upgrade=True)
    found = paths.files(context, project, paths.find(context, project, "tiny"))
    assert found.model.read_bytes() == gguf("nw")


@pytest.mark.parametrize("recorded", [True, False])
def test_an_image_without_a_store_is_listed(
    place: Place, context: Context, store_root: Path, recorded: bool
) -> None:
    """What `path()` answers from the project's folder is here for `list` too, with or without the record of links."""
    project = place.write(LINKED)
    syncing.sync(context, project, link_mode="copy")
    shutil.rmtree(store_root)
    if not recorded:
        (place.folder / "models/.modelsync.json").unlink()
    (row,) = listing.rows(context, project)
    assert (row.state, row.path) == ("here", place.folder / "models/tiny/tiny-Q4_K_M.gguf")
