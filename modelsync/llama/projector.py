"""Chooses the chat handler of llama-cpp-python for a multimodal projector.

A handler turns messages with pictures into the model's format. `MTMDChatHandler` renders the model's own chat
template, and fits any model whose template handles pictures; the others have the template of one family in their code.
Sources: `llama_chat_format.py` of llama-cpp-python 0.3.36, `PROJECTOR_TYPE_NAMES` in llama.cpp's `clip-impl.h`.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelsync.errors import ModelsyncError
from modelsync.gguf.header import Header
from modelsync.llama.traits import Traits, header_of
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from llama_cpp import Llama

OWN_TEMPLATE = "MTMDChatHandler"
_HINT = "modelsync.load() takes a `chat_handler=` of your own, or `chat_handler=None` to load the model for text only"
# Matches a template that handles the parts of a message, not only text.
_READS_PARTS = re.compile(r"""\[?['".]type\b|image|picture|media""")

_BY_PROJECTOR = {
    "ldp": "Llava15ChatHandler",
    "ldpv2": "Llava15ChatHandler",
    "resampler": "MiniCPMv26ChatHandler",
    "qwen2.5vl_merger": "Qwen25VLChatHandler",
    "qwen2vl_merger": "Qwen25VLChatHandler",
}
# Many models have LLaVA's projector: the handler follows from the architecture.
_BY_ARCHITECTURE = {
    "phi2": "MoondreamChatHandler",
    "qwen2": "NanoLlavaChatHandler",
    "stablelm": "ObsidianChatHandler",
}


def handler_names(projector: Header, model: Traits) -> tuple[str, ...]:
    """The classes of `llama_cpp.llama_chat_format` that fit a projector, the best first; empty if it is unknown."""
    metadata = projector.metadata
    kind = metadata.text("clip.projector_type") or metadata.text("clip.vision.projector_type") or "mlp"
    names = [OWN_TEMPLATE] if _READS_PARTS.search(model.template) else []
    if kind in _BY_PROJECTOR:
        names.append(_BY_PROJECTOR[kind])
    elif kind in ("mlp", "mlp_norm"):
        grid = "clip.vision.image_grid_pinpoints" in metadata
        llava = "Llava16ChatHandler" if grid else "Llava15ChatHandler"
        names.append(_BY_ARCHITECTURE.get(model.architecture, llava))
    return tuple(names)


def chat_handler(mmproj: Path, model: Traits, *, verbose: bool) -> Any:
    """Makes a chat handler for a projector. `attach` opens the file, once the model is loaded.

    Args:
        mmproj: The projector.
        model: Traits of the model.
        verbose: Whether llama.cpp prints its log.

    Raises:
        NotAModelError: the projector is not a valid GGUF file.
        ModelsyncError: no handler of the installed llama-cpp-python fits it.
    """
    from llama_cpp import llama_chat_format

    header = header_of(mmproj)
    if header.metadata.get("clip.has_vision_encoder") is False:
        raise ModelsyncError(
            f"{printable(mmproj.name)} is for audio only, and llama-cpp-python's handlers take only pictures",
            hint=_HINT,
        )
    for name in handler_names(header, model):
        made = getattr(llama_chat_format, name, None)
        if made is not None:
            return made(clip_model_path=str(mmproj), verbose=verbose)
    kind = header.metadata.text("clip.projector_type") or "unnamed"
    raise ModelsyncError(
        f"no chat handler of the installed llama-cpp-python fits {printable(mmproj.name)}: its kind is"
        f" `{printable(kind, 80)}`, and the model's chat template does not handle pictures",
        hint=_HINT,
    )


def attach(handler: Any, llama: "Llama") -> None:
    """Opens the projector now, if the handler can, so that a mismatch with the model is an error at once.

    Raises:
        ValueError: llama.cpp cannot load it with this model.
    """
    begin = getattr(handler, "_init_mtmd_context", None)
    if begin is not None:
        begin(llama)
