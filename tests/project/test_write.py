"""Writing a user's file, and what a process that was killed while it wrote one left beside it."""

import os
import time
from pathlib import Path

import pytest

from modelsync.project import write


def test_old_leftovers_of_a_file_go_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that only this program gives go once they are a day old: never a fresh one, nor any other name."""
    path, left = tmp_path / "models.lock", tmp_path / ".models.lock.0123456789abcdef"
    others = [
        tmp_path / name
        for name in (".models.lock.swp", ".models.lock.0123456789abcdef.orig", "models.lock.old")
    ]
    folder = tmp_path / ".models.lock.fedcba9876543210"
    folder.mkdir()
    for each in (left, *others):
        each.write_text("half")
        os.utime(each, (1, 1))  # a copied file may have any time: when it changed here counts
    write.replace_text(path, "new", inside=tmp_path)
    assert left.exists()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1.1 * 86_400)
    write.replace_text(path, "newer", inside=tmp_path)
    assert not left.exists()
    assert all(each.exists() for each in (*others, folder))
    assert path.read_text() == "newer"
