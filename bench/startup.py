"""What modelsync costs when there is nothing to do, in bare interpreters: `python -m bench.startup`.

Commands are timed as whole processes, in turn with `python -c pass`, and compared by the ratio of medians: a sync with
nothing to do of one model and of 1,000, and `import modelsync; modelsync.path(...)`. The models are a few bytes each:
with nothing to do, their size does not matter. One more reads a header of 16 MB by ranges, from a URL on loopback whose
header is never kept: what it takes over the interpreter's own start.

Its rows are for `--against` alone: there modelsync is compared with itself.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import gguf

from bench.builds import Build
from bench.rows import REPO, Row, ours_on, source, synced
from bench.serving import Serving
from bench.timing import Contender, Run, Setting
from tests.hub import Hub

ROUNDS = 15
MANY = 1_000
SMALL = 4096  # bytes of the model that is here


def main(words: Sequence[str] = ()) -> None:
    """Prints one line for each promise: the ratio, its bound, and the medians behind it."""
    usage = "python -m bench.startup; to compare with a commit: python -m bench --against REF --row startup"
    argparse.ArgumentParser(usage=usage).parse_args(words)
    with tempfile.TemporaryDirectory(prefix="modelsync-bench-") as place, Hub() as hub:
        one, many = (_project(Path(place), hub, count) for count in (1, MANY))
        python = [sys.executable]
        modelsync = [str(Path(sys.executable).with_name("modelsync")), "-q"]
        path = "import modelsync; modelsync.path('m0')"
        inspect = [*modelsync, "inspect", hub.file("/header.gguf", _large_header(Path(place)))]
        times = _in_turn(
            {
                "python -c pass": ([*python, "-c", "pass"], one),
                "path": ([*python, "-c", path], one),
                "sync, 1 model": ([*modelsync, "sync"], one),
                f"sync, {MANY} models": ([*modelsync, "sync"], many),
                "inspect, 16 MB header": (inspect, one),
            }
        )
    bare = times["python -c pass"]
    print(
        f"Python {sys.version.split()[0]} on {sys.platform}, {os.cpu_count()} cores; medians of {ROUNDS} runs"
    )
    for name, (median, low, high) in times.items():
        print(f"  {name:20} {median * 1e3:7.1f} ms  (min {low * 1e3:.1f}, max {high * 1e3:.1f})")
    _promise("sync with nothing to do / bare python", times["sync, 1 model"][0] / bare[0], 5)
    _promise("import modelsync; modelsync.path() / bare python", times["path"][0] / bare[0], 3.5)
    _promise(
        "inspect of a 16 MB header, seconds over bare python",
        times["inspect, 16 MB header"][0] - bare[0],
        0.5,
    )
    _promise(
        f"sync of {MANY} models / of one", times[f"sync, {MANY} models"][0] / times["sync, 1 model"][0], 3
    )


def _project(place: Path, hub: Hub, count: int) -> tuple[Path, dict[str, str]]:
    """A project whose models are here: its folder, and the environment to run in."""
    folder = place / f"project-{count}"
    folder.mkdir()
    repo = hub.repo(f"bench/models-{count}")
    repo.commit({f"m{i}-Q8_0.gguf": b"GGUF" + i.to_bytes(4, "little") for i in range(count)})
    lines = [f'm{i} = "hf:bench/models-{count}/m{i}-Q8_0.gguf"' for i in range(count)]
    (folder / "models.toml").write_text("[models]\n" + "\n".join(lines) + "\n")
    environment = {
        **{
            k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MODELSYNC_", "MODEL_", "PYTHON"))
        },
        "HF_ENDPOINT": hub.endpoint,
        "MODELSYNC_STORE": str(place / "store"),
    }
    subprocess.run([sys.executable, "-m", "modelsync", "-q", "sync"], cwd=folder, env=environment, check=True)
    return folder, environment


def _in_turn(
    commands: "dict[str, tuple[list[str], tuple[Path, dict[str, str]]]]",
) -> dict[str, tuple[float, float, float]]:
    """Median, least and most seconds of each command, run in turn so that a slow moment meets them all."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, (command, (folder, environment)) in commands.items():
            start = time.perf_counter()
            subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first warms the caches
                seconds[name].append(time.perf_counter() - start)
    return {name: (statistics.median(all_), min(all_), max(all_)) for name, all_ in seconds.items()}


def rows() -> tuple[Row, ...]:
    """A row for each way to start it with nothing to do."""
    return (
        Row("startup-sync", "start-up: sync with nothing to do", partial(_start, _sync), {}),
        Row("startup-path", "start-up: `modelsync.path()`", partial(_start, _path), {}),
        Row("startup-import", "start-up: `import modelsync`", partial(_start, _import), {}),
    )


def _sync(build: Build) -> Sequence[str]:
    return [*build.command, "-q", "sync"]


def _path(_: Build) -> Sequence[str]:
    return [sys.executable, "-c", "import modelsync; modelsync.path('m')"]


def _import(_: Build) -> Sequence[str]:
    return [sys.executable, "-c", "import modelsync"]


def _start(command: Callable[[Build], Sequence[str]], setting: Setting) -> dict[str, list[Run]]:
    """Runs one command in projects whose model is here; each build has made its own."""
    with tempfile.TemporaryDirectory(prefix="startup-", dir=setting.place) as homes, Serving() as hub:
        hub.offer(REPO, {"m.gguf": source(setting.place, SMALL)})

        def ours(build: Build) -> Contender:
            home = Path(homes) / build.name
            synced(hub, build, home)
            words = command(build)
            here = ours_on(hub, build, lambda _: None)
            return here._replace(command=lambda _: words, place=home)

        return setting.in_turn([ours(build) for build in setting.builds])


def _promise(what: str, ratio: float, bound: float) -> None:
    print(f"{'ok  ' if ratio <= bound else 'OVER'} {what}: {ratio:.2f} (at most {bound:g})")


def _large_header(place: Path) -> bytes:
    """A model whose header is of 16 MB: one list of many words."""
    path = place / "header.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_array("words", [f"word {number:>94}" for number in range(16_000_000 // 107)])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path.read_bytes()


if __name__ == "__main__":
    main(sys.argv[1:])
