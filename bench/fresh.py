"""A container registry for every run, as Debian packages CNCF distribution, and what other clients push to one."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.rows import MiB, digest_of
from tests.support.registries import Registry, registry

REPOSITORY = "bench/models"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = b"{}"
CONFIG_DIGEST = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def target(host: str) -> str:
    """What modelsync calls the repository."""
    return f"oci://{host}/{REPOSITORY}"


class Fresh:
    """A port on which there is a new registry whenever `renew` was called.

    Attributes:
        host: `127.0.0.1:port`, the same for all of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = contextlib.ExitStack()
        self._count = 0
        self.there: Registry | None = None
        self.host = ""

    def renew(self, seed: Path | None = None) -> Registry:
        """Ends the registry and starts another, at the same address.

        Args:
            seed: What is in it: a folder that `keep` made. None: nothing.
        """
        self.close()
        port = int(self.host.rpartition(":")[2] or 0)
        self._count += 1
        place = self._folder / f"registry-{self._count}"
        self._running.callback(shutil.rmtree, place, ignore_errors=True)
        if seed is not None:
            shutil.copytree(seed, place / "root", copy_function=_link_or_copy)
        self.there = self._running.enter_context(registry(place, port=port))
        self.host = self.there.host
        return self.there

    def keep(self, name: str) -> Path:
        """Ends the registry, and keeps what is in it."""
        assert self.there is not None
        kept = self._folder / name
        self.there.root.rename(kept)
        self.close()
        return kept

    def close(self) -> None:
        """Ends it."""
        self._running.close()
        self._running = contextlib.ExitStack()

    def has(self, digest: str, size: int) -> None:
        """Raises unless it was given that blob, byte by byte."""
        assert self.there is not None
        path = self.there.blob(f"sha256:{digest}")
        if path.stat().st_size != size or digest_of(path) != digest:
            raise RuntimeError("the registry has something else")


def _link_or_copy(source: str, target: str) -> None:
    """A large file gets one more name; a small one is copied, for a registry writes into those."""
    if Path(source).stat().st_size > MiB:
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


@contextlib.contextmanager
def fresh_registry(folder: Path) -> Iterator[Fresh]:
    """One with nothing in it, and more of them at the same address."""
    fresh = Fresh(folder)
    fresh.renew()
    try:
        yield fresh
    finally:
        fresh.close()


def image_layout(folder: Path, file: Path, digest: str) -> Path:
    """A file as an OCI image layout, which skopeo copies."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    os.link(file, blobs / digest)
    (blobs / CONFIG_DIGEST).write_bytes(CONFIG)
    layer = {
        "mediaType": "application/octet-stream",
        "digest": f"sha256:{digest}",
        "size": file.stat().st_size,
    }
    kind = "application/vnd.oci.empty.v1+json"
    config = {"mediaType": kind, "digest": f"sha256:{CONFIG_DIGEST}", "size": len(CONFIG)}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    data = json.dumps(manifest).encode()
    (folder / "manifest").write_bytes(data)
    name = digest_of(folder / "manifest")
    (folder / "manifest").rename(blobs / name)
    entry = {
        "mediaType": MANIFEST,
        "digest": f"sha256:{name}",
        "size": len(data),
        "annotations": {"org.opencontainers.image.ref.name": "m"},
    }
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder
