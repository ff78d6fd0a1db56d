"""One registry for all tests of pushes in a process."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.registries import Registry, registry


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that asks for nothing. Each test has a repository of its own."""
    with registry(tmp_path_factory.mktemp("registry")) as there:
        yield there


@pytest.fixture
def target(running: Registry, tmp_path: Path) -> str:
    """A repository with nothing in it."""
    return f"oci://{running.host}/team/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
