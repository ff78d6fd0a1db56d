"""Other people's code loads, offline, what `path` gives: safetensors, tokenizers, ONNX Runtime, whisper.cpp and others.

What is heavy is skipped where it is not installed; `pip install --group integrations` brings it.
"""

import importlib
import struct

import pytest

import modelsync
from tests.support.folder_models import FOLDER, FOLDER_REPO, minilm
from tests.support.other_models import WEIGHTS, onnx_pair, whisper
from tests.support.project import Place


def synced(place: Place, manifest: str, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A project whose models are here; its folder is the working directory."""
    place.hub.repo(FOLDER_REPO).commit(files)
    place.write(manifest)
    monkeypatch.chdir(place.folder)
    modelsync.sync()
    place.hub.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_safetensors_and_tokenizers_load_a_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and words, by the libraries that transformers and sentence-transformers use for them."""
    numpy_reader = pytest.importorskip("safetensors.numpy")
    tokenizers = pytest.importorskip("tokenizers")
    synced(place, FOLDER, minilm(), monkeypatch)
    folder = modelsync.path("minilm")
    tensors = numpy_reader.load_file(folder / "model.safetensors")
    assert tensors["embeddings"].tolist()[1] == [0.25, 0.375]
    assert tensors["mapping"].tolist() == [0, 1, 2, 3]
    assert tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).encode("hello world").ids == [2, 3]
    assert place.hub.seen() == []


def test_model2vec_loads_a_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole sentence-embedding model from the folder alone."""
    model2vec = pytest.importorskip("model2vec")
    synced(place, FOLDER, minilm(), monkeypatch)
    model = model2vec.StaticModel.from_pretrained(str(modelsync.path("minilm")))
    assert model.encode(["hello"]).tolist() == [[0.5, 0.625]]
    assert place.hub.seen() == []


def test_transformers_loads_a_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tokenizer and its config, from the path and without a hub."""
    transformers = pytest.importorskip("transformers")
    files = minilm() | {
        "config.json": b'{"model_type": "bert", "hidden_size": 8}',
        "tokenizer_config.json": b'{"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}',
    }
    synced(place, FOLDER, files, monkeypatch)
    folder = str(modelsync.path("minilm"))
    assert transformers.AutoTokenizer.from_pretrained(folder)("hello world")["input_ids"] == [2, 3]
    assert transformers.AutoConfig.from_pretrained(folder).hidden_size == 8
    assert place.hub.seen() == []


@pytest.mark.parametrize("linked", ["", '[modelsync]\ndir = "models"\n'], ids=["store", "dir"])
def test_onnxruntime_loads_a_pair(place: Place, monkeypatch: pytest.MonkeyPatch, linked: str) -> None:
    """A model whose weights are in a second file, which it finds by its name beside itself."""
    onnxruntime = pytest.importorskip("onnxruntime")
    numpy = pytest.importorskip("numpy")
    model, weights = onnx_pair()
    synced(
        place,
        f'{linked}[models.adds]\nuri = "hf:{FOLDER_REPO}"\ninclude = ["onnx/*"]\n',
        {"onnx/model.onnx": model, "onnx/model.onnx_data": weights},
        monkeypatch,
    )
    session = onnxruntime.InferenceSession(
        str(modelsync.path("adds") / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"x": numpy.array([1, 1, 1], dtype=numpy.float32)})
    assert found.tolist() == [each + 1 for each in WEIGHTS]


def test_whisper_cpp_loads_a_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single file that is no GGUF: its path is the file, with the header that whisper.cpp reads; and it loads."""
    synced(
        place,
        f'[models]\nwhisper = "hf:{FOLDER_REPO}/ggml-tiny.bin"\n',
        {"ggml-tiny.bin": whisper()},
        monkeypatch,
    )
    file = modelsync.path("whisper")
    assert file.name == "ggml-tiny.bin"
    with file.open("rb") as opened:
        magic, vocabulary, context = struct.unpack("<4sii", opened.read(12))
    assert (magic, vocabulary, context) == (b"lmgg", 600, 1500)
    assert not modelsync.files("whisper").folder
    loader = pytest.importorskip("pywhispercpp.model")
    model = loader.Model(str(file), redirect_whispercpp_logs_to=None)
    assert importlib.import_module("_pywhispercpp").whisper_n_vocab(model._ctx) == 600
