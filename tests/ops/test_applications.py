"""The hand-made pins of three applications, written as entries: their kinds of files, made small, from a hub."""

import gzip
import io
import pickle
import zipfile
from collections.abc import Mapping

from modelsync.context import Context
from modelsync.ops import lock
from modelsync.spec.lock.model import LockedModel
from modelsync.spec.lock.read import parse
from tests.hub.content import content
from tests.support.content import gguf
from tests.support.project import Opened, Place

_ONNX = b"\x08\x0a\x3a\x00\x42\x02\x10\x11"  # ir_version, an empty graph, an opset
_GGML = b"lmgg" + b"".join(
    number.to_bytes(4, "little") for number in (51864, 1500, 512, 8, 6, 448, 512, 8, 6, 80, 1, 80, 201)
)
_CT2 = b"\x06\0\0\0" + b"\x0c\0WhisperSpec\0" + b"\x03\0\0\0" + bytes(4)
_PICKLE = pickle.dumps({"weights": [1.0]}, protocol=2)


def _npz() -> bytes:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(
            "mean.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(4)
        )
    return packed.getvalue()


def _pins(files: Mapping[str, bytes]) -> str:
    pairs = (f'"{path}" = "sha256:{content(data).sha256}"' for path, data in files.items())
    return f"{{ {', '.join(pairs)} }}"


def _rows(model: LockedModel) -> dict[str, str]:
    return {file.path: file.role for file in model.files}


def test_atrain(place: Place, context: Context, opened: Opened) -> None:
    """Whisper for CTranslate2 and a speaker model, each file pinned by path, at a commit; two of them are pickles."""
    whisper = {
        ".gitattributes": b"*.bin filter=lfs",
        "README.md": b"# whisper",
        "config.json": b"{}",
        "model.bin": _CT2,
        "preprocessor_config.json": b"{}",
        "tokenizer.json": b'{"version": "1.0"}',
        "vocabulary.json": b"[]",
    }
    speakers = {
        "config.yaml": b"version: 3.1.0\n",
        "embedding/pytorch_model.bin": _PICKLE,
        "segmentation/pytorch_model.bin": _PICKLE,
        "plda/plda.npz": _npz(),
        "plda/xvec_transform.npz": _npz(),
    }
    first = place.hub.repo("Systran/faster-whisper-large-v3").commit({**whisper, "extra.md": b"x"})
    second = place.hub.repo("pyannote/speaker-diarization").commit({**speakers, "README.md": b"x"})
    project = place.write(f"""\
[models.large-v3]
uri = "hf:Systran/faster-whisper-large-v3"
revision = "{first}"
include = ["config.json", "model.bin", "*_config.json", "tokenizer.json", "vocabulary.json", "README.md", ".git*"]
sha256 = {_pins(whisper)}

[models.speaker-detection]
uri = "hf:pyannote/speaker-diarization"
revision = "{second}"
include = ["config.yaml", "*/pytorch_model.bin", "plda/"]
allow-code = ["*/pytorch_model.bin"]
sha256 = {_pins(speakers)}
""")
    large, detection = lock.lock(context, project).lock.models
    assert _rows(large) == dict.fromkeys(whisper, "file")
    assert _rows(detection) == dict.fromkeys(sorted(speakers), "file")
    assert "allow-code" not in place.lock_text
    assert lock.verify(opened(), place.project)
    assert parse(place.lock_text).models == (large, detection)


def test_handy(place: Place, context: Context, opened: Opened) -> None:
    """Models by URL with a hash each: ggml files and archives, whatever their type."""
    files = {"ggml-small.bin": _GGML, "parakeet-v3-int8.tar.gz": gzip.compress(bytes(17))}
    lines = []
    for name, data in files.items():
        url = place.hub.file(f"/{name}", data)
        key = name.partition(".")[0]
        lines.append(f'[models.{key}]\nuri = "{url}"\nsha256 = "{content(data).sha256}"\n')
    project = place.write("\n".join(lines))
    models = lock.lock(context, project).lock.models
    assert [_rows(model) for model in models] == [{name: "model"} for name in files]
    assert [model.files[0].size for model in models] == [len(data) for data in files.values()]
    assert "version = 1\n" in place.lock_text


def test_librephotos(place: Place, context: Context, opened: Opened) -> None:
    """ONNX pairs with their tokenizer, text recognition with its characters, and a GGUF with its projector."""
    siglip = {
        "onnx/text_model.onnx": _ONNX,
        "onnx/vision_model.onnx": _ONNX,
        "tokenizer.model": b"\x0a\x03abc",
    }
    reading = {"det.onnx": _ONNX, "rec.onnx": _ONNX, "charset.txt": b"abc\n", "config.json": b"{}"}
    place.hub.repo("photos/siglip2").commit({**siglip, "onnx/text_model_q4.onnx": _ONNX, "README.md": b"x"})
    place.hub.repo("photos/ocr").commit(dict(reading))
    place.hub.repo("photos/moondream2-gguf").commit(
        {"moondream2-text-model-f16.gguf": gguf("text"), "moondream2-mmproj-f16.gguf": gguf("eyes")}
    )
    project = place.write("""\
[models.siglip2]
uri = "hf:photos/siglip2"
include = ["onnx/*_model.onnx", "tokenizer.model"]
groups = ["search"]

[models.ocr]
uri = "hf:photos/ocr"
include = ["*"]

[models.captions]
uri = "hf:photos/moondream2-gguf:F16"
mmproj = true
""")
    lock.lock(context, project)
    models = {model.name: model for model in parse(place.lock_text).models}
    assert _rows(models["siglip2"]) == dict.fromkeys(siglip, "file")
    assert _rows(models["ocr"]) == dict.fromkeys(sorted(reading), "file")
    assert list(_rows(models["captions"]).values()) == ["model", "mmproj"]
