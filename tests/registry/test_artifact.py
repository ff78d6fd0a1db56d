"""What models become in a registry: names, types, tars, limits. Pure."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.registry.artifact import file_paths, name_tag, raw_layers
from modelsync.registry.image import TarLayer, tar_layer, tar_size
from modelsync.registry.limits import limit_of
from modelsync.registry.modelpack import media_type
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.roles import Role


def file(path: str, role: Role = "model", size: int = 4) -> LockedFile:
    return LockedFile(role, path, size, hashlib.sha256(path.encode()).hexdigest())


def model(*files: LockedFile) -> LockedModel:
    return LockedModel("m", {"uri": "hf:u/m"}, files, "v")


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("Q4/m.gguf", "mmproj.gguf"), ("Q4/m.gguf", "mmproj.gguf")),
        (("m.gguf", "M.gguf"), ("m.gguf", "lora-1/M.gguf")),
        (("x", "x/y.gguf"), ("x", "y.gguf")),
    ],
)
def test_each_file_has_a_path_of_its_own(paths: tuple[str, str], expected: tuple[str, str]) -> None:
    """Its path in the repo; where two would be one place, or one the folder of another, as in a view."""
    assert file_paths(model(file(paths[0]), file(paths[1], "lora"))) == expected


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("model.safetensors", "weight"),
        ("LICENSE", "doc"),
        ("license.txt", "doc"),
        ("README.md", "doc"),
        ("tokenizer.json", "weight.config"),
        ("spiece.model", "weight.config"),
        ("modeling.py", "code"),
        ("pytorch_model.bin", "weight"),
    ],
)
def test_the_type_of_a_file(path: str, kind: str) -> None:
    """A license, a tokenizer, code and weights are told apart in a folder model; a GGUF file is a weight."""
    [layer] = raw_layers(model(file(path, "file")))
    assert media_type(layer) == f"application/vnd.cncf.model.{kind}.v1.raw"
    [layer] = raw_layers(model(file(path, "mmproj")))
    assert media_type(layer) == "application/vnd.cncf.model.weight.v1.raw"


def test_the_tag_of_a_variant() -> None:
    """Its name and the variant's."""
    assert name_tag(model()) == "m.v"


@given(
    st.binary(max_size=3000),
    st.sampled_from(["m.gguf", "Q4/m.gguf", "é/" + "x" * 120 + ".gguf"]),
    st.integers(1, 999),
)
def test_a_tar_is_one_that_others_read(data: bytes, path: str, piece: int) -> None:
    """Whatever the file and however it is read; it has no clock, no user, and the size that was said."""

    def layer() -> TarLayer:
        return TarLayer(path, io.BytesIO(data), len(data))

    whole = layer().read(1 << 20)
    parts = []
    reading = layer()
    while part := reading.read(piece):
        parts.append(part)
    made = b"".join(parts)
    assert made.startswith(whole)
    assert len(made) == tar_size(path, len(data)) == layer().seek(0, io.SEEK_END)
    with tarfile.open(fileobj=io.BytesIO(made)) as tar:
        members = tar.getmembers()
        assert [each.mtime for each in members] == [0] * len(members)
        assert {(each.uid, each.gid, each.uname, each.gname) for each in members} == {(0, 0, "", "")}
        assert [each.isdir() for each in members[:-1]] == [True] * (len(members) - 1)
        found = tar.extractfile(f"models/{path}")
        assert found is not None
        assert found.read() == data


def test_a_tar_of_more_than_8_gib_has_its_size(tmp_path: Path) -> None:
    """The old field for a size ends at 8 GiB; a sparse file of 9 is read back with its own size."""
    size = 9 * 2**30
    with TarLayer("m.gguf", io.BytesIO(), size) as layer:
        head = layer._head
    with tarfile.open(fileobj=io.BytesIO(head + bytes(1024))) as tar:
        folder, found = tar.next(), tar.next()
        assert folder is not None
        assert found is not None
        assert (found.name, found.size) == ("models/m.gguf", size)
    assert tar_size("m.gguf", size) == len(head) + size + 1024


def test_the_digest_of_a_layer(tmp_path: Path) -> None:
    """It is that of the bytes that are sent; a file that has become shorter is an error."""
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF")
    counted: list[int] = []
    made = tar_layer(file("m.gguf"), "m.gguf", path, counted.append)
    with TarLayer("m.gguf", path.open("rb"), 4) as layer:
        sent = b"".join(iter(lambda: layer.read(100), b""))
    assert made.digest == f"sha256:{hashlib.sha256(sent).hexdigest()}"
    assert made.size == sum(counted) == len(sent)
    with pytest.raises(OSError, match="shorter"):
        tar_layer(file("m.gguf", size=9), "m.gguf", path, counted.append)


@pytest.mark.parametrize(
    ("registry", "known"),
    [
        ("ghcr.io", True),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", True),
        ("public.ecr.aws", True),
        ("team.azurecr.io", True),
        ("ghcr.io.evil.example", False),
        ("r.example", False),
    ],
)
def test_limits_of_known_registries(registry: str, known: bool) -> None:
    """By the host, whole."""
    assert (limit_of(registry) is not None) is known
