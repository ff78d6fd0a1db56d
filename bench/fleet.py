"""Many machines that sync one model from one registry at once: `python -m bench.fleet`.

One machine takes the model from the hub and pushes it. Then N processes with empty stores, each with `--max-rate`, so
that this machine is not what limits them, sync it from the registry, as docs/guides/fleet.md says; the bytes of the
hub are counted. Once with `--mirror-only`, and once without: then the hub may be asked, and should not have to be.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.builds import INSTALLED
from bench.fresh import Fresh, fresh_registry, target
from bench.rows import REPO, MiB, digest_of, installed, same, source, with_manifest
from bench.timing import Contender, spread, timed
from modelsync import sizes
from tests.hub import Hub

CLIENTS = (1, 4, 16, 64)
SIZE = 12 * MiB
RATE = 500_000  # bytes a second
HUB = {
    "never": ("--mirror-only",),
    "after": (),
}  # whether clients may ask the hub: more words of their commands
MANIFEST = f'[models]\nm = "hf:{REPO}/m.gguf"\n'


class Step(NamedTuple):
    """What so many clients cost.

    Attributes:
        clients: How many.
        origin: Bytes that the hub has sent by then, to whomever.
        sent: Bytes that the registry sent to these clients.
        requests: That they made to the registry.
        seconds: Until each was done, from the moment that all were started.
    """

    clients: int
    origin: int
    sent: int
    requests: int
    seconds: Sequence[float]


def measure(place: Path, size: int, rate: int, clients: Sequence[int], hub_asked: str) -> list[Step]:
    """Runs so many clients at once, for each of some numbers, with a fresh registry each.

    Args:
        place: Where files are made.
        size: Bytes of the model.
        rate: Bytes a second that one client may take.
        clients: The numbers.
        hub_asked: Whether they may ask the hub, of `HUB`.
    """
    file = source(place, size)
    digest = digest_of(file)
    steps = []
    with (
        tempfile.TemporaryDirectory(prefix="fleet-", dir=place) as homes,
        Hub() as hub,
        fresh_registry(Path(homes)) as fresh,
    ):
        hub.repo(REPO).commit({"m.gguf": file}, lfs=None)
        first = Path(homes) / "first"
        first.mkdir()
        timed(with_manifest(_client(hub, "sync"), MANIFEST), first)
        timed(_client(hub, "push", target(fresh.host)), first)
        lock = (first / "models.lock").read_text()
        seed = fresh.keep("seed")
        for count in clients:
            there = fresh.renew(seed)
            mine = _client(
                hub,
                "sync",
                "--frozen",
                *HUB[hub_asked],
                "--mirror",
                target(fresh.host),
                "--max-rate",
                str(rate),
            )
            with tempfile.TemporaryDirectory(prefix="clients-", dir=homes) as folder:
                folders = [Path(folder) / str(number) for number in range(count)]
                for each in folders:
                    each.mkdir()
                seconds = _at_once(with_manifest(mine, MANIFEST, lock), folders)
                for each in folders:
                    same({digest: size}, each)
            origin = sum(seen.sent for seen in hub.seen(match="*m.gguf", method="GET"))
            steps.append(Step(count, origin, there.sent, _requests(fresh), seconds))
    return steps


def _client(hub: Hub, *words: str) -> Contender:
    environment = {
        "HF_ENDPOINT": hub.endpoint,
        "MODELSYNC_STORE": "{folder}/store",
        "HOME": "{folder}",
    }
    return Contender(
        INSTALLED.name, lambda _: [*INSTALLED.command, "-q", *words], lambda _: None, environment
    )


def _requests(fresh: Fresh) -> int:
    assert fresh.there is not None
    return len(fresh.there.requests)


def _at_once(contender: Contender, folders: Sequence[Path]) -> list[float]:
    """Seconds that each took from the moment that all were started; raises what one of them raised."""
    begun = time.perf_counter()
    seconds: list[float] = []
    errors: list[Exception] = []

    def run(folder: Path) -> None:
        try:
            timed(contender, folder)
            seconds.append(time.perf_counter() - begun)
        except Exception as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return seconds


def lines(steps: Sequence[Step], bytes_: int) -> list[str]:
    """The lines of a Markdown table.

    Args:
        steps: The rows.
        bytes_: Of the model.
    """
    found = [
        "| clients | origin bytes | bytes a client, of the file's | requests a client | seconds until all were done "
        "| of one client's | seconds of a client: median (min-max) |",
        "|---|---|---|---|---|---|---|",
    ]
    alone = max(steps[0].seconds)
    for step in steps:
        times = spread(step.seconds)
        cells = [
            str(step.clients),
            f"{step.origin / bytes_:.3f}x",
            f"{step.sent / step.clients / bytes_:.3f}",
            f"{step.requests / step.clients:.1f}",
            f"{times.most:.1f}",
            f"{times.most / alone:.2f}",
            f"{times.median:.1f} ({times.least:.1f}-{times.most:.1f})",
        ]
        found.append(f"| {' | '.join(cells)} |")
    return found


def tables(
    place: Path | None = None,
    bytes_: int = SIZE,
    rate: int = RATE,
    clients: Sequence[int] = CLIENTS,
    hub_asked: Sequence[str] = tuple(HUB),
) -> list[str]:
    """Measures, and gives the lines of a Markdown section; none where there is no registry to run."""
    if not installed("docker-registry"):
        return []
    found = [
        "",
        "## Many machines, one registry",
        "",
        f"{sizes.size(bytes_)}, each client at most {sizes.size(rate)}/s (so at least {bytes_ / rate:.1f} s), all on "
        "this machine; every client is a process with an empty store. Origin: bytes of the file that the hub has sent.",
    ]
    with tempfile.TemporaryDirectory(prefix="modelsync-bench-") as scratch:
        for each in hub_asked:
            words = " ".join(("sync", "--frozen", *HUB[each]))
            steps = measure(place or Path(scratch), bytes_, rate, clients, each)
            found += ["", f"`{words}`:", "", *lines(steps, bytes_)]
    return found


def main() -> None:
    """Prints the section."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument(
        "--clients", type=int, nargs="+", default=CLIENTS, metavar="N", help="how many at once"
    )
    parser.add_argument("--size", type=sizes.parse, default=SIZE, help="of the model: 32MiB")
    parser.add_argument("--rate", type=sizes.parse_rate, default=RATE, help="of each client: 500K")
    parser.add_argument("--place", type=Path, help="where files are made: one and a client's each")
    parser.add_argument(
        "--hub",
        choices=HUB,
        nargs="+",
        default=tuple(HUB),
        help="whether clients may ask it after the registry",
    )
    options = parser.parse_args()
    found = tables(options.place, options.size, options.rate, options.clients, options.hub)
    print("\n".join(found) if found else "docker-registry is not here: apt install docker-registry")
    sys.exit(0 if found else 1)


if __name__ == "__main__":
    main()
