"""Rows about container registries: a fresh one for every run, as Debian packages CNCF distribution."""

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.builds import Build
from bench.rows import REPO, GiB, Row, digest_of, installed, ours_on, source, synced, tool
from bench.serving import Serving
from bench.timing import Contender, Run, Setting
from tests.support.registries import Registry, registry

REPOSITORY = "bench/models"
SKOPEO, ORAS = "skopeo copy", "oras push"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = b"{}"
CONFIG_DIGEST = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
ORAS_PUSH = """\
import sys
import oras.client
client = oras.client.OrasClient(hostname=sys.argv[1], insecure=True)
client.push(target=f"{sys.argv[1]}/bench/models:oras", files=[sys.argv[2]], disable_path_validation=True)
"""


class Fresh:
    """A port on which there is a new registry with nothing in it whenever `renew` was called."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = contextlib.ExitStack()
        self._count = 0
        self.there: Registry | None = None
        self.host = ""

    def renew(self) -> None:
        """Ends the registry and starts another, at the same address."""
        self.close()
        port = int(self.host.rpartition(":")[2] or 0)
        self._count += 1
        place = self._folder / f"registry-{self._count}"
        self._running.callback(shutil.rmtree, place, ignore_errors=True)
        self.there = self._running.enter_context(registry(place, port=port))
        self.host = self.there.host

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


@contextlib.contextmanager
def _fresh(folder: Path) -> Iterator[Fresh]:
    fresh = Fresh(folder)
    fresh.renew()
    try:
        yield fresh
    finally:
        fresh.close()


def push(size: int, setting: Setting) -> dict[str, list[Run]]:
    """One file of `size` bytes, which is here, to an empty registry."""
    file = source(setting.place, size)
    digest = digest_of(file)
    with (
        tempfile.TemporaryDirectory(prefix="push-", dir=setting.place) as homes,
        Serving() as hub,
        _fresh(Path(homes)) as fresh,
    ):
        hub.offer(REPO, {"m.gguf": file})
        layout = _layout(Path(homes) / "layout", file, digest)

        def check(_: Path) -> None:
            fresh.has(digest, size)

        def ours(build: Build) -> Contender:
            home = Path(homes) / build.name
            synced(hub, build, home)
            target = f"oci://{fresh.host}/{REPOSITORY}"
            return ours_on(hub, build, check, "push", target)._replace(place=home)

        peers = [
            each._replace(prepare=lambda _: fresh.renew()) for each in _peers(fresh, layout, file, check)
        ]
        return setting.in_turn(
            [ours(build)._replace(prepare=lambda _: fresh.renew()) for build in setting.builds], peers
        )


def _peers(fresh: Fresh, layout: Path, file: Path, check: Callable[[Path], None]) -> Iterator[Contender]:
    if installed("skopeo"):
        there = f"docker://{fresh.host}/{REPOSITORY}:skopeo"
        words = ["copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", f"oci:{layout}:m", there]
        environment = {"HOME": "{folder}", "XDG_RUNTIME_DIR": "{folder}"}
        yield Contender(SKOPEO, lambda _: [tool("skopeo") or "", *words], check, environment)
    with contextlib.suppress(ImportError):
        import oras.client  # noqa: F401 - whether it is here

        command = [sys.executable, "-c", ORAS_PUSH, fresh.host, str(file)]
        yield Contender(ORAS, lambda _: command, check, {"HOME": "{folder}"})


def _layout(folder: Path, file: Path, digest: str) -> Path:
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


def rows() -> tuple[Row, ...]:
    """All of them; none where there is no registry to run."""
    if not installed("docker-registry"):
        return ()
    return (
        Row("push", "push of 1 GiB to an empty registry", partial(push, GiB), {SKOPEO: 1.05, ORAS: 1.05}),
    )
