"""Finding wanted bytes in other tools' caches: by digest, else by name and size; nothing there is changed."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelsync.caches import huggingface, lm_studio
from modelsync.caches.home import Home
from modelsync.caches.model import Candidate
from modelsync.caches.neighbours import GUESSES, Neighbours, all_caches
from tests.support import neighbours as made
from tests.support.neighbours import BUILDERS, Wanted, put, snapshot

WANTED = Wanted(b"GGUF" + b"tiny" * 50)


def found(home: Path, wanted: Wanted = WANTED, *extra: Path, **variables: str) -> tuple[Candidate, ...]:
    """What all caches of that home have."""
    return Neighbours(all_caches(Home(home, variables), extra)).find(wanted.sought)


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_each_tools_cache_gives_its_file(build: Callable[[Path, Wanted], Path], home: Path) -> None:
    """Where a tool has the file, as that tool lays it out, it is found, and nothing is changed."""
    file = build(home, WANTED)
    before = snapshot(home)
    assert [candidate.path for candidate in found(home)] == [file]
    assert snapshot(home) == before


@pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)
def test_only_caches_that_rename_lend_their_files(build: Callable[[Path, Wanted], Path], home: Path) -> None:
    """A file gets one more name only where its tool never writes into one: the others may change under us."""
    build(home, WANTED._replace(data=WANTED.data * 10_000))
    (candidate,) = found(home, WANTED._replace(data=WANTED.data * 10_000))
    renamed = {"hugging_face", "unlinked_hugging_face", "ollama", "docker", "ramalama"}
    assert candidate.linkable is (build.__name__ in renamed)


def test_a_small_file_of_ramalama_is_copied(home: Path) -> None:
    """RamaLama writes chat templates in place."""
    made.ramalama(home, WANTED)
    assert [candidate.linkable for candidate in found(home)] == [False]


def test_a_file_of_another_user_is_not_linked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns a file may write to it."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no owners of files")
    made.ollama(home, WANTED)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert [candidate.linkable for candidate in found(home)] == [False]


def test_a_small_file_of_a_hub_is_found_by_its_git_id(home: Path) -> None:
    """What is no LFS file has the id of its git object as its etag."""
    wanted = Wanted(b'{"architectures": []}', "config.json", "org/model")
    blob = made.hugging_face(home, wanted, etag=wanted.git_id)
    assert [candidate.path for candidate in found(home, wanted)] == [blob]


def test_a_digest_is_found_in_any_repo_and_the_own_one_comes_first(home: Path) -> None:
    """The same quant is published under several names."""
    other = made.hugging_face(home, WANTED._replace(repo="a-copy/of-it"))
    own = made.hugging_face(home, WANTED)
    assert [candidate.path for candidate in found(home)] == [own, other]


def test_a_cache_is_listed_once_for_all_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder model of many files costs one listing of each repo, not one look a file and repo."""
    for number in range(5):
        made.hugging_face(home, Wanted(f"{number}".encode(), repo=f"user/{number}"))
    neighbours = Neighbours(all_caches(Home(home, {})))
    neighbours.find(Wanted(b"0", repo="user/0").sought)

    def listed_again(*_: object) -> None:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", listed_again)
        patched.setattr(os, "scandir", listed_again)
        for number in range(5):
            wanted = Wanted(f"{number}".encode(), repo=f"user/{number}")
            assert [found.path.name for found in neighbours.find(wanted.sought)] == [wanted.sha256]
            assert neighbours.find(Wanted(f"other {number}".encode()).sought) == ()


def test_the_store_that_all_repos_share_is_reached_through_two_links(home: Path) -> None:
    """A repo's blob may be a link into the shared store, whose names are no digests."""
    hub = home / ".cache" / "huggingface" / "hub"
    shared = put(hub / "blobs" / "ab" / ("ab" * 32), WANTED.data, 0o444)
    blob = made.repo_folder(hub, WANTED.repo) / "blobs" / WANTED.sha256
    blob.parent.mkdir(parents=True)
    blob.symlink_to(Path("..") / ".." / "blobs" / "ab" / shared.name)
    assert [candidate.path for candidate in found(home)] == [shared]


def test_without_links_a_tree_tells_the_digest_of_a_file_under_any_name(home: Path) -> None:
    """`trees/<commit>.json` has the sha256 of each large file."""
    wanted = WANTED._replace(path="sub/renamed.gguf", repo="another/repo")
    file = made.unlinked_hugging_face(home, wanted)
    tree = {
        "format_version": 1,
        "files": {wanted.path: {"size": 1, "blob_id": "", "lfs_sha256": wanted.sha256}},
    }
    put(file.parents[3] / "trees" / f"{'c' * 40}.json", json.dumps(tree).encode())
    assert [candidate.path for candidate in found(home)] == [file]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"files": []}', '{"files": {"../../x": {"lfs_sha256": "%s"}}}', "{"]
)
def test_a_tree_without_sense_is_passed_over(text: str, home: Path) -> None:
    """A tree is a file of another program: of any shape, and its paths are data."""
    file = made.unlinked_hugging_face(home, WANTED._replace(repo="another/repo", path="x.gguf"))
    put(file.parents[2] / "trees" / f"{'c' * 40}.json", text.replace("%s", WANTED.sha256).encode())
    put(file.parents[2] / "x", WANTED.data)
    assert found(home) == ()


def test_what_hf_download_put_into_a_folder_is_found_by_its_notes(home: Path, tmp_path: Path) -> None:
    """`--local-dir` keeps the etag of each file beside it; the file may have got another name since."""
    file = put(tmp_path / "models" / "sub" / "other.gguf", WANTED.data)
    note = tmp_path / "models" / ".cache" / "huggingface" / "download" / "sub" / "other.gguf.metadata"
    put(note, f"{'c' * 40}\n{WANTED.sha256}\n1700000000.5\n".encode())
    assert [candidate.path for candidate in found(home, WANTED, tmp_path / "models")] == [file]


def test_a_users_folder_gives_files_by_name_and_size(home: Path, tmp_path: Path) -> None:
    """`extra-caches` has any layout; another name, or another size, is another file."""
    file = put(tmp_path / "a" / "b" / WANTED.path, WANTED.data)
    put(tmp_path / "a" / "c" / WANTED.path, WANTED.data + b"more")
    put(tmp_path / "a" / "d" / "another.gguf", WANTED.data)
    assert [candidate.path for candidate in found(home, WANTED, tmp_path)] == [file]


@pytest.mark.parametrize(
    "build", [made.hugging_face, made.ollama, made.docker], ids=lambda build: build.__name__
)
@pytest.mark.parametrize("above", [0, 1])
def test_a_cache_that_was_moved_is_found_by_its_layout(
    build: Callable[[Path, Wanted], Path], above: int, home: Path, tmp_path: Path
) -> None:
    """As other programs' `cache_dir` is, or a disk with Ollama's models: by digest, under names that tell nothing."""
    file = build(tmp_path / "disk", WANTED)
    inner = "models--user--tiny-GGUF" if build is made.hugging_face else "blobs"
    root = next(path for path in file.parents if path.name == inner).parent
    if build is made.ollama:
        (root / "manifests").mkdir()
    folder = root.parent if above else root
    assert [one.path for one in found(home, WANTED._replace(path="other.gguf"), folder)] == [file]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_the_first_versions_of_ollama_had_other_names(home: Path) -> None:
    """A colon in the place of the dash."""
    file = made.ollama(home, WANTED)
    old = file.rename(file.with_name(file.name.replace("-", ":")))
    assert [one.path for one in found(home)] == [old]


def test_few_guesses_are_hashed(home: Path, tmp_path: Path) -> None:
    """A thousand files of one name and size are not all read."""
    for number in range(GUESSES + 3):
        put(tmp_path / str(number) / WANTED.path, WANTED.data)
    assert len(found(home, WANTED, tmp_path)) == GUESSES


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "~/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HF_HOME": "~/hf"}, "~/hf/hub"),
        ({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"),
        ({"HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "/new"}, "/new"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="paths of this form")
def test_variables_say_where_the_hugging_face_cache_is(
    variables: dict[str, str], expected: str, home: Path
) -> None:
    """They mean what they mean to the hub's own tools."""
    assert huggingface.hub_folder(Home(home, variables)) == Path(expected.replace("~", str(home)))


def test_lm_studio_says_where_its_models_are(home: Path, tmp_path: Path) -> None:
    """By its pointer, and by the folder in its settings."""
    put(home / ".lmstudio-home-pointer", f"{tmp_path / 'studio'}\n".encode())
    assert lm_studio.folder(Home(home, {})) == tmp_path / "studio" / "models"
    put(
        tmp_path / "studio" / "settings.json", json.dumps({"downloadsFolder": str(tmp_path / "big")}).encode()
    )
    assert lm_studio.folder(Home(home, {})) == tmp_path / "big"


def rejected(home: Path) -> tuple[tuple[Candidate, ...], list[str]]:
    """What is found, and what is said of the rest."""
    said: list[str] = []
    return Neighbours(all_caches(Home(home, {})), said.append).find(WANTED.sought), said


def test_a_link_in_a_circle_out_or_nowhere_is_passed_over_with_a_word(home: Path, tmp_path: Path) -> None:
    """A neighbour's links are data: none makes a search endless, or leads out of the cache."""
    for where, words in (
        ("circle", "its links lead in a circle"),
        (str(put(tmp_path / "elsewhere", WANTED.data)), "it leads out of Ollama's store"),
        ("nowhere", "it leads nowhere"),
    ):
        blob = home / ".ollama" / "models" / "blobs" / f"sha256-{WANTED.sha256}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.unlink(missing_ok=True)
        blob.symlink_to(blob.name if where == "circle" else where)
        candidates, said = rejected(home)
        assert candidates == ()
        assert [words in line for line in said] == [True], said


def test_what_is_not_finished_or_no_file_is_passed_over(home: Path) -> None:
    """A preallocated `-partial` has the whole size, and an `.incomplete` may lie under a link."""
    blobs = home / ".ollama" / "models" / "blobs"
    put(blobs / f"sha256-{WANTED.sha256}-partial", bytes(len(WANTED.data)))
    assert rejected(home) == ((), [])
    (blobs / f"sha256-{WANTED.sha256}").symlink_to(f"sha256-{WANTED.sha256}-partial")
    assert rejected(home)[0] == ()
    (blobs / f"sha256-{WANTED.sha256}").unlink()
    (blobs / f"sha256-{WANTED.sha256}").mkdir()
    candidates, (said,) = rejected(home)
    assert candidates == ()
    assert "no regular file" in said
    put(home / ".lmstudio" / "models" / WANTED.repo / f"downloading_{WANTED.path}.part", WANTED.data)
    assert rejected(home)[0] == ()


def test_no_home_and_no_caches_find_nothing() -> None:
    """A user without a home, as in many containers."""
    assert [cache for cache in all_caches(Home(None, {})) if not cache.root.is_absolute()] == []
    assert Neighbours(()).find(WANTED.sought) == ()
