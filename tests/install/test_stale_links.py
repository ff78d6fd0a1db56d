"""Links that a project wants no more: removed where they are ours, left where they are not."""

import pytest

from modelsync.context import Context
from modelsync.errors import (
    DriftError,
)
from modelsync.ops import pull, sync
from modelsync.project import discovery
from modelsync.project.selection import Groups
from modelsync.store.links import LinkMode
from tests.support.content import gguf
from tests.support.project import LINKED, MANIFEST, REPO, Place, sync_options


@pytest.mark.parametrize("mode", ["auto", "copy", "symlink"])
def test_a_folder_that_the_manifest_names_no_more_is_cleared(
    place: Place, context: Context, mode: LinkMode
) -> None:
    """`dir` is another, or gone: what was linked into the old one goes, and nothing else does."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode=mode))
    old = place.folder / "models"
    (old / "notes.txt").write_text("mine")
    place.write(LINKED.replace('"models"', '"other"'))
    with pytest.raises(DriftError) as drift:
        sync.sync(context, project, sync_options(check=True))
    assert drift.value.message == "1 model is not in other/, 1 file is not wanted any more"
    report = sync.sync(context, project, sync_options(link_mode=mode))
    assert report.notes == ("models/ is not the manifest's dir any more: 1 removed from it",)
    assert [step.target for step in report.plan.of("unlink")] == ["models/tiny/tiny-Q4_K_M.gguf"]
    assert not (old / "tiny").exists()
    assert (old / "notes.txt").read_text() == "mine"
    new = place.folder / "other/tiny/tiny-Q4_K_M.gguf"
    assert new.read_bytes() == gguf("q4")
    place.write(MANIFEST)
    sync.sync(context, project, sync_options(link_mode=mode))
    assert not new.parent.exists()
    assert sync.sync(context, project).plan.steps == ()


def test_a_flag_a_part_and_a_change_of_yours_keep_the_old_folder(place: Place, context: Context) -> None:
    """`--dir`, names and `inexact` clear nothing; a file that was changed stays, and a note says so."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    old = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    place.write(MANIFEST)
    sync.sync(context, project, sync_options(directory=place.folder / "elsewhere"))
    sync.sync(context, project, sync_options(["tiny"]))
    sync.sync(context, project, sync_options(inexact=True))
    assert old.exists()
    old.write_text("mine now")
    (note,) = sync.sync(context, project).notes
    assert (
        note
        == "models/ is not the manifest's dir any more: 0 removed from it; 1 stay, they were changed since"
    )
    assert old.read_text() == "mine now"
    assert sync.sync(context, project).notes == ()
    assert (place.folder / "elsewhere/tiny/tiny-Q4_K_M.gguf").exists()


def test_an_old_folder_that_leads_out_of_the_project_is_left_alone(place: Place, context: Context) -> None:
    """A repository that puts a link in its place cannot have another project's files removed."""
    project = place.write(LINKED)
    sync.sync(context, project, sync_options(link_mode="copy"))
    theirs = place.folder.parent / "theirs/models"
    theirs.parent.mkdir()
    (place.folder / "models").rename(theirs)
    (place.folder / "models").symlink_to(theirs, target_is_directory=True)
    place.write(MANIFEST)
    sync.sync(context, project)
    assert (theirs / "tiny/tiny-Q4_K_M.gguf").is_file()


def test_a_part_of_a_sync_removes_nothing(place: Place, context: Context) -> None:
    """`inexact`, names and group flags keep links that this sync does not want."""
    project = place.write(LINKED + f'other = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    other = place.folder / "models/other/tiny-Q8_0.gguf"
    place.write(LINKED.replace("[models]", "[models]\n# gone: other"))
    sync.sync(context, project, sync_options(inexact=True))
    sync.sync(context, project, sync_options(["tiny"]))
    sync.sync(context, project, sync_options(groups=Groups(everything=True)))
    assert other.exists()
    sync.sync(context, project)
    assert not other.exists()


def test_what_was_found_stays_when_it_is_wanted_no_more(place: Place, context: Context) -> None:
    """A right file that was there before modelsync is never removed, and a note does not call it changed alone."""
    mine = place.folder / "models/tiny/tiny-Q4_K_M.gguf"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(gguf("q4"))
    project = place.write(LINKED)
    sync.sync(context, project)
    place.write('[modelsync]\ndir = "models"\n')
    assert any("did not put it there" in note for note in sync.sync(context, project).notes)
    assert mine.read_bytes() == gguf("q4")
    assert sync.sync(context, project).notes == ()


def test_a_folder_is_shared_with_a_pull_and_another_manifest(place: Place, context: Context) -> None:
    """A sync removes the links of its own manifest, and nobody else's that modelsync made in the same folder."""
    folder = place.folder / "models"
    pulled = pull.pull(context, [f"hf:{REPO}:Q8_0"], directory=folder).pulled[0].files.model
    project = place.write(LINKED + f'old = "hf:{REPO}:Q8_0"\n')
    sync.sync(context, project)
    place.write(LINKED)
    (place.folder / "models.dev.toml").write_text(
        f'[modelsync]\ndir = "models"\n[models]\ndev = "hf:{REPO}:Q8_0"\n'
    )
    sync.sync(context, discovery.find(manifest_path=place.folder / "models.dev.toml"))
    sync.sync(context, project)
    assert pulled.is_file()
    assert sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.gguf")) == [
        "dev/tiny-Q8_0.gguf",
        "tiny/tiny-Q4_K_M.gguf",
    ]
