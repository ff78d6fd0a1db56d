"""Pull: models by their URIs, without a manifest."""

import json
from pathlib import Path

import pytest

from modelsync.context import CallOptions, Context
from modelsync.errors import UsageError
from modelsync.ops import pull, pulled_files
from modelsync.store import leftovers
from tests.support.content import gguf, sha256
from tests.support.project import REPO, Opened, Place


def test_pull_without_a_manifest(place: Place, context: Context, tmp_path: Path) -> None:
    """URIs are fetched side by side, what is here is not; an update replaces what pull put there, and no more."""
    uri = f"hf:{REPO}:Q4_K_M"
    folder = tmp_path / "plain"
    report = pull.pull(context, [uri, f"hf:{REPO}:Q8_0"], directory=folder)
    target = folder / REPO / "tiny-Q4_K_M.gguf"
    assert report.bytes_fetched == 8000
    assert report.pulled[0].files.model == target
    assert target.read_bytes() == gguf("q4")
    again = pull.pull(context, [uri], directory=folder)
    assert (again.bytes_fetched, again.pulled[0].changed) == (0, False)
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")})
    (folder / REPO / "mine.gguf").write_text("mine")
    newer = pull.pull(context, [uri], directory=folder)
    assert (newer.bytes_fetched, newer.pulled[0].changed) == (3000, True)
    assert target.read_bytes() == gguf("new")
    assert (folder / REPO / "mine.gguf").read_text() == "mine"


def test_pull_remembers_for_when_there_is_no_network(place: Place, context: Context, opened: Opened) -> None:
    """A URI that was pulled answers offline; one that never was is an error."""
    uri = f"hf:{REPO}:Q4_K_M"
    pulled = pull.pull(context, [uri]).pulled[0].files
    place.hub.clear()
    assert pulled_files.files(opened(CallOptions(offline=True)), uri) == pulled
    assert pulled_files.files(context, uri) == pulled
    assert pull.pull(opened(CallOptions(offline=True)), [uri]).pulled[0].files == pulled
    assert place.hub.seen() == []
    with pytest.raises(Exception, match="never pulled"):
        pulled_files.files(opened(CallOptions(offline=True)), f"hf:{REPO}:Q8_0")


def test_pull_names_one_file(place: Place, context: Context, tmp_path: Path) -> None:
    """`filename` names the one file in the folder; it needs one, and one URI."""
    uri = f"hf:{REPO}:Q4_K_M"
    report = pull.pull(context, [uri], directory=tmp_path / "out", filename="model.gguf")
    assert report.pulled[0].files.model == tmp_path / "out/model.gguf"
    with pytest.raises(UsageError):
        pull.pull(context, [uri], filename="model.gguf")
    with pytest.raises(UsageError):
        pull.pull(context, [uri, f"hf:{REPO}:Q8_0"], directory=tmp_path, filename="model.gguf")


def test_two_files_never_get_one_place(place: Place, context: Context, tmp_path: Path) -> None:
    """Two URIs whose files would overwrite each other in the folder are refused before a byte is fetched."""
    place.repo.commit({"Tiny-Q4_K_M.gguf": gguf("another")})
    old, new = f"hf:{REPO}/tiny-Q4_K_M.gguf", f"hf:{REPO}/Tiny-Q4_K_M.gguf"
    with pytest.raises(UsageError, match=r"(?i)tiny-Q4_K_M\.gguf"):
        pull.pull(context, [old, new], directory=tmp_path / "plain")
    names = [f"big-Q5_K_M-0000{number}-of-00002.gguf" for number in (1, 2)]
    place.repo.commit({name: gguf(name) for name in names})
    with pytest.raises(UsageError, match="filename"):
        pull.pull(context, [f"hf:{REPO}:Q5_K_M"], directory=tmp_path / "plain", filename="one.gguf")
    assert place.hub.seen("cdn") == []
    assert len(pull.pull(context, [old, new]).pulled) == 2  # in the store each has its own


def test_each_revision_has_a_folder_of_its_own(place: Place, context: Context, tmp_path: Path) -> None:
    """With a revision the files are at `<user>/<repo>@<revision>/`, so two versions are there side by side."""
    folder, uri = tmp_path / "plain", f"hf:{REPO}/tiny-Q4_K_M.gguf"
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("new")}, branch="refs/pr/1")
    both = pull.pull(context, [uri, f"{uri}#refs/pr/1"], directory=folder)
    there = [folder / REPO / "tiny-Q4_K_M.gguf", folder / f"{REPO}@refs/pr/1" / "tiny-Q4_K_M.gguf"]
    assert [one.files.model for one in both.pulled] == there
    assert [path.read_bytes() for path in there] == [gguf("q4"), gguf("new")]
    assert not any(one.changed for one in pull.pull(context, [uri], directory=folder).pulled)


@pytest.mark.parametrize(
    ("page", "uri"),
    [
        ("", ":Q4_K_M"),
        (":Q8_0", ":Q8_0"),
        ("/blob/main/tiny-Q8_0.gguf", "/tiny-Q8_0.gguf"),
        ("/resolve/main/tiny-Q8_0.gguf?download=true", "/tiny-Q8_0.gguf"),
        ("/resolve/{commit}/tiny-Q8_0.gguf", "/tiny-Q8_0.gguf#{commit}"),
        ("/tree/main", ":Q4_K_M"),
    ],
)
def test_pages_of_the_hub_that_is_asked_are_uris_of_it(
    place: Place, context: Context, page: str, uri: str
) -> None:
    """`pull $HF_ENDPOINT/user/model`, and the pages of its files, mean what `hf:` URIs mean."""
    page, uri = (text.format(commit=place.commit) for text in (page, uri))
    url = f"{place.hub.endpoint}/{REPO}{page}"
    (found,) = pull.pull(context, [url]).pulled
    (same,) = pull.pull(context, [f"hf:{REPO}{uri}"]).pulled
    assert found.uri.startswith(f"hf:{REPO}")
    assert found.files == same.files
    assert pulled_files.files(context, url) == found.files


def test_each_uri_has_its_answer(place: Place, context: Context) -> None:
    """The report is in the order of the URIs, one for each, also where two say the same."""
    uris = [f"hf:{REPO}:{quant}" for quant in ("Q8_0", "Q4_K_M", "Q8_0")]
    assert [one.uri for one in pull.pull(context, uris).pulled] == uris


def test_a_relative_path_is_of_the_folder_it_was_pulled_in(
    place: Place, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same relative path means another file in another folder, and is remembered so."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.gguf").write_bytes(gguf(name))
        monkeypatch.chdir(tmp_path / name)
        assert pulled_files.files(context, "./model.gguf").model.read_bytes() == gguf(name)
    (tmp_path / "two/model.gguf").unlink()
    assert pulled_files.files(context, "./model.gguf").model.read_bytes() == gguf("two")


def test_a_link_that_came_with_a_repository_is_not_taken_for_the_file(
    place: Place, context: Context, tmp_path: Path
) -> None:
    """A link to another file of the blob's name, and a record that vouches for it: pull puts the right file there."""
    folder, digest = tmp_path / "plain", sha256(gguf("q4"))
    target = folder / REPO / "tiny-Q4_K_M.gguf"
    evil = tmp_path / "evil" / digest
    evil.parent.mkdir()
    evil.write_bytes(b"GGUF evil")
    target.parent.mkdir(parents=True)
    target.symlink_to(evil)
    record = {"sha256": digest, "size": len(gguf("q4")), "mtime_ns": 1, "mode": "symlink"}
    (folder / ".modelsync.json").write_text(json.dumps({"files": {f"{REPO}/tiny-Q4_K_M.gguf": record}}))
    for changed in (True, False):
        (pulled,) = pull.pull(context, [f"hf:{REPO}:Q4_K_M"], directory=folder).pulled
        assert pulled.changed is changed
        assert target.read_bytes() == gguf("q4")
    assert evil.read_bytes() == b"GGUF evil"


def test_what_a_killed_pull_left_goes_with_a_later_one(
    place: Place, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-made copy is removed once it is old, though there is nothing to link; one that may be in use stays."""
    folder = tmp_path / "plain"
    pull.pull(context, [f"hf:{REPO}:Q4_K_M"], directory=folder)
    left = folder / ".modelsync-0123456789abcdef.tmp"
    left.write_text("half")
    for stays in (True, False):
        assert not pull.pull(context, [f"hf:{REPO}:Q4_K_M"], directory=folder).pulled[0].changed
        assert left.exists() is stays
        monkeypatch.setattr(leftovers, "_DAY", -1e9)  # it is old
