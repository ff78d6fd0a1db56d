"""What the tests of the sources share: runs of the program that ask the test's hub."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from modelsync.net.client import Client
from modelsync.net.config import UserConfig
from modelsync.net.credentials import gather
from modelsync.settings import Settings
from tests.hub import Hub
from tests.support.source_calls import Asker, StartRun


@pytest.fixture
def run(hub: Hub, tmp_path: Path) -> Iterator[StartRun]:
    """Starts a run of the program: nothing is remembered from the one before."""
    with ExitStack() as stack:

        def start(token: str | None = None, endpoint: str | None = None) -> Asker:
            endpoint = endpoint or hub.endpoint
            settings = Settings(endpoint=endpoint, token=token, implicit_token=token is not None)
            credentials = gather(settings, UserConfig({}, frozenset()))
            client = stack.enter_context(Client(credentials=credentials, timeout=5))
            return Asker(endpoint, tmp_path, client)

        yield start


@pytest.fixture
def ask(run: StartRun) -> Asker:
    """One run without a token."""
    return run()
