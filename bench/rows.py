"""The rows of the table: what is downloaded, how, by whom, and what modelsync may take of each one's time."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.builds import Build
from bench.serving import Serving
from bench.timing import Contender, Run, Setting, timed

GiB = 2**30
MiB = 2**20
REPO = "bench/models"
SMALL_FILES = 200
SMALL = 4 * MiB
CAP = 40_000_000  # bytes a second
LATENCY = 0.1  # seconds from a question to its answer
SNAPSHOT_LATENCY = 0.05  # the same, for a snapshot of a repo
SNAPSHOT_LARGE = 4  # files beside the small ones
TINY = 4096  # bytes
TINY_FILES = 2000
PARTS = 1000  # of one model: older builds take no more

ONE_STREAM = """\
import httpx2, ssl, sys
trusted = ssl.create_default_context(cafile=sys.argv[2] or None)
with httpx2.Client(verify=trusted) as client, client.stream("GET", sys.argv[1]) as answer, open("m.gguf", "wb") as file:
    for data in answer.iter_raw():
        file.write(data)
"""
BLAKE3 = """\
import sys
from blake3 import blake3
digest = blake3(max_threads=blake3.AUTO)
digest.update_mmap(sys.argv[1])
print(digest.hexdigest())
"""

INSTALL = {
    "hf": "pip install huggingface_hub",
    "httpx2": "pip install httpx2",
    "curl": "apt install curl",
    "aria2c": "apt install aria2",
    "node-llama-cpp": "make node, or npm install node-llama-cpp and NODE_LLAMA_CPP=its command",
    "openssl": "apt install openssl",
    "b3sum": "apt install b3sum (in its place: the blake3 package over mmap, all cores)",
    "skopeo": "apt install skopeo",
    "docker-registry": "apt install docker-registry (without it there is no row of a registry)",
    "nginx": "apt install nginx-light (in its place: the test suite's hub in Python)",
}


class Row(NamedTuple):
    """One piece of work.

    Attributes:
        key: For `--row`.
        title: What it is.
        measure: Does it in a setting; the runs of each contender.
        bounds: The most that modelsync may take of a contender's time.
        whole: Bytes of the files, where it counts how many of them go over the line; else 0.
        share: The most of those that may go to modelsync, or from it.
    """

    key: str
    title: str
    measure: Callable[[Setting], dict[str, list[Run]]]
    bounds: Mapping[str, float]
    whole: int = 0
    share: float | None = None


def installed(name: str) -> bool:
    """Whether a contender is here."""
    if name == "httpx2":
        from importlib.util import find_spec

        return find_spec("httpx2") is not None
    return tool(name) is not None


def tool(name: str) -> str | None:
    """The command that a contender is run by."""
    if name == "node-llama-cpp" and os.environ.get("NODE_LLAMA_CPP"):
        return os.environ["NODE_LLAMA_CPP"]
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


def source(place: Path, size: int, name: str = "m.gguf", seed: int = 0) -> Path:
    """A file of `size` bytes that begins like a GGUF file and repeats nowhere; made once in `place`."""
    path = place / f"{size}-{seed}-{name}"
    if not path.exists():
        with path.open("wb") as file:
            file.write(b"GGUF" + seed.to_bytes(4, "little"))
            left = size - 8
            while left:
                left -= file.write(os.urandom(min(left, MiB)))
    return path


# --- who ---------------------------------------------------------------------------------------------


def same(digests: Mapping[str, int], folder: Path) -> None:
    """Every file that was asked for is somewhere in `folder`, byte by byte."""
    found: dict[str, int] = {}
    sizes = set(digests.values())
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size in sizes:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[digest] = path.stat().st_size
    missing = set(digests) - set(found)
    if missing:
        raise RuntimeError(f"{len(missing)} of {len(digests)} files are not there, or not right")


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ours_on(hub: Serving, build: Build, check: Callable[[Path], None], *words: str) -> Contender:
    environment = {
        "HF_ENDPOINT": hub.endpoint,
        "MODELSYNC_STORE": "{folder}/store",
        "HOME": "{folder}",
        **build.environment,
    }
    if hub.trusted:
        environment["SSL_CERT_FILE"] = str(hub.trusted)
    return Contender(build.name, lambda _: [*build.command, "-q", *words], check, environment)


def _peers(hub: Serving, file: Path, check: Callable[[Path], None], *names: str) -> Iterator[Contender]:
    """Those of the named contenders that are here, downloading one file; all but hf and node from the CDN itself."""
    url, trusted = hub.address(file), str(hub.trusted or "")
    aria2c = [tool("aria2c") or "", "-q", "--file-allocation=none", "-o", "m.gguf"]
    if trusted:
        aria2c.append(f"--ca-certificate={trusted}")
    curl = [tool("curl") or "", "-sS", "--fail", "-o", "m.gguf", *(["--cacert", trusted] if trusted else [])]
    hub_environment = {
        "HOME": "{folder}",
        "HF_HOME": "{folder}/hf",
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "MODEL_ENDPOINT": hub.endpoint + "/",
        **({"SSL_CERT_FILE": trusted} if trusted else {}),
    }
    node = ["pull", "--noProgress", "--directory", "models", f"hf:{REPO}/m.gguf"]
    commands: dict[str, tuple[list[str], Mapping[str, str]]] = {
        "hf download": ([tool("hf") or "", "download", "--quiet", REPO, "m.gguf"], hub_environment),
        "curl -o": ([*curl, url], {}),
        "httpx2, one stream": ([sys.executable, "-c", ONE_STREAM, url, trusted], {}),
        "Python, bare": ([sys.executable, str(Path(__file__).with_name("bare.py")), url, trusted], {}),
        "aria2c -x4": ([*aria2c, "-x4", "-s4", url], {}),
        "aria2c -x16": ([*aria2c, "-x16", "-s16", url], {}),
        "node-llama-cpp pull": ([tool("node-llama-cpp") or "", *node], hub_environment),
    }
    for name in names:
        if name == "Python, bare" or installed(name.split(",")[0].split(" ")[0]):
            command, environment = commands[name]
            yield Contender(name, lambda _, command=command: command, check, environment)  # type: ignore[misc]


# --- what --------------------------------------------------------------------------------------------


def _one_file(
    names: Sequence[str],
    setting: Setting,
    *,
    tls: bool = False,
    cap: int | None = None,
    pace: int | None = None,
) -> dict[str, list[Run]]:
    file = source(setting.place, GiB)
    check = partial(same, {digest_of(file): GiB})
    with Serving(tls=tls, cap=cap, pace=pace) as hub:
        hub.offer(REPO, {"m.gguf": file})
        ours = [ours_on(hub, build, check, "pull", f"hf:{REPO}/m.gguf") for build in setting.builds]
        return setting.in_turn(ours, _peers(hub, file, check, *names))


def _many_files(setting: Setting) -> dict[str, list[Run]]:
    files = {f"m{number}.gguf": source(setting.place, SMALL, seed=number) for number in range(SMALL_FILES)}
    check = partial(same, {digest_of(file): SMALL for file in files.values()})
    manifest = "[models]\n" + "".join(f'm{n} = "hf:{REPO}/m{n}.gguf"\n' for n in range(SMALL_FILES))
    with Serving(delay=LATENCY) as hub:
        hub.offer(REPO, files)
        ours = [with_manifest(ours_on(hub, build, check, "sync"), manifest) for build in setting.builds]
        first = next(iter(files.values()))
        peers = []
        for peer in _peers(hub, first, check, "hf download"):
            whole = [word for word in peer.command(Path()) if word != "m.gguf"]
            peers.append(peer._replace(command=lambda _, whole=whole: whole))  # type: ignore[misc]
        return setting.in_turn(ours, peers)


def _snapshot(setting: Setting) -> dict[str, list[Run]]:
    """A whole repo: small files, which are in git, and a few large ones, which are not; nothing is known before."""
    small = {f"parts/{n}.part": source(setting.place, TINY, f"{n}.json", n) for n in range(SMALL_FILES)}
    large = {f"w{n}.weights": source(setting.place, 64 * MiB, "w", n) for n in range(SNAPSHOT_LARGE)}
    files = {**small, **large}
    check = partial(same, {digest_of(file): file.stat().st_size for file in files.values()})
    with Serving(delay=SNAPSHOT_LATENCY) as hub:
        hub.repo(REPO).commit(files)
        words = ("pull", f"hf:{REPO}", "--include", "*")
        ours = [ours_on(hub, build, check, *words) for build in setting.builds]
        peers = [
            peer._replace(command=lambda _, peer=peer: list(peer.command(Path()))[:-1])  # type: ignore[misc]
            for peer in _peers(hub, next(iter(large.values())), check, "hf download")
        ]
        return setting.in_turn(ours, peers)


def _tiny_files(setting: Setting) -> dict[str, list[Run]]:
    """The first sync of locked models of many small files: parts of split models, which any build knows."""
    names = [f"m{n // PARTS}-{n % PARTS + 1:05}-of-{PARTS:05}.gguf" for n in range(TINY_FILES)]
    files = {name: source(setting.place, TINY, "part", seed) for seed, name in enumerate(names)}
    check = partial(same, {digest_of(file): TINY for file in files.values()})
    firsts = names[::PARTS]
    manifest = "[models]\n" + "".join(f'm{n} = "hf:{REPO}/{first}"\n' for n, first in enumerate(firsts))
    with tempfile.TemporaryDirectory() as home, Serving() as hub:
        hub.offer(REPO, files)
        timed(with_manifest(ours_on(hub, setting.builds[0], lambda _: None, "lock"), manifest), Path(home))
        lock = (Path(home) / "models.lock").read_text()
        ours = [
            with_manifest(ours_on(hub, build, check, "sync", "--locked"), manifest, lock)
            for build in setting.builds
        ]
        return setting.in_turn(ours)


def with_manifest(contender: Contender, manifest: str, lock: str | None = None) -> Contender:
    def command(folder: Path) -> Sequence[str]:
        (folder / "models.toml").write_text(manifest)
        if lock is not None:
            (folder / "models.lock").write_text(lock)
        return contender.command(folder)

    return contender._replace(command=command)


def _same_file(setting: Setting) -> dict[str, list[Run]]:
    file = source(setting.place, GiB)
    check = partial(same, {digest_of(file): GiB})
    with Serving() as hub:
        hub.offer(REPO, {"m.gguf": file})
        ours = [ours_on(hub, build, check, "sync") for build in setting.builds]
        many = "[models]\n" + "".join(f'm{n} = "hf:{REPO}/m.gguf"\n' for n in range(SMALL_FILES))
        one = f'[models]\nm0 = "hf:{REPO}/m.gguf"\n'
        peer = with_manifest(ours[0], one)._replace(name="one entry")
        return setting.in_turn([with_manifest(each, many) for each in ours], [peer])


def _verify(setting: Setting) -> dict[str, list[Run]]:
    file = source(setting.place, 4 * GiB)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=setting.place) as homes, Serving() as hub:
        hub.offer(REPO, {"m.gguf": file})

        def ours(build: Build) -> Contender:
            home = Path(homes) / build.name
            synced(hub, build, home)
            return ours_on(hub, build, lambda _: None, "verify")._replace(place=home)

        verify = [ours(build) for build in setting.builds]
        home = Path(homes) / setting.builds[0].name
        return setting.in_turn(verify, [_hash(blob_of(home, 4 * GiB))._replace(place=home)])


def synced(hub: Serving, build: Build, home: Path) -> None:
    """Makes a project in `home`, whose one model `m` is here."""
    home.mkdir()
    sync = ours_on(hub, build, lambda _: None, "sync")
    timed(with_manifest(sync, f'[models]\nm = "hf:{REPO}/m.gguf"\n'), home)


def blob_of(home: Path, size: int) -> Path:
    """The file of that size in a project's store."""
    return next(
        path for path in (home / "store").rglob("*") if path.is_file() and path.stat().st_size == size
    )


OPENSSL = "openssl dgst -sha256"
TINY_GIFT = "a file of 4 KiB"


def _adopt(setting: Setting) -> dict[str, list[Run]]:
    """A locked model that is in the Hugging Face cache of the same file system; the store is empty each time."""
    file = source(setting.place, GiB)
    digest = digest_of(file)
    blobs: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="adopt-", dir=setting.place) as homes, Serving() as hub:
        hub.offer(REPO, {"m.gguf": file})

        def ours(build: Build) -> Contender:
            home = Path(homes) / build.name
            synced(hub, build, home)
            shutil.rmtree(home / "store")
            cached = home / ".cache" / "huggingface" / "hub" / "models--bench--models" / "blobs" / digest
            cached.parent.mkdir(parents=True)
            with file.open("rb") as read, cached.open("wb") as write:
                shutil.copyfileobj(
                    read, write, 1 << 20
                )  # as a download writes it: the page cache keeps it likewise
            seen = cached.stat()
            blobs.append(cached)

            def check(_: Path) -> None:
                """No byte was copied, and the cache's file is as it was."""
                now = cached.stat()
                kept = (now.st_mode, now.st_mtime_ns, now.st_size) == (
                    seen.st_mode,
                    seen.st_mtime_ns,
                    seen.st_size,
                )
                if not kept or not blob_of(home, GiB).samefile(cached):
                    raise RuntimeError("the file was copied, or changed")

            contender = ours_on(hub, build, check, "sync", "--frozen")
            return contender._replace(
                place=home,
                prepare=lambda folder: shutil.rmtree(folder / "store", ignore_errors=True),
                environment={**contender.environment, "XDG_CACHE_HOME": "{folder}/.cache"},
            )

        adopt = [ours(build) for build in setting.builds]
        openssl = [tool("openssl") or "openssl", "dgst", "-sha256", str(blobs[0])]
        beside = Contender(OPENSSL, lambda _: openssl, lambda _: None, place=Path(homes))
        return setting.in_turn(adopt, [beside] if installed("openssl") else [])


def _give(setting: Setting) -> dict[str, list[Run]]:
    """A synced model of 1 GiB, and one of 4 KiB, into the Hugging Face cache of the same file system."""
    with tempfile.TemporaryDirectory(prefix="give-", dir=setting.place) as homes, Serving() as hub:

        def ours(build: Build, size: int) -> Contender:
            home = Path(homes) / f"{build.name}-{size}"
            hub.offer(REPO, {"m.gguf": source(setting.place, size)})
            synced(hub, build, home)
            stored = blob_of(home, size)
            cache = home / ".cache" / "huggingface"

            def check(_: Path) -> None:
                """The cache has the store's own file by its commit: no byte was copied."""
                (snapshot,) = (cache / "hub" / "models--bench--models" / "snapshots").iterdir()
                if not (snapshot / "m.gguf").samefile(stored):
                    raise RuntimeError("the file was copied, or is not there")

            contender = ours_on(hub, build, check, "export", "--to", "hf-cache")
            return contender._replace(
                place=home,
                prepare=lambda _: shutil.rmtree(cache, ignore_errors=True),
                environment={**contender.environment, "XDG_CACHE_HOME": "{folder}/.cache"},
            )

        give = [ours(build, GiB) for build in setting.builds]
        return setting.in_turn(give, [ours(setting.builds[0], TINY)._replace(name=TINY_GIFT)])


def _hash(file: Path) -> Contender:
    """BLAKE3 of a file, and nothing else."""
    b3sum = [tool("b3sum") or ""] if installed("b3sum") else [sys.executable, "-c", BLAKE3]
    name = "b3sum" if installed("b3sum") else "blake3 over mmap"
    return Contender(name, lambda _: [*b3sum, str(file)], lambda _: None)


def rows() -> tuple[Row, ...]:
    """All of them, in the table's order."""
    return (
        Row(
            "plain",
            "loopback, plain, 1 GiB",
            partial(_one_file, ("hf download", "curl -o", "aria2c -x4", "node-llama-cpp pull")),
            {"hf download": 0.40, "curl -o": 1.20},
        ),
        Row(
            "tls",
            "loopback, TLS, 1 GiB",
            partial(_one_file, ("httpx2, one stream", "aria2c -x4", "curl -o", "Python, bare"), tls=True),
            {"httpx2, one stream": 0.60, "aria2c -x4": 1.10},
        ),
        Row(
            "capped",
            "40 MB/s a connection, by nginx's `limit_rate`, 1 GiB",
            partial(_one_file, ("aria2c -x16", "node-llama-cpp pull"), cap=CAP),
            {"aria2c -x16": 0.95},
        ),
        Row(
            "paced",
            "40 MB/s a connection, evenly, 1 GiB",
            partial(_one_file, ("aria2c -x16", "node-llama-cpp pull"), pace=CAP),
            {"aria2c -x16": 0.95},
        ),
        Row(
            "latency",
            f"100 ms of latency, {SMALL_FILES} files of 4 MiB",
            _many_files,
            {"hf download": 0.35},
        ),
        Row(
            "snapshot",
            f"50 ms of latency, a repo of {SMALL_FILES} small files and {SNAPSHOT_LARGE} of 64 MiB",
            _snapshot,
            {"hf download": 0.50},
        ),
        Row("tiny", f"first sync of locked models of {TINY_FILES} files of 4 KiB", _tiny_files, {}),
        Row("same", f"the same file asked by {SMALL_FILES} entries, 1 GiB", _same_file, {"one entry": 1.2}),
        Row(
            "verify",
            "`verify` of 4 GiB in the page cache",
            _verify,
            {"b3sum": 1.15, "blake3 over mmap": 1.15},
        ),
        Row("give", "1 GiB into the Hugging Face cache", _give, {TINY_GIFT: 1.15}),
        Row("adopt", "1 GiB from the Hugging Face cache, by a link, hashed", _adopt, {OPENSSL: 1.25}),
    )
