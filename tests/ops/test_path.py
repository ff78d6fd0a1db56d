"""Where a model is: what `path()` and `list` answer, and that it is what the lock names."""

import os
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from modelsync.context import CallOptions, Context
from modelsync.errors import UsageError
from modelsync.fit import variants
from modelsync.ops import ensure, listing, lock, run, sync
from modelsync.ops.export import env, models
from modelsync.ops.options import Upgrade
from modelsync.project.selection import Selection
from modelsync.store import hashing, link_record
from tests.support.content import gguf
from tests.support.project import LINKED, MANIFEST, REPO, Opened, Place, sync_options


def test_another_version_of_the_same_size_is_not_the_model(place: Place, context: Context) -> None:
    """When the lock has moved on and no sync was run, the old link is not answered, whatever its size."""
    project = place.write(LINKED)
    sync.sync(context, project)
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("nw")})
    lock.lock(context, project, Upgrade(every_model=True))
    found = ensure.files(context, project, variants.find(context, project, "tiny"))
    assert found.model.read_bytes() == gguf("nw")


@pytest.mark.parametrize("recorded", [True, False])
def test_an_image_without_a_store_is_listed(
    place: Place, context: Context, store_root: Path, recorded: bool
) -> None:
    """What `path()` answers from the project's folder is here for `list` too, with or without the record of links."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    shutil.rmtree(store_root)
    if not recorded:
        (place.folder / "models/.modelsync.json").unlink()
    (row,) = listing.rows(context, project)
    assert (row.state, row.path) == ("here", place.folder / "models/tiny/tiny-Q4_K_M.gguf")


def test_names_that_would_share_a_variable_are_refused(place: Place, context: Context) -> None:
    """`run` and `export --to env` never tell a program one model's path under the name of another.

    Nor where the other is not among those that were chosen: the program may ask for it all the same.
    """
    project = place.write(f'[models]\n"a.b" = "hf:{REPO}:Q4_K_M"\na-b = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    for chosen in (Selection(), Selection(["a-b"])):
        with pytest.raises(UsageError, match=r"a\.b and a-b.*MODELSYNC_PATH_A_B"):
            run.environment(context, project, chosen)
        with pytest.raises(UsageError, match=r"a\.b and a-b.*MODELSYNC_PATH_A_B"):
            env.write(models.models(context, project, chosen), place.folder)


def test_a_drifted_blob_is_hashed_once(place: Place, context: Context, opened: Opened) -> None:
    """Offline too, a blob whose time changed is read once, then trusted again."""
    project = place.write(MANIFEST)
    sync.sync(context, project)
    (file,) = variants.find(context, project, "tiny").model.files
    os.utime(context.store.blob_path(file.sha256), (1, 1))
    offline = opened(CallOptions(offline=True))
    with pytest.MonkeyPatch.context() as patch:
        both_of = Mock(wraps=hashing.both_of)
        patch.setattr(hashing, "both_of", both_of)
        ensure.files(offline, project, variants.find(offline, project, "tiny"))
    assert both_of.call_count == 1


def test_the_record_of_links_is_read_once(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many models there are: the record tells of all of them."""
    project = place.write(LINKED + f'other = "hf:{REPO}:Q8_0"\nagain = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    owned = Mock(wraps=link_record.owned)
    monkeypatch.setattr(link_record, "owned", owned)
    assert len(listing.rows(context, project)) == 3
    assert owned.call_count == 1
    assert len(run.environment(context, project, Selection())) == 3
    assert owned.call_count == 2
