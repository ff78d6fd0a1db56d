"""Files out of tar layers: places, what is left out, what is refused, and that memory and counts are bounded. Pure."""

import contextlib
import gzip
import io
import tarfile
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import ModelsyncError, NotFoundError, RefusedError
from modelsync.registry.contents import StoredFile
from modelsync.registry.image import TarLayer
from modelsync.registry.unpack import PackedFile, Removed, Skipped, members, merged
from tests.registry.makers import digest

Tar = Callable[..., bytes]


def layer(path: str = "", inside: str = "") -> StoredFile:
    return StoredFile(path, digest("layer"), 1, "file", True, "application/x-tar", inside)


def tarred(*entries: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of files, and of whatever else is given as it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                tar.addfile(info, io.BytesIO(entry[1]))
    return buffer.getvalue()


def other(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def files(data: bytes, stored: StoredFile | None = None) -> dict[str, bytes]:
    """The files of a layer with their bytes."""
    return {
        each.path: b"".join(each.chunks)
        for each in members(stored or layer(), io.BytesIO(data))
        if isinstance(each, PackedFile)
    }


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_files_come_out_as_they_went_in(form: int, pack: Callable[[bytes], bytes]) -> None:
    """Long names of pax and GNU, empty files, folders and sizes around a block."""
    wanted = {f"{'d' * 90}/{'é' * 80}/m{size}.gguf": b"x" * size for size in (0, 1, 511, 512, 513, 70_000)}
    folder = other("dir/", tarfile.DIRTYPE)
    assert files(pack(tarred(folder, *wanted.items(), form=form))) == wanted


def test_a_long_name_of_posix_is_whole() -> None:
    """It begins in a field of its own."""
    wanted = {f"{'d' * 100}/{'m' * 90}.gguf": b"GGUF"}
    assert files(tarred(*wanted.items(), form=tarfile.USTAR_FORMAT)) == wanted


@given(st.binary(max_size=2000), st.integers(1, 700), st.booleans())
def test_a_reader_may_give_as_little_as_it_likes(data: bytes, piece: int, packed: bool) -> None:
    """And it is read to its end, so that the blob can be hashed."""
    whole = tarred(("a", data), ("b/c", data[::-1])) + bytes(99)

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, piece))

    reader = Slow(gzip.compress(whole) if packed else whole)
    found = {
        each.path: b"".join(each.chunks) for each in members(layer(), reader) if isinstance(each, PackedFile)
    }
    assert found == {"a": data, "b/c": data[::-1]}
    assert reader.read(1) == b""


def test_bytes_that_are_not_wanted_are_passed_over() -> None:
    """Whoever takes a name alone, or a part of a file, gets the next one."""
    reader = io.BytesIO(tarred(("a", b"x" * 3_000_000), ("b", b"y" * 5), ("c", b"z")))
    found = []
    for each in members(layer(), reader):
        assert isinstance(each, PackedFile)
        found.append((each.path, each.size, next(each.chunks)[:1] if each.path != "b" else b""))
    assert found == [("a", 3_000_000, b"x"), ("b", 5, b""), ("c", 1, b"z")]


def test_gzip_may_be_of_several_members() -> None:
    """As pigz and eStargz write it, with padding behind it."""
    data = tarred(("a", b"x" * 1000), ("b", b"y"))
    parts = gzip.compress(data[:700]) + gzip.compress(data[700:]) + bytes(512)
    assert files(parts) == {"a": b"x" * 1000, "b": b"y"}


def test_an_image_has_its_model_below_a_folder() -> None:
    """Other files of it are no part of the model, whatever they are called; a removal is told."""
    data = tarred(
        ("etc/passwd", b"x"),
        ("../escape", b"x"),
        other("dev/null", tarfile.CHRTYPE),
        ("./models/m.gguf", b"GGUF"),
        ("/models/sub/a.json", b"{}"),
        ("modelsx/y", b"x"),
        ("models/.wh.old.gguf", b""),
        ("models/sub/.wh..wh..opq", b""),
        ("etc/.wh.models", b""),
        other("models/model.file", tarfile.SYMTYPE, "m.gguf"),
    )
    found = list(members(layer(inside="models"), io.BytesIO(data)))
    assert [each.path for each in found if isinstance(each, PackedFile)] == ["m.gguf", "sub/a.json"]
    assert [each for each in found if not isinstance(each, PackedFile)] == [
        Removed("old.gguf"),
        Removed("sub"),
        Skipped("model.file"),
    ]
    for name in (".wh.models", "models/.wh..wh..opq"):
        assert list(members(layer(inside="models"), io.BytesIO(tarred((name, b""))))) == [Removed("")]


def test_an_image_of_ours_is_read() -> None:
    """What push makes."""
    data = TarLayer("Q4/m.gguf", io.BytesIO(b"GGUF" * 300), 1200).readall()
    assert files(data, layer(inside="models")) == {"Q4/m.gguf": b"GGUF" * 300}


@pytest.mark.parametrize("name", ["a/docs/x.md", "docs/x.md", "x.md", "./x.md"])
def test_a_folder_of_oras_goes_to_its_title(name: str) -> None:
    """Whether names in it begin with the folder's whole path, its last part, or neither."""
    assert list(files(tarred((name, b"x")), layer("a/docs"))) == ["a/docs/x.md"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_left_out(kind: bytes) -> None:
    """They are told, and nothing is made of them."""
    data = tarred(other("a", kind, "/etc/passwd"), ("b", b"x"))
    first, second = members(layer(), io.BytesIO(data))
    assert first == Skipped("a")
    assert second.path == "b"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\x", "a\x1bx", "nul", "C:x", "x" * 300])
def test_names_that_leave_are_refused(name: str) -> None:
    """Of plain tars, of folders, and below the folder of an image; of links too."""
    for stored, path in ((layer(), name), (layer("docs"), name), (layer(inside="models"), f"models/{name}")):
        if stored.inside and name == "/x":
            continue  # a doubled slash, which is no way out
        for entry in ((path, b"x"), other(path, tarfile.SYMTYPE, "y")):
            with pytest.raises(RefusedError, match="is refused"):
                files(tarred(entry), stored)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x" * 2000, "should be a tar"),
        (b"GGUF" + bytes(2000), "should be a tar"),
        (tarred(("a", b"x" * 2000))[:1500], "ends in the middle"),
        (gzip.compress(tarred(("a", bytes(range(256)) * 400)))[:-60], "ends in the middle|damaged"),
        (gzip.compress(b"no tar" * 200), "damaged tar"),
        (tarred(other("a", b"S")), "of a kind that cannot be looked into"),
    ],
    ids=["text", "gguf", "cut", "cut gzip", "no tar", "sparse"],
)
def test_a_broken_layer_is_refused(data: bytes, words: str) -> None:
    """In words, whatever is wrong with it."""
    with pytest.raises(RefusedError, match=words):
        files(data)


def test_what_unpacks_to_far_more_is_refused() -> None:
    """Whether the bytes are of a file or behind the last one that is wanted."""
    bomb = gzip.compress(tarred(("a", bytes(72 << 20))))
    for stored in (layer(), layer(inside="models")):
        with pytest.raises(RefusedError, match="far more than its size"):
            files(bomb, stored)


def test_what_is_compressed_otherwise_is_told() -> None:
    """By its first bytes, whatever its type says."""
    with pytest.raises(NotFoundError, match="Zstandard"):
        files(b"\x28\xb5\x2f\xfd" + bytes(600))


def test_files_are_counted() -> None:
    """At most as many as a model may have; those of an image that are elsewhere do not count."""
    many = tarred(*((f"f/{number}", b"") for number in range(10_001)))
    with pytest.raises(RefusedError, match="more than 10000 files"):
        files(many)
    assert files(many, layer(inside="models")) == {}


@given(st.binary(max_size=600), st.integers(0, 3), st.integers(0, 2000), st.booleans())
def test_any_bytes_give_files_or_an_error_of_ours(data: bytes, form: int, at: int, packed: bool) -> None:
    """Damage anywhere in a tar, or none at all: never another exception."""
    whole = bytearray(tarred(("a" * 120, b"x" * 700), ("b", b""), other("c", tarfile.SYMTYPE, "a")))
    whole[at : at + len(data)] = data
    damaged = bytes(whole) if form else data
    for stored in (layer(), layer("d"), layer(inside="models")):
        with contextlib.suppress(ModelsyncError):
            files(gzip.compress(damaged) if packed else damaged, stored)


def put(*paths: str, mark: str = "") -> Sequence[StoredFile]:
    return [StoredFile(path, digest(path + mark), 1, "file", False, "x") for path in paths]


def test_later_layers_of_an_image_win() -> None:
    """They replace a path, remove one or a folder, and turn one into the other; the layer's own files stay."""
    found = merged(
        [
            (put("a", "b", "c/d", "c/e", "f", "g/h"), ()),
            (put("a", mark="2"), (Removed("b"), Removed("c"))),
            (put("c/new", "f/x", "g"), ()),
        ]
    )
    assert sorted(file.path for file in found) == ["a", "c/new", "f/x", "g"]
    assert next(file.digest for file in found if file.path == "a") == digest("a2")
    assert merged([(put("a", "b/c"), ()), (put("z"), (Removed(""),))]) == tuple(put("z"))
