"""Layers that real tools made, read into their files: images of umoci and skopeo, folders of oras, GNU tar's own."""

import io
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from modelsync.errors import NotFoundError
from modelsync.registry import unpack
from modelsync.registry.arrange import arranged, chosen
from modelsync.registry.contents import Contents, StoredFile
from modelsync.registry.manifests import config_of, contents
from tests.registry.makers import digest
from tests.support.content import gguf
from tests.support.registries import fetched, needs_registry, needs_skopeo, needs_umoci, registry

Blobs = Callable[[str], bytes]


def run(*words: str, folder: Path, **more: Any) -> None:
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stderr


def read(data: bytes, blobs: Blobs) -> Contents:
    """What a manifest holds, with its configuration."""
    config = config_of(data)
    return contents(data, "", blobs(config.digest) if config else None, "a/m", "v1")


def unpacked(found: Contents, blobs: Blobs) -> tuple[tuple[StoredFile, ...], Mapping[str, bytes]]:
    """Its files, those of tars too, as arranged; and their bytes by path."""
    data: dict[str, bytes] = {}
    layers = []
    for stored in found.files:
        files, removed = [stored] if not stored.packed else [], []
        for member in unpack.members(stored, io.BytesIO(blobs(stored.digest))) if stored.packed else ():
            if isinstance(member, unpack.PackedFile):
                data[member.path] = b"".join(member.chunks)
                own = digest(data[member.path])
                files.append(StoredFile(member.path, own, member.size, "file", False, stored.media_type))
            elif isinstance(member, unpack.Removed):
                removed.append(member)
        layers.append((files, removed))
        data |= {stored.path: blobs(stored.digest)} if not stored.packed else {}
    merged = (
        unpack.merged(layers) if found.format == "image" else [file for files, _ in layers for file in files]
    )
    return arranged(merged), data


def layout(folder: Path, tag: str) -> tuple[bytes, Blobs]:
    """The manifest of a tag in an OCI layout, and its blobs."""

    def blobs(name: str) -> bytes:
        return (folder / "blobs" / name.replace(":", "/")).read_bytes()

    index = json.loads((folder / "index.json").read_bytes())
    [entry] = [
        each
        for each in index["manifests"]
        if each.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag
    ]
    return blobs(entry["digest"]), blobs


@pytest.fixture
def modelcar(tmp_path: Path) -> Path:
    """An image by umoci: a model in one layer, another file in the next, and one that a third layer removes."""
    (tmp_path / "m-Q4_0.gguf").write_bytes(gguf("m"))
    (tmp_path / "config.json").write_bytes(b'{"a": 1}')
    umoci = ("umoci", "insert", "--rootless", "--image", "l:v1")
    run("umoci", "init", "--layout", "l", folder=tmp_path)
    run("umoci", "new", "--image", "l:v1", folder=tmp_path)
    run(*umoci, "m-Q4_0.gguf", "/models/m-Q4_0.gguf", folder=tmp_path)
    run(*umoci, "config.json", "/models/sub/config.json", folder=tmp_path)
    run(*umoci, "m-Q4_0.gguf", "/models/m-Q8_0.gguf", folder=tmp_path)
    run(*umoci, "config.json", "/etc/app.json", folder=tmp_path)
    run(*umoci, "--whiteout", "/models/m-Q8_0.gguf", folder=tmp_path)
    return tmp_path / "l"


@needs_umoci
def test_a_modelcar_of_umoci(modelcar: Path) -> None:
    """Gzip layers; what a later layer removes is gone, and what is elsewhere in the image was never there."""
    data, blobs = layout(modelcar, "v1")
    found = read(data, blobs)
    files, data_of = unpacked(found, blobs)
    assert found.format == "image"
    assert [(file.path, file.role) for file in files] == [
        ("m-Q4_0.gguf", "model"),
        ("sub/config.json", "file"),
    ]
    assert data_of["m-Q4_0.gguf"] == gguf("m")
    assert [file.path for file in chosen(files).files] == ["m-Q4_0.gguf"]


@needs_umoci
@needs_skopeo
def test_a_modelcar_that_skopeo_made_a_docker_image(modelcar: Path, tmp_path: Path) -> None:
    """The other manifest and the other types of layers, the same files."""
    run(
        *("skopeo", "--insecure-policy", "copy", "-q", "--format", "v2s2", "oci:l:v1", "dir:d"),
        folder=tmp_path,
    )

    def blobs(name: str) -> bytes:
        return (tmp_path / "d" / name.removeprefix("sha256:")).read_bytes()

    data = (tmp_path / "d" / "manifest.json").read_bytes()
    assert "docker" in json.loads(data)["mediaType"]
    files, data_of = unpacked(read(data, blobs), blobs)
    assert [file.path for file in files] == ["m-Q4_0.gguf", "sub/config.json"]
    assert data_of["m-Q4_0.gguf"] == gguf("m")


@needs_umoci
@needs_skopeo
def test_an_image_that_skopeo_made_zstd_is_told_before_it_is_fetched(modelcar: Path, tmp_path: Path) -> None:
    """By the types of its layers."""
    run(
        *("skopeo", "--insecure-policy", "copy", "-q", "--dest-compress-format", "zstd"),
        *("--dest-compress", "oci:l:v1", "dir:z"),
        folder=tmp_path,
    )
    data = (tmp_path / "z" / "manifest.json").read_bytes()
    if b"zstd" not in data:
        pytest.skip("this skopeo keeps gzip layers as they are")
    with pytest.raises(NotFoundError, match="Zstandard"):
        contents(data, "", None, "a/m", "v1")


@needs_registry
def test_a_folder_of_oras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one tar+gzip layer, whose files go below its title."""
    client = pytest.importorskip("oras.client")
    (tmp_path / "files" / "m" / "sub").mkdir(parents=True)
    (tmp_path / "files" / "m" / "m-Q4_0.gguf").write_bytes(gguf("m"))
    (tmp_path / "files" / "m" / "sub" / "a.json").write_bytes(b"{}")
    monkeypatch.chdir(tmp_path / "files")
    with registry(tmp_path / "registry") as running:
        made = client.OrasClient(hostname=running.host, insecure=True)
        made.push(target=f"{running.host}/a/m:v1", files=["m"], disable_path_validation=True)
        accept = "application/vnd.oci.image.manifest.v1+json"
        data = fetched(f"{running.url}/v2/a/m/manifests/v1", accept)

        def blobs(name: str) -> bytes:
            return running.blob(name).read_bytes()

        found = read(data, blobs)
        files, data_of = unpacked(found, blobs)
    assert (found.format, [file.packed for file in found.files]) == ("oras", [True])
    assert [file.path for file in files] == ["m/m-Q4_0.gguf", "m/sub/a.json"]
    assert data_of["m/m-Q4_0.gguf"] == gguf("m")


@pytest.mark.parametrize("form", ["gnu", "posix", "ustar", "v7"])
def test_what_gnu_tar_makes(tmp_path: Path, form: str) -> None:
    """In each of its formats, with folders, links and names up to the limit of the format."""
    deep = "a" * 60 + "/" + ("b" * 30 if form == "v7" else "c" * 90)
    (tmp_path / "in" / deep).parent.mkdir(parents=True)
    (tmp_path / "in" / deep).write_bytes(b"deep")
    (tmp_path / "in" / "m.gguf").write_bytes(gguf("m"))
    (tmp_path / "in" / "link.gguf").symlink_to("m.gguf")
    run("tar", f"--format={form}", "-cf", "t.tar", "-C", "in", ".", folder=tmp_path)
    stored = StoredFile("", digest("t"), 1, "file", True, "application/x-tar")
    found = list(unpack.members(stored, io.BytesIO((tmp_path / "t.tar").read_bytes())))
    assert sorted(each.path for each in found if isinstance(each, unpack.PackedFile)) == [deep, "m.gguf"]
    assert [each for each in found if isinstance(each, unpack.Skipped)] == [unpack.Skipped("link.gguf")]


def test_a_sparse_tar_of_gnu_is_refused(tmp_path: Path) -> None:
    """Its members are not their bytes."""
    with (tmp_path / "s").open("wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"x")
    run("tar", "-S", "--format=gnu", "-cf", "t.tar", "s", folder=tmp_path)
    stored = StoredFile("", digest("t"), 1, "file", True, "application/x-tar")
    data = (tmp_path / "t.tar").read_bytes()
    if len(data) > 1 << 19:
        pytest.skip("this file system has no holes")
    with pytest.raises(Exception, match="cannot be looked into"):
        list(unpack.members(stored, io.BytesIO(data)))
