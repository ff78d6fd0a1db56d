"""The bench's own promises; what it measures is no test's business."""

from pathlib import Path

import pytest

from bench import report
from bench.__main__ import apart, measured
from bench.rows import OURS, Row
from bench.timing import Run


def _breaks(_: Path, __: int) -> dict[str, list[Run]]:
    raise RuntimeError("hf download failed (1): 503")


def test_a_row_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    """Whether a contender fails or the whole process ends: the page has the other rows, and says what is missing."""
    broken, gone = Row("broken", "broken work", _breaks, {}), Row("no-such-row", "lost work", _breaks, {})
    found = measured(broken, tmp_path, 1)
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
