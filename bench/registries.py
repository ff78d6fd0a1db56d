"""Rows about container registries: a fresh one for every run, as Debian packages CNCF distribution."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.builds import Build
from bench.fresh import REPOSITORY, Fresh, fresh_registry, image_layout, target
from bench.line import Line
from bench.rows import (
    REPO,
    GiB,
    MiB,
    Row,
    digest_of,
    installed,
    ours_on,
    same,
    source,
    synced,
    tool,
    with_manifest,
)
from bench.serving import Serving
from bench.timing import Contender, Run, Setting, timed

SKOPEO, ORAS = "skopeo copy", "oras push"
SKOPEO_DIR, ORAS_PULL = "skopeo copy to a folder", "oras pull"
ONE = f'[models]\nm = "hf:{REPO}/m.gguf"\n'
MODELS = 5
MANY = "[models]\n" + "".join(f'm{n} = "hf:{REPO}/m{n}.gguf"\n' for n in range(MODELS))
ORAS_PUSH = """\
import sys
import oras.client
client = oras.client.OrasClient(hostname=sys.argv[1], insecure=True)
client.push(target=f"{sys.argv[1]}/bench/models:oras", files=[sys.argv[2]], disable_path_validation=True)
"""
ORAS_FETCH = """\
import sys
import oras.client
client = oras.client.OrasClient(hostname=sys.argv[1], insecure=True)
client.pull(target=f"{sys.argv[1]}/bench/models:m", outdir="out")
"""


def push(size: int, setting: Setting) -> dict[str, list[Run]]:
    """One file of `size` bytes, which is here, to an empty registry."""
    file = source(setting.place, size)
    digest = digest_of(file)
    with (
        tempfile.TemporaryDirectory(prefix="push-", dir=setting.place) as homes,
        Serving() as hub,
        fresh_registry(Path(homes)) as fresh,
    ):
        hub.offer(REPO, {"m.gguf": file})
        layout = image_layout(Path(homes) / "layout", file, digest)

        def check(_: Path) -> None:
            fresh.has(digest, size)

        def anew(_: Path) -> None:
            fresh.renew()

        def ours(build: Build) -> Contender:
            home = Path(homes) / build.name
            synced(hub, build, home)
            return ours_on(hub, build, check, "push", target(fresh.host))._replace(place=home)

        contenders = [ours(build)._replace(prepare=anew) for build in setting.builds]
        peers = [each._replace(prepare=anew) for each in _pushers(fresh, layout, file, check)]
        return setting.in_turn(contenders, peers)


def _pushers(fresh: Fresh, layout: Path, file: Path, check: Callable[[Path], None]) -> Iterator[Contender]:
    if installed("skopeo"):
        there = f"docker://{fresh.host}/{REPOSITORY}:skopeo"
        words = ["copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", f"oci:{layout}:m", there]
        yield Contender(SKOPEO, lambda _: [tool("skopeo") or "", *words], check, _SKOPEO_HOME)
    if _has_oras():
        command = [sys.executable, "-c", ORAS_PUSH, fresh.host, str(file)]
        yield Contender(ORAS, lambda _: command, check, {"HOME": "{folder}"})


def sync(size: int, setting: Setting) -> dict[str, list[Run]]:
    """One file of `size` bytes from a registry that it was pushed to, into an empty folder."""
    file = source(setting.place, size)
    check = partial(same, {digest_of(file): size})
    with (
        tempfile.TemporaryDirectory(prefix="sync-", dir=setting.place) as homes,
        Serving() as hub,
        fresh_registry(Path(homes)) as fresh,
    ):
        hub.offer(REPO, {"m.gguf": file})
        pushed = _pushed(hub, setting.builds[0], Path(homes) / "pusher", fresh)
        seed = fresh.keep("seed")

        def anew(_: Path) -> None:
            fresh.renew(seed)

        contenders = [
            with_manifest(_syncing(hub, build, check, fresh.host), ONE, pushed.lock)._replace(prepare=anew)
            for build in setting.builds
        ]
        peers = [each._replace(prepare=anew) for each in _pullers(fresh, check)]
        return setting.in_turn(contenders, peers)


def _pullers(fresh: Fresh, check: Callable[[Path], None]) -> Iterator[Contender]:
    if _has_oras():
        command = [sys.executable, "-c", ORAS_FETCH, fresh.host]
        yield Contender(ORAS_PULL, lambda _: command, check, {"HOME": "{folder}"})
    if installed("skopeo"):
        there = f"docker://{fresh.host}/{REPOSITORY}:m"
        words = ["copy", "--quiet", "--preserve-digests", "--src-tls-verify=false", there]
        yield Contender(
            SKOPEO_DIR,
            lambda folder: [tool("skopeo") or "", *words, f"dir:{folder / 'out'}"],
            check,
            _SKOPEO_HOME,
        )


def push_one_of_many(size: int, setting: Setting) -> dict[str, list[Run]]:
    """Five models of `size` bytes are in a registry; one of them changed, and they are pushed again."""
    with _changed(size, setting) as scene:
        contenders = []
        for build in setting.builds:
            home = scene.folder / build.name
            home.mkdir()
            upgrade = ours_on(scene.hub, build, lambda _: None, "sync", "--frozen")
            timed(with_manifest(upgrade, MANY, scene.after), home)
            check = partial(_has_all, scene.fresh, scene.digests)
            contender = ours_on(scene.hub, build, check, "push", target(scene.host))
            anew = partial(_renew, scene.fresh, scene.seed_before)
            contenders.append(contender._replace(place=home, prepare=anew))
        return setting.in_turn(contenders, warm=False, meter=lambda: scene.line.received)


def sync_one_of_many(size: int, setting: Setting) -> dict[str, list[Run]]:
    """A machine has the five models of before; it syncs the one that changed from the registry."""
    with _changed(size, setting) as scene:
        check = partial(same, dict.fromkeys(scene.digests, size))
        scene.fresh.renew(scene.seed_after)

        def ours(build: Build) -> Contender:
            mine = _syncing(scene.hub, build, lambda _: None, scene.host)

            def before(folder: Path) -> None:
                timed(with_manifest(mine, MANY, scene.before), folder)

            return with_manifest(mine._replace(check=check), MANY, scene.after)._replace(prepare=before)

        contenders = [ours(build) for build in setting.builds]
        return setting.in_turn(contenders, warm=False, meter=lambda: scene.line.sent)


class _Pushed(NamedTuple):
    """A project whose models were pushed."""

    home: Path
    lock: str


class _Scene(NamedTuple):
    """Five models in a registry, before and after one of them changed.

    Attributes:
        folder: For more homes.
        hub: Where the models come from first.
        fresh: The registry.
        line: What leads to it.
        host: Where the line begins.
        seed_before: What is in a registry before the change.
        seed_after: And after it.
        before: The lock before the change.
        after: And after it.
        digests: Those of the files after it.
    """

    folder: Path
    hub: Serving
    fresh: Fresh
    line: Line
    host: str
    seed_before: Path
    seed_after: Path
    before: str
    after: str
    digests: Sequence[str]


@contextlib.contextmanager
def _changed(size: int, setting: Setting) -> Iterator[_Scene]:
    files = {f"m{n}.gguf": source(setting.place, size, "part.gguf", n) for n in range(MODELS)}
    changed = {**files, "m2.gguf": source(setting.place, size, "part.gguf", MODELS)}
    with (
        tempfile.TemporaryDirectory(prefix="many-", dir=setting.place) as homes,
        Serving() as hub,
        fresh_registry(Path(homes)) as fresh,
    ):
        build, home = setting.builds[0], Path(homes) / "pusher"
        hub.offer(REPO, files)
        before = _pushed(hub, build, home, fresh, MANY)
        seed_before = fresh.keep("before")
        hub.offer(REPO, changed)
        fresh.renew(seed_before)
        timed(ours_on(hub, build, lambda _: None, "sync", "-U"), home)
        timed(ours_on(hub, build, lambda _: None, "push", target(fresh.host)), home)
        seed_after = fresh.keep("after")
        line = Line(int(fresh.host.rpartition(":")[2]), GiB)
        line.free = True
        try:
            yield _Scene(
                Path(homes),
                hub,
                fresh,
                line,
                f"127.0.0.1:{line.port}",
                seed_before,
                seed_after,
                before.lock,
                (home / "models.lock").read_text(),
                [digest_of(path) for path in changed.values()],
            )
        finally:
            line.close()


def _pushed(hub: Serving, build: Build, home: Path, fresh: Fresh, manifest: str = ONE) -> _Pushed:
    home.mkdir()
    timed(with_manifest(ours_on(hub, build, lambda _: None, "sync"), manifest), home)
    timed(ours_on(hub, build, lambda _: None, "push", target(fresh.host), "--tag"), home)
    return _Pushed(home, (home / "models.lock").read_text())


def _syncing(hub: Serving, build: Build, check: Callable[[Path], None], host: str) -> Contender:
    return ours_on(hub, build, check, "sync", "--frozen", "--mirror-only", "--mirror", target(host))


def _renew(fresh: Fresh, seed: Path, _: Path) -> None:
    fresh.renew(seed)


def _has_all(fresh: Fresh, digests: Sequence[str], _: Path) -> None:
    assert fresh.there is not None
    for digest in digests:
        fresh.has(digest, fresh.there.blob(f"sha256:{digest}").stat().st_size)


_SKOPEO_HOME = {"HOME": "{folder}", "XDG_RUNTIME_DIR": "{folder}"}


def _has_oras() -> bool:
    with contextlib.suppress(ImportError):
        import oras.client  # noqa: F401 - whether it is here

        return True
    return False


def rows(smaller: int = 1) -> tuple[Row, ...]:
    """All of them; none where there is no registry to run.

    Args:
        smaller: By how much the files are smaller than those that the bounds are for.
    """
    if not installed("docker-registry"):
        return ()
    size, part = GiB // smaller, GiB // 4 // smaller
    whole, changed = MODELS * part, 1 / MODELS
    heads = (
        200_000  # bytes of requests, answers and configurations: those of the four that did not change too
    )
    return (
        Row(
            "registry-push",
            f"push of {_named(size)} to an empty registry",
            partial(push, size),
            {SKOPEO: 1.05, ORAS: 1.05},
        ),
        Row(
            "registry-sync",
            f"sync of {_named(size)} from a registry",
            partial(sync, size),
            {ORAS_PULL: 0.85, SKOPEO_DIR: 0.5},
        ),
        Row(
            "registry-push-one",
            f"push to a registry: one of {MODELS} models changed",
            partial(push_one_of_many, part),
            {},
            whole,
            changed + heads / whole,
        ),
        Row(
            "registry-sync-one",
            f"sync from a registry: one of {MODELS} models changed",
            partial(sync_one_of_many, part),
            {},
            whole,
            changed + heads / whole,
        ),
    )


def _named(size: int) -> str:
    return f"{size // GiB} GiB" if size >= GiB else f"{size // MiB} MiB"
