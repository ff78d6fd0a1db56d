"""The store of a test."""

from pathlib import Path

import pytest

from modelsync.store.layout import Store


@pytest.fixture
def store(store_root: Path) -> Store:
    """A store in which nothing is."""
    return Store(store_root)
