"""The bench's own promises; what it measures is no test's business."""

import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench import builds, fleet, pairs, registries, report, startup
from bench.__main__ import apart, chosen, main, measured
from bench.builds import INSTALLED, NEW, OLD, OURS, Build, NoSuchCommitError, make_pair, pair
from bench.line import Line
from bench.ratio import ratio_of_medians
from bench.rows import Row
from bench.timing import Contender, Run, Setting, timed
from tests.hub.wire import text
from tests.support.servers import answering


def _breaks(_: Setting) -> dict[str, list[Run]]:
    raise RuntimeError("hf download failed (1): 503")


def test_a_row_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    """Whether a contender fails or the whole process ends: the page has the other rows, and says what is missing."""
    broken, gone = Row("broken", "broken work", _breaks, {}), Row("no-such-row", "lost work", _breaks, {})
    found = measured(broken, Setting(tmp_path, 1, (INSTALLED,)))
    good = report.Result(
        Row("good", "good work", _breaks, {"curl": 1.0}),
        {OURS: [Run(1.0, 1.0, 1)], "curl": [Run(2.0, 1.0, 1)]},
    )
    failed = report.Result(broken, {}, found["failure"])
    page = report.page([failed, good, apart(gone, tmp_path, 1)], 1)
    assert "| good work | modelsync |" in page
    assert "- broken work failed: RuntimeError: hf download failed (1): 503" in page
    assert "- lost work failed: it ended with 2" in page
    assert "good work" in report.drawing([failed, good])
    assert "broken" not in report.drawing([failed, good])


def test_a_contender_that_a_variable_names_is_asked_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says what was run, wherever that is."""
    command = tmp_path / "elsewhere"
    command.write_text("#!/bin/sh\necho 3.22.0\n")
    command.chmod(0o755)
    monkeypatch.setenv("NODE_LLAMA_CPP", str(command))
    assert "node-llama-cpp: 3.22.0" in report.machine()


def _noisy(draw: random.Random, count: int, slower: float = 1.0) -> tuple[list[float], list[float]]:
    """Times in pairs: both halves meet the same moment, and each has a little noise of its own."""
    moments = [draw.lognormvariate(0, 0.2) for _ in range(count)]
    new, old = ([moment * draw.lognormvariate(0, 0.02) for moment in moments] for _ in (NEW, OLD))
    return [time * slower for time in new], old


def test_a_seventh_slower_is_worse_and_a_hundredth_slower_is_not() -> None:
    """Also on a machine whose moments differ by far more than that, and only beyond the 3 % of identical commands."""
    draw = random.Random(1)
    assert ratio_of_medians(*_noisy(draw, 60, 1.15)).verdict == "worse"
    steady = [1.0 + n / 1000 for n in range(20)]
    assert ratio_of_medians([time * 1.01 for time in steady], steady).verdict == "not worse"
    assert ratio_of_medians([time * 1.04 for time in steady], steady).verdict == "worse"
    assert ratio_of_medians(steady, steady) == (1.0, 1.0, 1.0, 20)


def test_few_or_wild_pairs_decide_nothing() -> None:
    """Neither an interval on both sides of the bound, however large the ratio, nor pairs that may agree by chance."""
    new, old = [1.0, 1.0, 1.5, 1.5, 1.6, 1.6], [1.0, 1.1, 0.9, 1.2, 1.0, 1.0]
    found = ratio_of_medians(new, old)
    assert found.value > 1.4
    assert found.verdict == "undecided"
    assert ratio_of_medians([2.0] * 5, [1.0] * 5).verdict == "undecided"
    assert ratio_of_medians([2.0] * 6, [1.0] * 6).verdict == "worse"


def test_one_slow_moment_makes_nothing_worse() -> None:
    """Medians: a run that took a hundred times as long is one run."""
    old = [1.0 + n / 1000 for n in range(20)]
    assert ratio_of_medians([100.0, *old[1:]], old).verdict == "not worse"


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Of 40 comparisons with a known ratio, nearly all; the same times give the same interval."""
    draw = random.Random(2)
    times = [_noisy(draw, 20, 1.2) for _ in range(40)]
    found = [ratio_of_medians(*each) for each in times]
    assert sum(each.low <= 1.2 <= each.high for each in found) >= 34
    assert all(each.low < each.high for each in found)
    assert ratio_of_medians(*times[0]) == found[0]


def test_pairs_that_lack_a_half_are_refused() -> None:
    """No ratio from nothing, and none from times that do not belong together."""
    with pytest.raises(ValueError, match="no pairs"):
        ratio_of_medians([], [])
    with pytest.raises(ValueError, match="zip"):
        ratio_of_medians([1.0, 2.0], [1.0])


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="runs are timed by wait4")
def test_two_builds_alternate_evenly(tmp_path: Path) -> None:
    """A B, B A, A B: each is in every pair once, and goes first in every second one."""
    log = tmp_path / "log"

    def writes(build: Build) -> Contender:
        words = [sys.executable, "-c", f"open({str(log)!r}, 'a').write({build.name!r} + ' ')"]
        return Contender(build.name, lambda _: words, lambda _: None, place=tmp_path)

    two = (Build(NEW, []), Build(OLD, []))
    peer = writes(Build("peer", []))
    runs = Setting(tmp_path, 6, two).in_turn([writes(build) for build in two], [peer])
    assert {name: len(each) for name, each in runs.items()} == {NEW: 6, OLD: 6}
    order = log.read_text().split()[2:]  # the first pair warms the caches
    halves = list(zip(order[::2], order[1::2], strict=True))
    assert all(set(half) == {NEW, OLD} for half in halves)
    assert [first for first, _ in halves] == [OLD, NEW] * 3


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="runs are timed by wait4")
def test_peak_memory_is_the_programs_own(tmp_path: Path) -> None:
    """However large the bench itself is: a small program stays small, and one that takes 60 MB more has them."""
    large = bytearray(b"x") * (150 << 20)
    kept = "import sys; kept = bytearray(b'x') * (int(sys.argv[1]) << 20)"

    def run(mebibytes: int) -> Run:
        words = [sys.executable, "-c", kept, str(mebibytes)]
        return timed(Contender("python", lambda _: words, lambda _: None), tmp_path)

    small, more = run(0).memory, run(60).memory
    assert len(large) > small
    assert 4e6 < small < 60e6
    assert 55e6 < more - small < 75e6


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="runs are timed by wait4")
@pytest.mark.parametrize(
    ("words", "status"),
    [([sys.executable, "-c", "print('so bad'); raise SystemExit(3)"], "3"), (["./so bad"], "1")],
)
def test_a_command_that_fails_is_told_with_what_it_said(
    tmp_path: Path, words: list[str], status: str
) -> None:
    """Whether it ends with another status than 0, or is not there."""
    with pytest.raises(RuntimeError, match=rf"python failed \({status}\)[\s\S]*so bad"):
        timed(Contender("python", lambda _: words, lambda _: None), tmp_path)


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="runs are timed by wait4")
def test_a_command_gets_its_folder_variables_and_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables that would change what is measured are left out, and no descriptor is left open."""
    monkeypatch.setenv("MODELSYNC_OFFLINE", "1")
    code = (
        "import os; assert os.getcwd() == os.environ['HERE'], os.getcwd()\n"
        "assert 'MODELSYNC_OFFLINE' not in os.environ; assert os.environ['PYTHONHASHSEED'] == '1'\n"
        "inherited = os.listdir('/dev/fd'); open('seen', 'w').write(' '.join(sorted(inherited)))"
    )
    words = [sys.executable, "-c", code]
    variables = {"HERE": "{folder}", "PYTHONHASHSEED": "1"}
    run = timed(Contender("python", lambda _: words, lambda _: None, variables), tmp_path)
    assert run.wall > 0
    assert run.cpu > 0
    assert (tmp_path / "seen").read_text() == "0 1 2 3"  # the last is that of the listing


def _git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_the_older_build_is_the_commit_and_the_newer_one_the_files_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each build's command and each Python with its variables run its own files, also those not committed."""
    root = tmp_path / "root"
    package = root / "modelsync"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("print('committed')")
    _git(root, "init", "--quiet")
    _git(root, "add", ".")
    _git(root, "commit", "--quiet", "--message", "One")
    (package / "__main__.py").write_text("print('changed since')")
    monkeypatch.setattr(builds, "ROOT", root)
    make_pair("HEAD", tmp_path / "pair")
    said = {
        build.name: subprocess.run(
            build.command,
            cwd=tmp_path,
            env={**os.environ, **build.environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for build in pair(tmp_path / "pair")
    }
    assert said == {NEW: "changed since", OLD: "committed"}
    for wrong in ("no-such-commit", "--help", "HEAD~7"):
        with pytest.raises(NoSuchCommitError, match=wrong):
            make_pair(wrong, tmp_path / wrong)


def test_a_commit_that_does_not_exist_is_said_before_anything_runs(tmp_path: Path) -> None:
    """One line that names it, status 2; nothing is measured."""
    command = [sys.executable, "-m", "bench", "--against", "no-such-commit", "--place", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "git knows no commit 'no-such-commit'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_startup_rows_of_a_comparison_run_to_their_end(tmp_path: Path) -> None:
    """A sync with nothing to do and `path`, of both builds; what they take is no test's business."""
    table = {row.key: row for row in startup.rows()}
    two = [INSTALLED._replace(name=name) for name in (NEW, OLD)]
    for key in ("startup-sync", "startup-path"):
        runs = measured(table[key], Setting(tmp_path, 1, two))
        assert "failure" not in runs, runs
        assert {name: len(each) for name, each in runs["runs"].items()} == {NEW: 1, OLD: 1}


def test_startup_alone_compares_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A commit to compare with is not left out in silence: it says which command takes one."""
    with pytest.raises(SystemExit):
        startup.main(["--against", "HEAD"])
    assert "python -m bench --against REF --row startup" in capsys.readouterr().err


def test_a_name_stands_for_its_row_or_for_all_that_begin_with_it() -> None:
    """`update` is five rows, `tls` is one, `t` is none."""
    table = {key: Row(key, key, _breaks, {}) for key in ("tls", "update-one", "update-all")}
    assert [row.key for row in chosen(["update", "tls"], table)] == ["tls", "update-one", "update-all"]
    assert [row.key for row in chosen(["update-all"], table)] == ["update-all"]
    with pytest.raises(KeyError, match="t"):
        chosen(["t"], table)


def test_the_table_of_pairs_names_what_is_worse_and_leaves_out_what_failed() -> None:
    """A line for each row that was measured, with its verdict."""
    slow, fast = ([Run(least + n / 100, 1.0, 1) for n in range(9)] for least in (1.5, 1.0))
    worse = report.Result(Row("slow", "slow work", _breaks, {}), {NEW: slow, OLD: fast})
    good = report.Result(Row("good", "good work", _breaks, {}), {NEW: fast, OLD: slow})
    lost = report.Result(Row("lost", "lost work", _breaks, {}), {}, "RuntimeError: 503")
    lines = pairs.table([worse, good, lost], "v1")
    assert [line.rsplit("|", 2)[1].strip() for line in lines[2:] if "work" in line] == ["worse", "not worse"]
    assert [pairs.is_worse(each) for each in (worse, good, lost)] == [True, False, False]


def test_a_line_counts_both_ways() -> None:
    """What a server was sent, and what it sent, heads among them; with no limit while it is free."""
    with answering(lambda request: text(200, "a" * 5000)) as server:
        line = Line(server.port, 1)
        line.free = True
        try:
            with socket.create_connection(("127.0.0.1", line.port)) as client:
                client.sendall(
                    b"PUT /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000\r\n\r\n"
                )
                client.sendall(b"b" * 3000)
                answer = b"".join(iter(lambda: client.recv(65536), b""))
        finally:
            line.close()
    assert answer.endswith(b"a" * 5000)
    assert line.sent == len(answer)
    assert 3000 < line.received < 3200


def test_the_table_of_a_fleet_says_what_each_client_cost() -> None:
    """Bytes by the file's, requests by client, and how the time grows."""
    steps = [
        fleet.Step(1, 1000, 1000, 3, [2.0]),
        fleet.Step(4, 1000, 4000, 16, [2.0, 3.0, 2.5, 2.5]),
        fleet.Step(16, 3000, 14000, 64, [4.0] * 16),
    ]
    found = [line.split(" | ") for line in fleet.lines(steps, 1000) if line.startswith("| ")][1:]
    assert [cells[1:4] for cells in found] == [
        ["1.000x", "1.000", "3.0"],
        ["1.000x", "1.000", "4.0"],
        ["3.000x", "0.875", "4.0"],
    ]
    assert [cells[4:6] for cells in found] == [["2.0", "1.00"], ["3.0", "1.50"], ["4.0", "2.00"]]


def test_smaller_rows_are_measured_by_their_own_size() -> None:
    """What may go over the line is a share of the smaller files, and each row says how large they are."""
    for row, small in zip(registries.rows(), registries.rows(16), strict=True):
        assert row.key == small.key
        assert small.whole == row.whole // 16
    titles = " ".join(row.title for row in registries.rows(16))
    assert not registries.rows() or "64 MiB" in titles


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--smaller", "4"], "--smaller needs --row"),
        (["--smaller", "0", "--row", "plain"], "--smaller is from 1"),
    ],
)
def test_smaller_files_make_no_page(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page of figures is of the files that it names."""
    monkeypatch.setattr("sys.argv", ["bench", *words])
    with pytest.raises(SystemExit):
        main()
    assert said in capsys.readouterr().err
