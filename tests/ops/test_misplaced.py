"""Fetched files that are not what their entry says: a note, and nothing is refused."""

from pathlib import Path
from typing import Any

import pytest

from modelsync.context import Context
from modelsync.fetch import headers
from modelsync.gguf.foreign_types import FOREIGN_TYPES
from modelsync.gguf.header import Header
from modelsync.gguf.types import BY_NAME, TensorType
from modelsync.gguf.writer import write_header
from modelsync.ops import sync
from tests.support.project import REPO, Place

LLAMA: dict[str, Any] = {"general.architecture": "llama"}
IMATRIX: dict[str, Any] = {"general.type": "imatrix"}
CLIP: dict[str, Any] = {"general.architecture": "clip"}


def data(metadata: dict[str, Any], kind: TensorType = BY_NAME["F32"]) -> bytes:
    file = write_header(metadata, [("blk.0.ffn_up.weight", (256, 2), kind)])
    return file.header.ljust(file.size, b"\0")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (data(IMATRIX), "x: x.gguf is an importance matrix, not a model"),
        (data(CLIP), "x: x.gguf is a projector, not a model"),
        (
            data(LLAMA, FOREIGN_TYPES[144]),
            "llama.cpp does not load x: x.gguf: its tensors have types of ik_llama.cpp: IQ4_KS",
        ),
        (data(LLAMA), None),
        (data({}), None),
    ],
)
@pytest.mark.parametrize("where", ["hub", "url"])
def test_a_model_that_is_none_is_told_once_it_is_here(
    place: Place, context: Context, made: bytes, words: str | None, where: str
) -> None:
    """From a hub or read to be locked: it is fetched all the same, and a note says what it is; a good one has none."""
    if where == "hub":
        place.repo.commit({"x.gguf": made})
        uri = f"hf:{REPO}/x.gguf"
    else:
        uri = place.hub.file("/x.gguf", made)
    report = sync.sync(context, place.write(f'[models]\nx = "{uri}"\n'))
    told = [note for note in report.notes if "read once" not in note]
    assert told == ([words] if words is not None else [])


def test_a_companion_of_another_kind_is_told(place: Place, context: Context) -> None:
    """A model in the place of a projector; the right adapter beside it is not mentioned."""
    adapter = data({**LLAMA, "general.type": "adapter"})
    place.repo.commit({"m.gguf": data(LLAMA), "p.gguf": data({**LLAMA, "a": 1}), "l.gguf": adapter})
    manifest = (
        f'[models.m]\nuri = "hf:{REPO}/m.gguf"\nmmproj = "hf:{REPO}/p.gguf"\nloras = ["hf:{REPO}/l.gguf"]\n'
    )
    report = sync.sync(context, place.write(manifest))
    assert report.notes == ("m: p.gguf is a model, not a projector",)


@pytest.mark.parametrize("where", ["hub", "url"])
def test_a_file_that_goes_before_it_is_looked_at_is_fetched_again(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """`cache clean` beside a sync, just when the header of what came is read: it costs a fetch, not the sync."""
    made, of_blob = data(LLAMA), headers.of_blob
    place.repo.commit({"x.gguf": made})
    uri = f"hf:{REPO}/x.gguf" if where == "hub" else place.hub.file("/x.gguf", made)
    gone: list[Path] = []

    def emptied(context: Context, label: str, blob: Path) -> Header:
        if not gone:
            gone.append(blob)
            blob.unlink()
        return of_blob(context, label, blob)

    monkeypatch.setattr(headers, "of_blob", emptied)
    sync.sync(context, place.write(f'[models]\nx = "{uri}"\n'))
    assert gone[0].read_bytes() == made
