"""Files that can run code are refused at lock, as they arrive and before they are shown, unless permitted."""

import gzip
import random
from pathlib import Path

import pytest

from modelsync.context import Context
from modelsync.errors import CodeRefusedError, ModelsyncError, NotAModelError
from modelsync.ops import lock, pull, sync
from modelsync.ops.options import FolderOptions, PullOptions
from tests.support import any_files
from tests.support.content import gguf
from tests.support.project import Opened, Place

FOLDER = {
    "config.json": b"{}",
    "modeling.py": b"import os\n",
    "pytorch_model.bin": any_files.TORCH + bytes(0),
    "speaker/x.ckpt": any_files.PICKLE,
    "empty.txt": b"",
    "page.html": any_files.PAGE,
}


def _write(place: Place, *lines: str, include: str = '"*"') -> object:
    text = "\n".join(lines)
    return place.write(f'[models.m]\nuri = "hf:user/any"\ninclude = [{include}]\n{text}\n')


@pytest.fixture
def folder(place: Place) -> Place:
    """A repo with a bit of everything."""
    place.hub.repo("user/any").commit(dict(FOLDER))
    return place


def test_lock_names_each_file_and_both_ways_out(folder: Place, context: Context) -> None:
    """One error tells all files that can run code, what each is, and how to leave it out or permit it."""
    with pytest.raises(CodeRefusedError) as caught:
        lock.lock(context, _write(folder))  # type: ignore[arg-type]
    told = caught.value
    for path in ("modeling.py", "pytorch_model.bin", "speaker/x.ckpt"):
        assert path in told.message
        assert path in (told.hint or "")
    assert "config.json" not in told.message
    assert "exclude = [" in (told.hint or "")
    assert "allow-code = [" in (told.hint or "")
    assert not folder.project.loaded().lock


def test_globs_permit_or_leave_out(folder: Place, context: Context, opened: Opened) -> None:
    """With both ways out the rest is locked and synced: an empty file and a page of the commit too."""
    project = _write(folder, 'exclude = ["*.py"]', 'allow-code = ["*.bin", "speaker/"]')
    sync.sync(context, project)  # type: ignore[arg-type]
    (model,) = lock.lock(opened(), project).lock.models  # type: ignore[arg-type]
    assert {file.path for file in model.files} == FOLDER.keys() - {"modeling.py"}


def test_the_users_config_wins(folder: Place, context: Context, tmp_path: Path) -> None:
    """`deny-code = true` refuses what a manifest permits."""
    config = tmp_path / "own.toml"
    config.write_text("deny-code = true\n")
    denied = Context(context.settings._replace(config_file=config))
    with pytest.raises(CodeRefusedError) as caught, denied:
        lock.lock(denied, _write(folder, 'allow-code = ["*"]'))  # type: ignore[arg-type]
    assert "deny-code" in (caught.value.hint or "")


def test_an_edited_lock_does_not_get_past(folder: Place, context: Context, opened: Opened) -> None:
    """What was permitted once is refused at sync when the manifest permits it no more, whatever the lock says."""
    project = _write(folder, 'exclude = ["*.py"]', 'allow-code = ["*.bin", "speaker/"]')
    lock.lock(context, project)  # type: ignore[arg-type]
    project = _write(folder, 'exclude = ["*.py"]')
    with pytest.raises(CodeRefusedError) as caught:
        sync.sync(opened(), project)  # type: ignore[arg-type]
    assert "x.ckpt" in caught.value.message or "pytorch_model.bin" in caught.value.message


def test_what_another_project_permits_is_refused_here(
    folder: Place, context: Context, opened: Opened
) -> None:
    """The store shows the files already, since another project permits them: a sync of this one refuses them."""
    project = _write(folder, 'exclude = ["*.py"]', 'allow-code = ["*.bin", "speaker/"]')
    sync.sync(context, project)  # type: ignore[arg-type]
    project = _write(folder, 'exclude = ["*.py"]')
    for _ in range(2):
        with pytest.raises(CodeRefusedError, match=r"x\.ckpt"):
            sync.sync(opened(), project)  # type: ignore[arg-type]


def test_a_packed_pickle_is_refused_as_it_arrives(place: Place, context: Context) -> None:
    """What is in a gzipped archive shows itself only then; the transfer ends before the file does."""
    noise = random.Random(3).randbytes(12 << 20)
    packed = gzip.compress(any_files.tarred({"model.ckpt": any_files.TORCH, "rest": noise}), 1, mtime=0)
    place.hub.repo("user/any").commit({"a.nemo": packed})
    with pytest.raises(CodeRefusedError, match=r"model\.ckpt"):
        sync.sync(context, place.write('[models]\nm = "hf:user/any/a.nemo"\n'))
    assert not any(path.is_file() and path.stat().st_size > 1 << 20 for path in context.store.root.rglob("*"))


@pytest.mark.parametrize("data", [any_files.PAGE, any_files.POINTER, b""])
def test_no_page_pointer_or_empty_file_is_a_model(place: Place, context: Context, data: bytes) -> None:
    """A single file of any type is never one of these."""
    url = place.hub.file("/ggml-base.bin", data)
    with pytest.raises(NotAModelError):
        lock.lock(context, place.write(f'[models]\nm = "{url}"\n'))


def test_data_that_a_model_names_is_taken(place: Place, context: Context) -> None:
    """Bytes without a kind are refused by a suffix, but not beside the ONNX model that has its weights there."""
    weights = bytes(range(1, 200)) * 900
    place.hub.repo("user/any").commit(
        {"onnx/m.onnx": any_files.onnx("m.onnx.data"), "onnx/m.onnx.data": weights}
    )
    (model,) = lock.lock(context, _write(place)).lock.models  # type: ignore[arg-type]
    assert len(model.files) == 2
    place.hub.repo("user/any").commit({"onnx/m.onnx": None, "onnx/m.onnx.data": weights + b"x"})
    with pytest.raises(CodeRefusedError, match=r"\.data"):
        lock.lock(context, _write(place, 'exclude = ["x"]'))  # type: ignore[arg-type]


def test_what_llama_cpp_loads_must_be_gguf(place: Place, context: Context) -> None:
    """A name that ends in .gguf promises it, and other good bytes do not pass."""
    place.hub.repo("user/any").commit({"a.gguf": any_files.WHISPER, "b.gguf": gguf("b")})
    with pytest.raises(ModelsyncError, match="GGUF"):
        sync.sync(context, place.write('[models]\nm = "hf:user/any/a.gguf"\n'))


def test_a_pull_permits_by_its_flag(folder: Place, context: Context, opened: Opened, tmp_path: Path) -> None:
    """`--allow-code` of a pull is what `allow-code` of an entry is."""
    everything = FolderOptions(("*",), (), ("*.py", "*.bin", "*.ckpt"))
    with pytest.raises(CodeRefusedError, match=r"x\.ckpt"):
        pull.pull(
            context, ["hf:user/any"], asked=PullOptions(everything._replace(allow_code=("*.py", "*.bin")))
        )
    pull.pull(opened(), ["hf:user/any"], directory=tmp_path, asked=PullOptions(everything))
    assert len([path for path in tmp_path.rglob("*") if path.name in ("x.ckpt", "modeling.py")]) == 2
