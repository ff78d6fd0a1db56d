"""The folder of a project that files are linked into."""

import pytest

from modelsync.context import Context
from modelsync.errors import (
    RefusedError,
)
from modelsync.ops import sync
from tests.support.content import gguf
from tests.support.project import LINKED, REPO, Place, actions, sync_options


def test_files_are_linked_into_the_project(place: Place, context: Context) -> None:
    """`dir` has `<name>/<file>`, out of git's sight; what is wanted no more goes, and nothing else does."""
    project = place.write(LINKED + f'other = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    folder = place.folder / "models"
    assert (folder / "tiny/tiny-Q4_K_M.gguf").read_bytes() == gguf("q4")
    assert (folder / ".gitignore").read_text() == "*\n"
    (folder / "notes.txt").write_text("mine")
    (folder / "other/mine.gguf").write_text("mine")
    place.write(LINKED)
    report = sync.sync(context, project)
    assert actions(report) == [("other", "removed")]
    assert not (folder / "other/tiny-Q8_0.gguf").exists()
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "other/mine.gguf").read_text() == "mine"


@pytest.mark.parametrize("manifest", ['[modelsync]\ndir = "models"\n', LINKED.replace("Q4_K_M", "Q8_0")])
@pytest.mark.parametrize("replace", [False, True])
def test_a_folder_that_leads_out_of_the_project_is_refused(
    place: Place, context: Context, manifest: str, replace: bool
) -> None:
    """A repository whose `dir` is a link to another project's cannot have that one's files removed or replaced."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    theirs = place.folder.parent / "theirs/models"
    theirs.parent.mkdir()
    (place.folder / "models").rename(theirs)
    (place.folder / "models").symlink_to(theirs, target_is_directory=True)
    place.write(manifest)
    with pytest.raises(RefusedError, match="leads out of"):
        sync.sync(context, project, sync_options(replace=replace))
    assert (theirs / "tiny/tiny-Q4_K_M.gguf").read_bytes() == gguf("q4")
