"""Inspect: what a header says, wherever the file is, and what it costs to read it there."""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from modelsync.context import CallOptions, Context
from modelsync.errors import (
    HashMismatchError,
    ManifestError,
    ModelsyncError,
    NetworkError,
    NotAModelError,
    NotFoundError,
    NotSyncedError,
    RefusedError,
    StaleLockError,
)
from modelsync.fetch.range_reader import WindowReader
from modelsync.fetch.wanted import WantedFile
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import Info, write_header
from modelsync.ops import inspect as ops_inspect
from modelsync.ops import lock, pull, sync
from modelsync.ops.inspect import Inspection
from modelsync.sources.base import Found
from modelsync.transfer.jobs import Segment
from modelsync.transfer.rate_limit import BURST, HELD
from tests.hub import Cut, IgnoreRange, OtherRange, Replaced, Seen, Shorter, Status, WrongRange
from tests.support import raw_header
from tests.support.project import REPO, Opened, Place
from tests.support.units import MiB

FIRST, NEXT = 2 * MiB, 4 * MiB
TENSORS: tuple[Info, ...] = tuple(
    (f"blk.{index}.weight", (256, 4), BY_NAME["Q8_0" if index else "F32"]) for index in range(4)
)
KEYS: dict[str, Any] = {"general.architecture": "llama", "general.name": "Tiny", "llama.context_length": 4096}

Inspect = Callable[..., Inspection]


def model(
    padding: int = 0, data: int = 0, tensors: tuple[Info, ...] = TENSORS, **keys: Any
) -> tuple[bytes, int]:
    """A model whose header has about `padding` bytes of words, and `data` bytes behind; with its header's size."""
    words = [f"{index:099d}" for index in range(padding // 107)]
    file = write_header({**KEYS, **keys, "words": words}, tensors)
    return file.header.ljust(file.size, b"\1") + bytes(data), len(file.header)


@pytest.fixture
def inspect(place: Place, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> Inspect:
    """Inspects something in the place's folder."""
    monkeypatch.chdir(place.folder)

    def run(text: str, context: Context | None = None, **options: Any) -> Inspection:
        found = ops_inspect.inspect(context or opened(), text, lambda: place.project, **options)
        assert isinstance(found, Inspection)
        return found

    return run


def sent(place: Place, match: str = "*") -> list[Seen]:
    """The answers that brought bytes of a file."""
    return [seen for seen in place.hub.seen(match=match, method="GET") if seen.server != "hub" and seen.sent]


# --- what it costs -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big() -> tuple[bytes, int]:
    """A model with a header of 16 MB, and 12 MiB behind it."""
    return model(16_000_000, 12 * MiB)


@pytest.mark.parametrize("where", ["hub", "url"])
def test_a_header_of_16_mb_takes_five_requests(
    place: Place, inspect: Inspect, big: tuple[bytes, int], where: str
) -> None:
    """2 MiB, then 4 MiB at a time, each byte once, and no more than 4 MiB over; at a URL nothing else is asked."""
    data, size = big
    place.repo.commit({"big-F16.gguf": data})
    url = place.hub.file("/big-F16.gguf", data)
    found = inspect(f"hf:{REPO}:F16" if where == "hub" else url)
    assert (found.header_bytes, found.file_size, len(found.metadata["words"])) == (  # type: ignore[arg-type]
        size,
        len(data),
        16_000_000 // 107,
    )
    starts = [0, *range(FIRST, size, NEXT)]
    ends = [*starts[1:], starts[-1] + NEXT]
    assert [seen.range for seen in sent(place)] == [
        f"bytes={start}-{end - 1}" for start, end in zip(starts, ends, strict=True)
    ]
    assert len(starts) == 5
    assert sum(seen.sent for seen in sent(place)) <= size + NEXT
    if where == "url":
        assert len(place.hub.seen()) == 5
    else:
        assert len(place.hub.seen("hub", "*.gguf")) == 1  # where its redirect leads is asked from then on


def test_a_header_is_read_no_faster_than_the_limit(
    place: Place, inspect: Inspect, opened: Opened, big: tuple[bytes, int]
) -> None:
    """`--max-rate` holds back the reading of headers too, and that of windows: it is the same network."""
    data, size = big
    rate = 16 * MiB
    url = place.hub.file("/big.gguf", data)
    context = opened(CallOptions(max_rate=rate))
    begun = time.monotonic()
    assert inspect(url, context).header_bytes == size
    need = WantedFile(
        "big",
        Found("model", "big.gguf", url, len(data), None),
        (Segment(url, len(data)),),
        lambda error: error,
    )
    reader = WindowReader(context, need)
    assert reader.read(0, len(data)) == data
    assert (size + len(data)) / rate <= time.monotonic() - begun + BURST + HELD


def test_a_small_model_is_one_request(place: Place, inspect: Inspect) -> None:
    """A range is never asked past the end of the file, where that is known, and a file may be shorter than one."""
    data, size = model()
    place.repo.commit({"small-F16.gguf": data})
    url = place.hub.file("/small.gguf", data)
    assert inspect(f"hf:{REPO}:F16").header_bytes == size
    assert [seen.range for seen in sent(place)] == [f"bytes=0-{len(data) - 1}"]
    place.hub.clear()
    assert inspect(url).file_size == len(data)
    assert [seen.sent for seen in place.hub.seen()] == [len(data)]


def test_nothing_is_asked_for_twice_when_connections_break(
    place: Place, inspect: Inspect, big: tuple[bytes, int]
) -> None:
    """What came before a break is kept; the next range begins behind it. Errors of a moment are tried again."""
    data, size = big
    url = place.hub.file("/big.gguf", data)
    cut = 1_500_000
    place.hub.misbehave(Cut(cut), where="plain")
    place.hub.misbehave(Status(503), where="plain", skip=2)
    assert inspect(url).header_bytes == size
    seen = sent(place)
    assert [one.range for one in seen if one.status == 206][:2] == [
        f"bytes=0-{FIRST - 1}",
        f"bytes={cut}-{cut + NEXT - 1}",
    ]
    assert sum(one.sent for one in seen if one.status == 206) <= size + NEXT


def test_a_signed_url_that_expires_on_the_way_is_asked_for_again(
    place: Place, inspect: Inspect, big: tuple[bytes, int]
) -> None:
    """The hub is asked for another, and reading goes on where it was."""
    data, size = big
    place.repo.commit({"big-F16.gguf": data})
    place.hub.misbehave(Status(403), where="cdn", skip=2)
    assert inspect(f"hf:{REPO}:F16").header_bytes == size
    assert len(place.hub.seen("hub", "*.gguf")) == 2
    assert len([seen for seen in sent(place) if seen.status == 206]) == 5


def test_a_server_without_ranges_is_read_until_the_header_is_whole(place: Place, inspect: Inspect) -> None:
    """One answer, which is left as soon as it has told enough."""
    data, size = model(3 * MiB, 64 * MiB)
    found = inspect(place.hub.file("/plain.gguf", data, ranges=False))
    assert (found.header_bytes, found.file_size) == (size, len(data))
    (seen,) = place.hub.seen()
    assert seen.status == 200


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (WrongRange(1), "was asked for the bytes"),
        (OtherRange(1), "was asked for the bytes"),
        (IgnoreRange(), "sent the whole file"),
        (WrongRange(0, total=17 * MiB), "changed at its source"),
        (Replaced(bytes(9 * MiB)), "changed at its source"),
    ],
)
def test_a_range_is_what_was_asked_or_it_is_refused(
    place: Place, inspect: Inspect, monkeypatch: pytest.MonkeyPatch, fault: Any, words: str
) -> None:
    """206, the bytes that were asked for, of the same version: nothing else is joined to what is here."""
    monkeypatch.setattr("modelsync.net.retry.FIRST_WAIT", 0.01)
    url = place.hub.file("/big.gguf", model(8 * MiB)[0])
    place.hub.misbehave(fault, where="plain", skip=1, times=None)
    with pytest.raises(NetworkError, match=words):
        inspect(url)


def test_another_file_than_the_promised_one_is_refused(place: Place, inspect: Inspect) -> None:
    """The hub tells a size; what has another is not it."""
    place.repo.commit({"big-F16.gguf": model(4 * MiB)[0]})
    place.hub.misbehave(Shorter(1000), where="cdn", times=None)
    with pytest.raises(HashMismatchError, match="another file at its source"):
        inspect(f"hf:{REPO}:F16")


# --- where it is -------------------------------------------------------------------------------------


def parts(count: int = 3) -> Mapping[str, bytes]:
    """A split model as llama.cpp makes it."""
    tensors = tuple((f"blk.{index}.weight", (256, 64), BY_NAME["Q8_0"]) for index in range(count * 2))
    made = {}
    for number in range(count):
        keys = {"split.no": number, "split.count": count, "split.tensors.count": len(tensors)}
        file = write_header({**(KEYS if not number else {}), **keys}, tensors[number * 2 : number * 2 + 2])
        made[f"big-Q8_0-{number + 1:05d}-of-{count:05d}.gguf"] = file.header.ljust(file.size, b"\1")
    return made


@pytest.mark.parametrize("where", ["hub", "url", "path", "named"])
def test_a_split_model_is_shown_as_one(
    place: Place, inspect: Inspect, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """By its quant, or any of its parts: the metadata of the first, the tensors and bytes of all; each read once."""
    files = parts()
    place.repo.commit({"tiny-Q8_0.gguf": None, **files})
    urls = [place.hub.file(f"/{name}", data) for name, data in files.items()]
    for name, data in files.items():
        (place.folder / name).write_bytes(data)
    monkeypatch.setenv("MODELSYNC_PATH_BIG", str(place.folder / next(iter(files))))
    asked = {"hub": f"hf:{REPO}:Q8_0", "url": urls[1], "path": f"./{list(files)[2]}", "named": "big"}
    found = inspect(asked[where])
    assert (found.name, found.tensor_count, found.header.parts) == ("Tiny", 6, 3)
    assert found.file_size == sum(map(len, files.values()))
    assert list(found.files) == list(files)
    assert len(sent(place)) == (3 if where in ("hub", "url") else 0)
    assert len({seen.path for seen in sent(place)}) == len(sent(place))


def test_pieces_are_read_as_the_file_they_make(place: Place, inspect: Inspect) -> None:
    """`.part1of2`: where the first ends inside the header, the second is asked from its start."""
    data, size = model(3 * MiB, 1000)
    url = place.hub.file("/m.gguf.part1of2", data[:MiB])
    place.hub.file("/m.gguf.part2of2", data[MiB:])
    assert inspect(url).header_bytes == size
    assert [(seen.path, seen.sent) for seen in sent(place)] == [
        ("/m.gguf.part1of2", MiB),
        ("/m.gguf.part2of2", len(data) - MiB),
    ]


def test_a_locked_model_is_read_once_over_the_network(
    place: Place, inspect: Inspect, opened: Opened, store_root: Path
) -> None:
    """Its header is kept by digest, for other projects and for when there is no network; a bad one is read again."""
    data, size = model(MiB, 1000)
    place.repo.commit({"tiny-Q4_K_M.gguf": data})
    project = place.write(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    lock.lock(opened(), project)
    place.hub.clear()
    first = inspect("tiny")
    assert (first.header_bytes, first.license) == (size, "apache-2.0")
    assert [seen.server for seen in place.hub.seen()] == ["hub", "cdn"]
    place.hub.clear()
    for offline in (False, True):
        assert inspect("tiny", opened(CallOptions(offline=offline))).to_dict() == first.to_dict()
    assert place.hub.seen() == []
    (kept,) = (store_root / "headers-v1").glob("*/*")
    assert kept.read_bytes() == data[:size]
    kept.write_bytes(data[: size // 2])
    with pytest.raises(NotSyncedError):
        inspect("tiny", opened(CallOptions(offline=True)))
    assert inspect("tiny").to_dict() == first.to_dict()
    assert kept.read_bytes() == data[:size]


@pytest.mark.parametrize("folder", ["", '[modelsync]\ndir = "models"\n'])
def test_what_is_here_is_read_here(
    place: Place, inspect: Inspect, opened: Opened, store_root: Path, folder: str
) -> None:
    """A synced model is read from its folder or the store, offline too, whatever may be kept of its header."""
    data, size = model(MiB, 1000)
    place.repo.commit({"tiny-Q4_K_M.gguf": data})
    project = place.write(f'{folder}[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    sync.sync(opened(), project)
    if folder:
        shutil.rmtree(store_root)
    place.hub.clear()
    assert inspect("tiny", opened(CallOptions(offline=True))).header_bytes == size
    assert place.hub.seen() == []
    assert not (store_root / "headers-v1").exists()


def test_a_uri_is_what_it_means_now_and_offline_what_was_pulled(
    place: Place, inspect: Inspect, opened: Opened
) -> None:
    """Online upstream is asked, and no byte of a file that is here; offline a pulled URI answers, another does not."""
    data, size = model(MiB)
    place.repo.commit({"tiny-Q4_K_M.gguf": data})
    uri = f"hf:{REPO}:Q4_K_M"
    with pytest.raises(NotSyncedError, match="never pulled"):
        inspect(uri, opened(CallOptions(offline=True)))
    pull.pull(opened(), [uri])
    place.hub.clear()
    assert inspect(uri, opened(CallOptions(offline=True))).header_bytes == size
    assert place.hub.seen() == []
    assert inspect(uri).header_bytes == size
    assert sent(place) == []


def test_words_that_name_nothing(place: Place, inspect: Inspect) -> None:
    """A name that is none, one that is not locked, a file that is called like a name: the hint says what would do."""
    with pytest.raises(ManifestError):
        inspect("tiny")
    place.write(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    with pytest.raises(StaleLockError) as stale:
        inspect("tiny")
    assert "`modelsync lock`" in str(stale.value.hint)
    (place.folder / "tiny.gguf").write_bytes(model()[0])
    with pytest.raises(NotFoundError) as missing:
        inspect("tiny.gguf")
    assert "`./tiny.gguf` names the file here" in str(missing.value.hint)
    assert inspect("./tiny.gguf").name == "Tiny"
    for gone in (f"hf:{REPO}:Q2_K", f"{place.hub.plain}/none.gguf", "./none.gguf"):
        with pytest.raises(NotFoundError):
            inspect(gone)
    with pytest.raises(RefusedError, match="folder"):
        inspect("../project")


# --- what is no GGUF ---------------------------------------------------------------------------------

PART: dict[str, Any] = {"split.count": 2, "split.no": 0}
HEADER = model(20_000)[0]
BAD = {
    "a web page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "login"),
    "an LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS pointer"),
    "nothing": (b"", "it is empty"),
    "half a header": (HEADER[:10_000], "looks truncated"),
    "half its data": (HEADER[:-100], "looks truncated"),
    "version 1": (raw_header.header(version=1), "version 1"),
    "version 1, big-endian": (b"GGUF" + (1).to_bytes(4, "big") + bytes(16), "version 1"),
    "a part alone": (model(**PART)[0], "there are 2 parts"),
}


@pytest.mark.parametrize("where", ["path", "url", "hub"])
@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_good_gguf_is_told_apart(place: Place, inspect: Inspect, kind: str, where: str) -> None:
    """Wherever it comes from, the reader's own words say what it is instead."""
    data, words = BAD[kind]
    (place.folder / "bad.gguf").write_bytes(data)
    if where == "url":
        asked = place.hub.file("/bad.gguf", data)
    elif where == "hub":
        place.repo.commit({"bad.gguf": data})
        asked = f"hf:{REPO}/bad.gguf"
    else:
        asked = "./bad.gguf"
    with pytest.raises(NotAModelError) as told:
        inspect(asked)
    assert words in f"{told.value.message} {told.value.hint}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_only_regular_files_are_read(place: Place, inspect: Inspect) -> None:
    """A pipe nobody writes to is refused, and not waited for."""
    os.mkfifo(place.folder / "pipe.gguf")
    with pytest.raises(ModelsyncError, match="a model is a regular file"):
        inspect("./pipe.gguf")


# --- what it says ------------------------------------------------------------------------------------


def test_numbers_of_a_model(place: Place, inspect: Inspect) -> None:
    """Parameters, those that a token meets, true bits per weight, tensors by type, the quant by name or header."""
    tensors: tuple[Info, ...] = (
        ("token_embd.weight", (256, 8), BY_NAME["F32"]),
        ("blk.0.ffn_up_exps.weight", (256, 4, 8), BY_NAME["Q8_0"]),
    )
    keys: dict[str, Any] = {"llama.expert_count": 8, "llama.expert_used_count": 2}
    data, _ = model(tensors=tensors, **keys, **{"general.file_type": 1024 + 15})
    (place.folder / "m-UD-Q2_K.gguf").write_bytes(data)
    found = inspect("./m-UD-Q2_K.gguf")
    assert (found.parameters, found.active_parameters) == (2048 + 8192, 2048 + 2048)
    assert found.bits_per_weight == (2048 * 32 + 8192 * 8.5) / (2048 + 8192)
    assert [(row.type, row.tensors, row.parameters) for row in found.types] == [
        ("Q8_0", 1, 8192),
        ("F32", 1, 2048),
    ]
    assert (found.quant, found.file_type) == ("UD-Q2_K", "Q4_K_M")
    assert (found.version, found.architecture) == (3, "llama")
    (place.folder / "m.gguf").write_bytes(data)
    assert inspect("./m.gguf").quant == "Q4_K_M"
    (place.folder / "m-UD-Q2_K.gguf").write_bytes(model()[0])
    assert (inspect("./m-UD-Q2_K.gguf").quant, inspect("./m-UD-Q2_K.gguf").file_type) == ("UD-Q2_K", None)


def test_a_key_that_is_not_there_is_answered_with_the_nearest(place: Place, inspect: Inspect) -> None:
    """Without its architecture too."""
    (place.folder / "m.gguf").write_bytes(model()[0])
    found = inspect("./m.gguf")
    assert found.value("llama.context_length") == 4096
    for asked in ("context_length", "llama.context_lenght"):
        with pytest.raises(NotFoundError, match="has no key") as told:
            found.value(asked)
        assert "llama.context_length" in str(told.value.hint)
