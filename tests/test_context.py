"""What a call's settings mean for what it asks."""

import pytest

from modelsync.context import CallOptions
from modelsync.errors import NetworkError
from modelsync.ops import sync
from tests.hub import Delay, Stall
from tests.support.content import gguf
from tests.support.project import REPO, Opened, Place


def test_the_timeout_is_the_settings(place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """MODELSYNC_HTTP_TIMEOUT: so many seconds without a byte."""
    monkeypatch.setenv("MODELSYNC_HTTP_TIMEOUT", "0.2")
    place.hub.misbehave(Stall(0), where="plain")
    url = place.hub.file("/x", b"xyz")
    with pytest.raises(NetworkError, match=r"silent for 0\.2 s"), opened().client().open(url) as body:
        list(body.chunks())


@pytest.mark.parametrize("streams", [1, 3])
def test_files_come_over_as_many_connections_as_were_asked_for(
    place: Place, opened: Opened, streams: int
) -> None:
    """`--jobs` bounds them, however many files there are."""
    names = [f"m{number}.gguf" for number in range(12)]
    place.repo.commit({name: gguf(name) for name in names})
    project = place.write("[models]\n" + "".join(f'{name[:-5]} = "hf:{REPO}/{name}"\n' for name in names))
    place.hub.misbehave(Delay(0.05), where="cdn", times=None)
    sync.sync(opened(CallOptions(jobs=streams)), project)
    assert len(place.hub.seen("cdn")) == 12
    assert len({seen.connection for seen in place.hub.seen("cdn")}) <= streams
