"""Small models that are no GGUF: a folder as sentence-transformers has it, and its files' bytes."""

import json
import struct
from pathlib import Path

from tests.support import any_files

FOLDER_REPO = "user/minilm"
INCLUDE = ("*.json", "*.safetensors")
FOLDER = f'[models.minilm]\nuri = "hf:{FOLDER_REPO}"\ninclude = ["*.json", "*.safetensors"]\nexclude = ["onnx/*"]\n'
LINKED_FOLDER = f'[modelsync]\ndir = "models"\n{FOLDER}'
PATHS = ("1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "tokenizer.json")


def safetensors(seed: int = 0, *, rows: int = 4, metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file of two tensors: `embeddings` of F32, `rows` by 2, and `mapping` of I64."""
    weights = struct.pack(f"<{2 * rows}f", *(seed + number / 8 for number in range(2 * rows)))
    mapping = struct.pack(f"<{rows}q", *range(rows))
    header = {
        "__metadata__": metadata or {"format": "pt"},
        "embeddings": {"dtype": "F32", "shape": [rows, 2], "data_offsets": [0, len(weights)]},
        "mapping": {
            "dtype": "I64",
            "shape": [rows],
            "data_offsets": [len(weights), len(weights) + len(mapping)],
        },
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + weights + mapping


def tokenizer() -> bytes:
    """A `tokenizer.json` of words, as the `tokenizers` library reads it."""
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": {"type": "Lowercase"},
            "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": None,
            "decoder": None,
            "model": {
                "type": "WordLevel",
                "vocab": {"[UNK]": 0, "[PAD]": 1, "hello": 2, "world": 3},
                "unk_token": "[UNK]",
            },
        }
    ).encode()


def minilm(seed: int = 0) -> dict[str, bytes]:
    """The files of a repo, by path; the folder model of `FOLDER` has those in `PATHS`."""
    return {
        "README.md": b"# A small model\n",
        "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
        "config.json": b'{"model_type": "model2vec", "normalize": false, "seed": %d}' % seed,
        "model.safetensors": safetensors(seed),
        "modules.json": b'[{"idx": 0, "name": "0", "path": "", "type": "x"}]',
        "onnx/config.json": b"{}",
        "onnx/model.onnx": any_files.onnx(),
        "tokenizer.json": tokenizer(),
    }


def tree(folder: Path) -> dict[str, bytes]:
    """What is in a folder: bytes by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def taken(files: dict[str, bytes]) -> dict[str, bytes]:
    """Those of a repo's files that `FOLDER` takes."""
    return {path: data for path, data in files.items() if path in PATHS}
