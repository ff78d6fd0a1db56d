"""Which chat handler a projector gets: its kind, the model's architecture and template decide."""

from pathlib import Path

import gguf
import pytest

from modelsync.errors import ModelsyncError
from modelsync.llama import projector
from modelsync.llama.traits import Traits, header_of
from tests.support.gguf_files import CHAT_TEMPLATE
from tests.support.llama_models import SEEING_TEMPLATE

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")


def header(path: Path, kind: str, *, sees: bool = True, grid: bool = False) -> Path:
    """A projector's header."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_bool("clip.has_vision_encoder", sees)
    writer.add_string("clip.projector_type", kind)
    if grid:
        writer.add_array("clip.vision.image_grid_pinpoints", [336, 672])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("kind", "architecture", "template", "grid", "handler"),
    [
        ("gemma3", "gemma3", SEEING_TEMPLATE, False, "MTMDChatHandler"),
        ("qwen2.5vl_merger", "qwen2vl", SEEING_TEMPLATE, False, "MTMDChatHandler"),
        ("mlp", "llama", SEEING_TEMPLATE, False, "MTMDChatHandler"),
        ("qwen2.5vl_merger", "qwen2vl", "", False, "Qwen25VLChatHandler"),
        ("resampler", "qwen2", CHAT_TEMPLATE, False, "MiniCPMv26ChatHandler"),
        ("mlp", "llama", "", False, "Llava15ChatHandler"),
        ("mlp", "llama", CHAT_TEMPLATE, True, "Llava16ChatHandler"),
        ("mlp", "phi2", "", False, "MoondreamChatHandler"),
        ("mlp", "qwen2", "", False, "NanoLlavaChatHandler"),
        ("ldpv2", "llama", "", False, "Llava15ChatHandler"),
    ],
)
def test_the_handler_fits(
    kind: str, architecture: str, template: str, grid: bool, handler: str, tmp_path: Path
) -> None:
    """The model's own template where it knows of pictures, else the handler of its family; all of them exist."""
    from llama_cpp import llama_chat_format

    path = header(tmp_path / "mmproj.gguf", kind, grid=grid)
    model = Traits(architecture, template=template)
    for name in projector.handler_names(header_of(path), model):
        assert hasattr(llama_chat_format, name)
    assert type(projector.chat_handler(path, model, verbose=False)).__name__ == handler


def test_what_no_handler_fits_is_an_error(tmp_path: Path) -> None:
    """An unknown kind, and one for audio: the error says what the program can do."""
    with pytest.raises(ModelsyncError, match="martian") as strange:
        projector.chat_handler(
            header(tmp_path / "a.gguf", "martian"), Traits("llama", template=CHAT_TEMPLATE), verbose=False
        )
    assert "chat_handler=" in str(strange.value.hint)
    with pytest.raises(ModelsyncError, match="audio only"):
        projector.chat_handler(
            header(tmp_path / "b.gguf", "ultravox", sees=False), Traits("llama"), verbose=False
        )
