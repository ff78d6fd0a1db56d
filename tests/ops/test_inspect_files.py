"""`inspect` of what is no GGUF: headers of safetensors, and of other files what they are."""

import hashlib
from pathlib import Path

import pytest

import modelsync
from modelsync.context import CallOptions, Context
from modelsync.errors import NotAModelError, NotFoundError, NotSyncedError
from modelsync.ops import inspect, lock, sync
from modelsync.ops.inspect_files import FilesInspection
from tests.hub import IgnoreRange, Repo
from tests.support.command_line import Cli
from tests.support.folder_models import FOLDER, FOLDER_REPO, PATHS, minilm, safetensors, taken
from tests.support.other_models import onnx_pair, whisper
from tests.support.project import Opened, Place

ROWS = 80_000  # the weights of a file of which only the header is worth reading


@pytest.fixture
def repo(place: Place) -> Repo:
    """The hub's repo, with the files of `minilm`."""
    made = place.hub.repo(FOLDER_REPO)
    made.commit(minilm())
    return made


def found_of(context: Context, place: Place, text: str) -> FilesInspection:
    """What `inspect` finds of something that is no GGUF."""
    found = inspect.inspect(context, text, lambda: place.project)
    assert isinstance(found, FilesInspection)
    return found


def test_a_safetensors_file_is_read_by_its_header_alone(place: Place, repo: Repo, context: Context) -> None:
    """At its source too: tensors, types and metadata, for less than a tenth of its bytes."""
    data = safetensors(rows=ROWS, metadata={"format": "pt", "note": "hello"})
    repo.commit({"large.safetensors": data})
    found = found_of(context, place, f"hf:{FOLDER_REPO}/large.safetensors")
    assert (found.kind, found.file_size, found.tensor_count) == ("safetensors", len(data), 2)
    assert found.parameters == 2 * ROWS + ROWS
    assert [tuple(row) for row in found.types] == [
        ("F32", 1, 2 * ROWS, 8 * ROWS),
        ("I64", 1, ROWS, 8 * ROWS),
    ]
    assert found.value("note") == "hello"
    with pytest.raises(NotFoundError, match="no key `nota`") as caught:
        found.value("nota")
    assert caught.value.hint == "did you mean note?"
    assert found.contents[0].sha256 == hashlib.sha256(data).hexdigest()  # the hub publishes it
    assert sum(seen.sent for seen in place.hub.seen(match="*large*", method="GET")) < len(data) // 10


def test_a_server_without_ranges_is_read_as_far_as_needed(place: Place, context: Context) -> None:
    """It sends the whole file; the header comes first."""
    data = safetensors(rows=ROWS)
    url = place.hub.file("/files/weights.safetensors", data)
    place.hub.misbehave(IgnoreRange(), where="plain", times=None)
    found = found_of(context, place, url)
    assert (found.tensor_count, found.file_size) == (2, len(data))


def test_a_folder_model_is_a_row_a_file(place: Place, repo: Repo, context: Context, opened: Opened) -> None:
    """Locked or here: kind, size and the lock's digest of each; offline where it is here."""
    assert repo.branches
    project = place.write(FOLDER)
    lock.lock(context, project)
    for _ in ("locked", "here"):
        found = found_of(context, place, "minilm")
        assert (found.kind, found.files) == ("folder", PATHS)
        assert [one.content.kind for one in found.contents] == ["json", "json", "safetensors", "json", "json"]
        assert {one.path: one.sha256 for one in found.contents} == {
            path: hashlib.sha256(data).hexdigest() for path, data in taken(minilm()).items()
        }
        assert (found.tensor_count, found.parameters, found.metadata) == (2, 12, {"format": "pt"})
        sync.sync(context, project)
    assert found_of(opened(CallOptions(offline=True)), place, "minilm") == found
    assert found.to_dict()["contents"][2]["tensor_count"] == 2


def test_what_is_not_here_cannot_be_looked_into_offline(
    place: Place, repo: Repo, context: Context, opened: Opened
) -> None:
    """An error that says so, before anything is asked."""
    repo.commit({"large.safetensors": safetensors(rows=ROWS)})
    project = place.write(f'[models]\nlarge = "hf:{FOLDER_REPO}/large.safetensors"\n')
    lock.lock(context, project)
    with pytest.raises(NotSyncedError, match="network is ruled out"):
        inspect.inspect(opened(CallOptions(offline=True)), "large", lambda: project)


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("ggml-tiny.bin", whisper(), "ggml"),
        ("model.onnx", onnx_pair()[0], "onnx"),
        ("config.json", b'{"a": 1}', "json"),
        ("notes.xyz", b"what nobody knows", "unknown"),
        ("weights.safetensors", safetensors(), "safetensors"),
    ],
)
def test_a_local_file_says_kind_size_and_digest(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    """Of what is named by its path the digest is computed."""
    (tmp_path / name).write_bytes(data)
    found = modelsync.inspect(str(tmp_path / name))
    assert isinstance(found, FilesInspection)
    (one,) = found.contents
    assert (found.kind, one.size, one.sha256) == (kind, len(data), hashlib.sha256(data).hexdigest())


def test_a_damaged_safetensors_file_says_what_is_wrong(tmp_path: Path) -> None:
    """Its end is missing: no header is shown, and the fault is."""
    (tmp_path / "cut.safetensors").write_bytes(safetensors()[:-1])
    found = modelsync.inspect(str(tmp_path / "cut.safetensors"))
    assert isinstance(found, FilesInspection)
    assert found.contents[0].header is None
    assert "tensors end at byte" in str(found.contents[0].content.fault)


def test_a_gguf_under_another_name_is_one(tmp_path: Path, tiny_gguf: Path) -> None:
    """As Ollama keeps them: the bytes decide."""
    (tmp_path / "sha256-1234").write_bytes(tiny_gguf.read_bytes())
    found = modelsync.inspect(str(tmp_path / "sha256-1234"))
    assert not isinstance(found, FilesInspection)
    assert found.architecture == "llama"


def test_what_is_named_as_a_gguf_has_to_be_one(tmp_path: Path) -> None:
    """It is an error, whatever else it is."""
    (tmp_path / "x.gguf").write_bytes(safetensors())
    with pytest.raises(NotAModelError, match="not a GGUF model: it looks like safetensors"):
        modelsync.inspect(str(tmp_path / "x.gguf"))


def test_an_estimate_of_another_file_says_what_it_is(place: Place, repo: Repo, context: Context) -> None:
    """The error names the kind, or the folder, and a command that works."""
    assert context
    assert repo.commit({"ggml-tiny.bin": whisper()})
    with pytest.raises(NotAModelError, match="not a GGUF model: it is in a GGML format") as caught:
        modelsync.estimate(f"hf:{FOLDER_REPO}/ggml-tiny.bin")
    assert "whisper.cpp" in (caught.value.hint or "")
    place.write(FOLDER)
    modelsync.lock(manifest=place.folder)
    with pytest.raises(
        NotAModelError, match="minilm is not a GGUF model: it is a folder of 5 files"
    ) as caught:
        modelsync.estimate("minilm", manifest=place.folder)
    assert "modelsync path" in (caught.value.hint or "")


def test_the_command_shows_a_folder(empty: Cli) -> None:
    """A table of its files, and one of its types; JSON has all of it, and `--key` one value."""
    empty.hub.repo(FOLDER_REPO).commit(minilm())
    empty.write(FOLDER)
    empty("sync", "-q")
    shown = empty("inspect", "minilm").out
    assert "a folder of files" in shown
    assert "5 files" in shown
    assert "1_Pooling/config.json" in shown
    assert "F32" in shown
    assert "embeddings" in empty("inspect", "minilm", "--tensors").out
    assert empty("inspect", "minilm", "--key", "format").out == "pt\n"
    found = empty("inspect", "minilm", "--format", "json").json
    assert (found["kind"], found["tensor_count"], found["files"]) == ("folder", 2, list(PATHS))
