"""Fixtures of the transfer tests."""

from pathlib import Path

import pytest

from tests.support.transfers import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "partials")
