"""What a path means: regular files, and those that belong together with them."""

import os
import socket
import sys
from pathlib import Path

import pytest

from modelsync.errors import NotFoundError, RefusedError, UsageError
from modelsync.sources import sources
from modelsync.sources.base import Found, Resolution
from modelsync.sources.request import resolve
from modelsync.spec.request import Request
from modelsync.spec.uri import FileUri, parse
from tests.support.source_calls import as_locked, model, names

SOURCES = sources(lambda: pytest.fail("the network was asked for a local file"))


def ask(folder: Path, path: str, **more: object) -> Resolution:
    return resolve(Request(parse(path).uri, **more), SOURCES, folder=folder)  # type: ignore[arg-type]


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(model(path))


def test_a_path_is_relative_to_the_manifest(tmp_path: Path) -> None:
    """The lock has the path as the manifest has it; its segment has this machine's."""
    write(tmp_path, "models/my model.gguf")
    (file,) = ask(tmp_path, "file:models/my model.gguf").files
    assert file == Found(
        "model", "my model.gguf", "file:models/my model.gguf", len(model("models/my model.gguf")), None
    )
    (segment,) = SOURCES[2].locate(as_locked(file), "", tmp_path)
    assert (segment.url, segment.size) == ((tmp_path / "models/my model.gguf").as_uri(), file.size)


def test_an_absolute_path_is_itself(tmp_path: Path) -> None:
    """An absolute path does not depend on the manifest's folder."""
    write(tmp_path, "m.gguf")
    (file,) = ask(tmp_path / "elsewhere", str(tmp_path / "m.gguf")).files
    (segment,) = SOURCES[2].locate(file, "", tmp_path / "elsewhere")
    assert segment.url == (tmp_path / "m.gguf").as_uri()


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    """A symbolic link to a regular file is taken, with the file's size and the link's name."""
    write(tmp_path, "real.gguf")
    (tmp_path / "link.gguf").symlink_to("real.gguf")
    (file,) = ask(tmp_path, "./link.gguf").files
    assert (file.path, file.size) == ("link.gguf", len(model("real.gguf")))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "device", "link to a device"])
def test_only_regular_files_are_taken(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would block, act or never end when it is read is refused, without being opened."""
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    path = Path("m.gguf")
    uri = "./m.gguf"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("m.gguf")
    elif kind == "device":
        uri = "file:/dev/zero"
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(RefusedError, match="regular file"):
        ask(tmp_path, uri)


def test_a_locked_path_is_looked_at_again(tmp_path: Path) -> None:
    """What has become of a locked path since is not followed into a pipe."""
    write(tmp_path, "m.gguf")
    (file,) = ask(tmp_path, "./m.gguf").files
    (tmp_path / "m.gguf").unlink()
    with pytest.raises(NotFoundError):
        SOURCES[2].locate(file, "", tmp_path)
    (tmp_path / "m.gguf").mkdir()
    with pytest.raises(RefusedError):
        SOURCES[2].locate(file, "", tmp_path)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    """A typing mistake is answered with what lies there."""
    write(tmp_path, "models/llama-Q4.gguf")
    with pytest.raises(NotFoundError) as caught:
        ask(tmp_path, "file:models/lama-Q4.gguf")
    assert "did you mean models/llama-Q4.gguf?" in (caught.value.hint or "")
    with pytest.raises(NotFoundError) as caught:
        ask(tmp_path, "file:nowhere/m.gguf")
    assert str(tmp_path) in (caught.value.hint or "")


def test_a_split_model_is_all_its_parts(tmp_path: Path) -> None:
    """All parts beside the named one are taken, in order; a missing one is named."""
    parts = [f"m-{n:05}-of-00003.gguf" for n in (1, 2, 3)]
    write(tmp_path, *(f"d/{part}" for part in parts))
    answer = ask(tmp_path, f"file:d/{parts[2]}")
    assert names(answer) == parts
    assert [file.url for file in answer.files] == [f"file:d/{part}" for part in parts]
    (tmp_path / "d" / parts[1]).unlink()
    with pytest.raises(NotFoundError, match="00002-of-00003"):
        ask(tmp_path, f"file:d/{parts[2]}")


def test_pieces_are_joined(tmp_path: Path) -> None:
    """Pieces become one file to be read; each keeps its own address."""
    write(tmp_path, "m.gguf.part1of2", "m.gguf.part2of2")
    (file,) = ask(tmp_path, "./m.gguf.part1of2").files
    assert (file.path, file.url, file.sha256) == ("m.gguf", None, None)
    assert [piece.url for piece in file.pieces] == ["file:m.gguf.part1of2", "file:m.gguf.part2of2"]
    assert len(SOURCES[2].locate(file, "", tmp_path)) == 2


def test_a_projector_beside_a_path_is_named(tmp_path: Path) -> None:
    """`mmproj = true` is for repos; for a path the projector has a path too."""
    write(tmp_path, "v-Q8_0.gguf", "mmproj-F16.gguf")
    with pytest.raises(UsageError, match="mmproj = true"):
        ask(tmp_path, "./v-Q8_0.gguf", mmproj=True)
    files = ask(tmp_path, "./v-Q8_0.gguf", mmproj=parse("./mmproj-F16.gguf")).files
    assert [(file.role, file.url) for file in files] == [
        ("model", "file:v-Q8_0.gguf"),
        ("mmproj", "file:mmproj-F16.gguf"),
    ]


def test_a_local_file_is_always_read_again(tmp_path: Path) -> None:
    """No size or time stands for a local file's bytes: an earlier lock does not spare reading it."""
    write(tmp_path, "m.gguf")
    (file,) = ask(tmp_path, "./m.gguf").files
    again = resolve(
        Request(FileUri("m.gguf")), SOURCES, folder=tmp_path, previous=[as_locked(file, "ab" * 32)]
    )
    assert again.files[0].sha256 is None
