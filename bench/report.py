"""The table, as text and as a drawing."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from bench.builds import OURS
from bench.rows import INSTALL, Row, installed, tool
from bench.timing import Run, Spread, spread

MEMORY_BOUND = 80e6  # bytes, at 16 connections


class Result(NamedTuple):
    """A row and what came of it: runs, or why there are none."""

    row: Row
    runs: Mapping[str, Sequence[Run]]
    failure: str = ""

    def ratio(self, peer: str) -> Spread:
        """Modelsync's time in units of a peer's, round by round."""
        pairs = zip(self.runs[OURS], self.runs[peer], strict=True)
        return spread([ours.wall / theirs.wall for ours, theirs in pairs])


def tables(results: Sequence[Result]) -> list[str]:
    """The table of times, and that of bytes, as far as there are rows for them."""
    fast = [result for result in results if result.runs and not result.row.whole]
    thrifty = [result for result in results if result.runs and result.row.whole]
    return [*(table(fast) if fast else ()), *([""] if fast and thrifty else ()), *(bytes_table(thrifty))]


def failures(results: Sequence[Result]) -> list[str]:
    """A line for each row that came to nothing."""
    told = [(result.row.title, " ".join(result.failure.split())) for result in results if result.failure]
    return [f"- {title} failed: {words}" for title, words in told]


def bytes_table(results: Sequence[Result]) -> list[str]:
    """The lines of a Markdown table of what had to be sent, and how long that took; none for no results."""
    lines = [
        "| what happened | program | MB over the line | of the files | at most | "
        "| seconds: median (min-max) | modelsync / it: median (min-max) | at most | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        title = result.row.title
        for name, runs in result.runs.items():
            sent = spread([run.sent for run in runs]).median
            share, bound = sent / result.row.whole, result.row.share
            cells = [title, name, f"{sent / 1e6:.1f}", f"{share:.4f}"]
            ours = name == OURS and bound is not None
            cells += [f"{bound:.4f}", _verdict(share, bound)] if ours and bound is not None else ["", ""]
            cells += [seconds(spread([run.wall for run in runs])), *_against(result, name)]
            lines.append(f"| {' | '.join(cells)} |")
            title = ""
    return lines if results else []


def _against(result: Result, name: str) -> list[str]:
    """Three cells: how modelsync's time is to a contender's, what it may be, and whether it is."""
    if name == OURS:
        return ["", "", ""]
    ratio, bound = result.ratio(name), result.row.bounds.get(name)
    cells = [f"{ratio.median:.2f} ({ratio.least:.2f}-{ratio.most:.2f})"]
    return cells + (["", ""] if bound is None else [f"{bound:.2f}", _verdict(ratio.median, bound)])


def table(results: Sequence[Result]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [
        "| work | program | seconds: median (min-max) | processor seconds | peak memory "
        "| modelsync / it: median (min-max) | at most | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        title = result.row.title
        for name, runs in result.runs.items():
            wall, cpu = spread([run.wall for run in runs]), spread([run.cpu for run in runs])
            memory = max(run.memory for run in runs) / 1e6
            cells = [title, name, seconds(wall), f"{cpu.median:.2f}", f"{memory:.0f} MB"]
            cells += _against(result, name)
            lines.append(f"| {' | '.join(cells)} |")
            title = ""
    memory = max((run.memory for result in results for run in result.runs[OURS]), default=0)
    cells = ["peak memory, all of the above", OURS, "", "", f"{memory / 1e6:.0f} MB", ""]
    cells += [f"{MEMORY_BOUND / 1e6:.0f} MB", _verdict(memory, MEMORY_BOUND)]
    lines.append(f"| {' | '.join(cells)} |")
    return lines


def page(results: Sequence[Result], rounds: int, more: Sequence[str] = ()) -> str:
    """The whole of `bench/results.md`; `more` are lines for its end."""
    head = [
        "# Measured",
        "",
        f"{date.today().isoformat()}, `make bench`, {rounds} rounds in turn after one that does not count. "
        "Whole processes, from the command to its end, into an empty folder on disk; server and contender share the "
        "machine. Ratios are taken round by round. After every run each file was compared with its source by SHA-256; "
        "modelsync also checks a hash inside the time (SHA-256, and BLAKE3 for its seal), the others check none.",
        "",
        *(f"- {line}" for line in machine()),
        "",
    ]
    tail = [
        "",
        "nginx's `limit_rate` sends in bursts and then waits. In the row of an even cap the test suite's hub is the "
        "CDN too, for it sends evenly. In that of latency the hub and nginx keep each answer back by 100 ms.",
        "",
        "`Python, bare` in the row of TLS (bench/bare.py) is the same work at its plainest: one connection is "
        "decrypted, written to a file, and read back by a second thread for SHA-256 and BLAKE3; nothing is synced, "
        "recorded or published.",
        "",
        "Before each run into an empty folder 1.25 GiB of page cache are filled and let go, for the host of a virtual "
        "machine takes back what lies idle. What a run leaves is emptied at once, and removed when all have run: some "
        "file systems take long to give out an inode that was just freed.",
        "",
        "Peak memory is the program's own; what takes less than a bare interpreter, some 9 MB, counts as that.",
        "",
        "Updates and the repair go over a line of 100 MB/s, all connections to the CDN together. The old version is "
        "here before the time runs, for hf too; `modelsync, whole` has an empty store. What the server sent is counted "
        "on the line, heads of answers among it. `modelsync sync -U` locks, fetches and verifies within the time.",
        "",
        "A registry is CNCF distribution, plain http on loopback, a new one for each run; what is synced from it "
        "lies in it before the time runs. The line to it has no limit and counts both ways: of a push what "
        "the registry was sent, of a sync what it sent. `oras pull` checks no hash.",
    ]
    broken = failures(results)
    words = [*head, *tables(results), *([""] if broken else []), *broken, *tail, *more, ""]
    return "\n".join(words)


def machine() -> list[str]:
    """What it was measured on, and with."""
    cpu = _first(Path("/proc/cpuinfo"), "model name") or platform.processor()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, {_openssl()}",
        *(f"{name}: {said}" for name in ("modelsync", *INSTALL) if (said := _version(name))),
        *(f"{name} is not here: {how}" for name, how in INSTALL.items() if not installed(name)),
    ]


def drawing(results: Sequence[Result]) -> str:
    """A picture of the medians: a bar for each contender, in seconds, a group for each piece of work."""
    width, left, bar, gap = 760, 210, 18, 5
    shown = [result for result in results if len(result.runs) > 1]
    parts: list[str] = []
    y = 16
    for result in shown:
        medians = {name: spread([run.wall for run in runs]).median for name, runs in result.runs.items()}
        scale = (width - left - 70) / max(medians.values())
        title = escape(result.row.title.replace("`", ""))
        parts.append(f'<text class="title" x="8" y="{y + 12}">{title}</text>')
        y += 22
        for name, seconds in sorted(medians.items(), key=lambda item: item[1]):
            kind = "ours" if name == OURS else "theirs"
            length = max(2.0, seconds * scale)
            parts += [
                f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
                f'<rect class="{kind}" x="{left}" y="{y}" width="{length:.1f}" height="{bar}" rx="2"/>',
                f'<text x="{left + length + 6:.1f}" y="{y + 13}">{seconds:.2f} s</text>',
            ]
            y += bar + gap
        y += 12
    style = (
        "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}"
        ".ours{fill:#1a7f5a}.theirs{fill:#b6bec8}"
        "@media(prefers-color-scheme:dark){text{fill:#d8dee4}.ours{fill:#3fb68b}.theirs{fill:#59636e}}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" role="img">',
            "<title>Seconds that modelsync and others take for the same downloads; shorter is better</title>",
            f"<style>{style}</style>",
            *parts,
            "</svg>",
            "",
        ]
    )


def seconds(what: Spread, digits: int = 2) -> str:
    """The median, and the range behind it."""
    return f"{what.median:.{digits}f} ({what.least:.{digits}f}-{what.most:.{digits}f})"


def _verdict(value: float, bound: float) -> str:
    return "reached" if value <= bound else "over"


def _first(path: Path, key: str) -> str | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def _openssl() -> str:
    import ssl

    return ssl.OPENSSL_VERSION


def _version(name: str) -> str | None:
    package = {"hf": "huggingface_hub", "httpx2": "httpx2", "modelsync": "modelsync"}.get(name)
    if package is not None:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return None
    command = tool(name)
    if command is None:
        return None
    flag = "-v" if name == "nginx" else "--version"
    done = subprocess.run([command, flag], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip().splitlines()
    return said[0] if said else None


def write(results: Sequence[Result], rounds: int, more: Sequence[str] = ()) -> None:
    """Writes `bench/results.md`, with `more` at its end, and `docs/bench.svg`."""
    root = Path(__file__).parent.parent
    (root / "bench" / "results.md").write_text(page(results, rounds, more))
    (root / "docs").mkdir(exist_ok=True)
    (root / "docs" / "bench.svg").write_text(drawing(results))
    print("wrote bench/results.md and docs/bench.svg", file=sys.stderr)
