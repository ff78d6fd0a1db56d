"""What the files of a folder model need: told from the formats of transformers, diffusers, ONNX and others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.spec.globs import Globs
from modelsync.spec.indexes import needed, note
from tests.support.strategies import hostile_values

_SHARDS = [f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
_WEIGHTS = {
    "metadata": {"total_size": 3},
    "weight_map": {str(number): name for number, name in enumerate(_SHARDS)},
}
_MODULES = [
    {"idx": 0, "path": "", "type": "T"},
    {"idx": 1, "path": "1_Pooling"},
    {"idx": 2, "path": "2_Normalize"},
]
_PIPELINE = {
    "_class_name": "P",
    "unet": ["d", "U"],
    "vae": ["d", "V"],
    "safety_checker": [None, None],
    "x": True,
}


@pytest.mark.parametrize(
    ("files", "left_out", "document", "note_of_it"),
    [
        (
            ["model.safetensors.index.json", _SHARDS[0]],
            _SHARDS[1:],
            _WEIGHTS,
            f"model.safetensors.index.json needs {_SHARDS[1]}, {_SHARDS[2]}, which the globs leave out; "
            'add "model-*.safetensors" to `include`',
        ),
        (
            ["unet/d.safetensors.index.json"],
            [f"unet/{_SHARDS[0]}", _SHARDS[1]],
            _WEIGHTS,
            f"unet/d.safetensors.index.json needs unet/{_SHARDS[0]}, which the globs leave out; "
            'add "unet/model-*.safetensors" to `include`',
        ),
        (
            ["modules.json", "config.json"],
            ["1_Pooling/config.json", "onnx/model.onnx"],
            _MODULES,
            'modules.json needs 1_Pooling/config.json, which the globs leave out; add "1_Pooling/*" to `include`',
        ),
        (
            ["model_index.json", "unet/w.safetensors"],
            ["unet/config.json", "vae/config.json", "safety_checker/config.json"],
            _PIPELINE,
            "model_index.json needs unet/config.json, vae/config.json, which the globs leave out; "
            'add "unet/config.json", "vae/*" to `include`',
        ),
        (
            ["onnx/model.onnx"],
            ["onnx/model.onnx_data", "onnx/model.onnx.data", "onnx/model_O4.onnx", "onnx/model.onnx_data_1"],
            None,
            "onnx/model.onnx needs onnx/model.onnx_data, onnx/model.onnx.data, onnx/model.onnx_data_1, which the "
            'globs leave out; add "onnx/model.onnx_data", "onnx/model.onnx.data", '
            '"onnx/model.onnx_data_1" to `include`',
        ),
        (
            ["m-00001-of-00002.gguf"],
            ["m-00002-of-00002.gguf"],
            None,
            "m-00001-of-00002.gguf needs m-00002-of-00002.gguf, which the globs leave out; "
            'add "m-*.gguf" to `include`',
        ),
    ],
)
def test_what_is_named_and_left_out_is_told_with_the_glob(
    files: list[str], left_out: list[str], document: Any, note_of_it: str
) -> None:
    """With that glob nothing is missing."""
    (missing,) = needed(files, left_out, lambda path: document)
    assert note(missing, Globs(("*.json",))) == note_of_it
    globs = Globs(missing.globs)
    assert all(globs.takes(path) for path in missing.files)
    rest = [path for path in left_out if not globs.takes(path)]
    assert not list(needed(sorted({*files, *left_out} - {*rest}), rest, lambda path: document))


def test_an_excluded_file_is_told_with_the_glob_that_takes_it_away() -> None:
    """Another glob in `include` would not bring it back."""
    (missing,) = needed(["modules.json"], ["1_Pooling/config.json"], lambda path: _MODULES)
    assert note(missing, Globs(("*",), ("*.md", "1_*"))).endswith("leave out: `exclude` has `1_*`")


def test_what_is_whole_is_not_told() -> None:
    """All shards, all parts, and a module that has no files."""
    files = ["model.safetensors.index.json", *_SHARDS, "modules.json", "1_Pooling/config.json"]
    said = {"modules.json": _MODULES, "model.safetensors.index.json": _WEIGHTS}
    assert not list(needed(files, ["README.md", "pytorch_model.bin"], said.__getitem__))


@given(
    st.sampled_from(["modules.json", "model_index.json", "a/m.index.json"]),
    hostile_values(st.sampled_from(["weight_map", "path", "type"])),
)
def test_an_index_may_say_anything(path: str, document: Any) -> None:
    """Nothing in it is believed, and nothing in it is named that the repo does not have."""
    for missing in needed([path], ["x", "a/x"], lambda path: document):
        assert {*missing.files} <= {"x", "a/x"}
