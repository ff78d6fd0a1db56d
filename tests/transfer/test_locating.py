"""Where a hub's addresses lead is asked ahead of the bytes, once it is known that they lead elsewhere."""

from collections import Counter

from modelsync.transfer.jobs import Segment
from tests.hub import Headers, Hub, Status
from tests.support.content import noise
from tests.support.transfers import Lab
from tests.support.units import MiB

FILES = {f"m{number}.gguf": noise(50_000, number) for number in range(20)}


def urls(hub: Hub) -> dict[str, str]:
    hub.repo("u/m").commit(FILES, lfs=None)
    return {name: f"{hub.endpoint}/u/m/resolve/main/{name}" for name in FILES}


def fetch(hub: Hub, lab: Lab, streams: int = 2) -> None:
    jobs = [lab.job(url, FILES[name], label=name) for name, url in urls(hub).items()]
    outcome = lab.run(*jobs, streams=streams)
    assert {label: data for label, (_, data) in outcome.done.items()} == FILES


def test_every_address_is_asked_once_and_mostly_beforehand(hub: Hub, lab: Lab) -> None:
    """Each file costs one question to the hub and one to its CDN, and of the hub's few are on a stream's time."""
    fetch(hub, lab)
    assert set(Counter(seen.path for seen in hub.seen("hub")).values()) == {1}
    assert len(hub.seen("cdn")) == len(FILES)
    beforehand = hub.seen("hub", method="HEAD")
    assert len(beforehand) >= len(FILES) // 2
    assert {seen.status for seen in beforehand} == {302}


def test_an_address_that_is_good_for_a_head_alone_is_asked_for_again(hub: Hub, lab: Lab) -> None:
    """Where a CDN refuses the URL that a HEAD got, a GET gets another, and HEADs soon stop."""
    nowhere = Headers({"Location": f"{hub.cdn}/x?Signature=for-a-head"})
    hub.misbehave(nowhere, where="hub", method="HEAD", times=None)
    fetch(hub, lab)
    assert 1 <= len(hub.seen("hub", method="HEAD")) <= len(FILES) // 2
    assert len(hub.seen("hub", method="GET")) == len(FILES)


def test_a_hub_that_fails_beforehand_is_asked_again(hub: Hub, lab: Lab) -> None:
    """What goes wrong with the question ahead costs nothing but the question."""
    hub.misbehave(Status(503, {"Retry-After": "0"}), where="hub", method="HEAD", times=None)
    fetch(hub, lab)


def test_a_host_that_leads_nowhere_is_asked_for_the_bytes_at_once(hub: Hub, lab: Lab) -> None:
    """There is no question but that for the bytes."""
    jobs = [lab.job(hub.file(f"/{name}", data), data, label=name) for name, data in FILES.items()]
    assert len(lab.run(*jobs, streams=2).done) == len(FILES)
    assert len(hub.requests) == len(FILES)
    assert {seen.method for seen in hub.requests} == {"GET"}


def test_what_most_likely_leads_elsewhere_is_asked_beforehand_from_the_first_file_on(
    hub: Hub, lab: Lab
) -> None:
    """With `redirects`, no stream waits for the hub, and no file is requested twice."""
    jobs = [
        lab.job([Segment(url, len(FILES[name]), redirects=True)], FILES[name], label=name)
        for name, url in urls(hub).items()
    ]
    assert len(lab.run(*jobs, streams=2).done) == len(FILES)
    assert [seen.method for seen in hub.seen("hub")] == ["HEAD"] * len(FILES)
    assert len(hub.seen("cdn")) == len(FILES)


def test_a_mirror_that_gives_the_bytes_itself_is_soon_asked_for_nothing_else(hub: Hub, lab: Lab) -> None:
    """What was thought to lead elsewhere and does not costs a few questions, for the files that were open by then."""
    jobs = [
        lab.job([Segment(hub.file(f"/{name}", data), len(data), redirects=True)], data, label=name)
        for name, data in FILES.items()
    ]
    assert len(lab.run(*jobs, streams=2).done) == len(FILES)
    assert len(hub.seen("plain", method="GET")) == len(FILES)
    assert len(hub.seen("plain", method="HEAD")) <= 2 * 2


def test_a_mirror_that_knows_no_head_is_soon_asked_for_nothing_else(hub: Hub, lab: Lab) -> None:
    """A question that fails is not repeated for every file: the next ones are asked for their bytes at once."""
    hub.misbehave(Status(405), where="hub", method="HEAD", times=None)
    jobs = [
        lab.job([Segment(url, len(FILES[name]), redirects=True)], FILES[name], label=name)
        for name, url in urls(hub).items()
    ]
    assert len(lab.run(*jobs, streams=2).done) == len(FILES)
    assert 1 <= len(hub.seen("hub", method="HEAD")) <= 2 * 2


def test_a_large_file_has_its_redirect_followed(hub: Hub, lab: Lab) -> None:
    """Its many streams wait for that once: no question goes before the one for its bytes."""
    data = noise(9 * MiB)
    hub.repo("u/large").commit({"m.gguf": data}, lfs=None)
    url = f"{hub.endpoint}/u/large/resolve/main/m.gguf"
    assert lab.run(lab.job([Segment(url, len(data), redirects=True)], data)).only.fetched == len(data)
    assert [seen.method for seen in hub.seen("hub")] == ["GET"]
