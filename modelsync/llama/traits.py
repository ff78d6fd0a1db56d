"""What a model's header says about how it wants to be loaded."""

from pathlib import Path
from typing import NamedTuple

from modelsync.errors import NotAModelError
from modelsync.gguf.header import Header
from modelsync.gguf.reader import HeaderReader, Need

STEP = 1 << 20  # bytes read at once; most headers are a few of these

# Architectures of llama.cpp that make vectors and never text.
_ENCODERS = (
    "bert",
    "eurobert",
    "gemma-embedding",
    "jina-bert-v2",
    "jina-bert-v3",
    "llama-embed",
    "modern-bert",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "t5encoder",
)
_POOLED = (1, 2, 3)  # mean, first, last; 0 is none, and 4 ranks pairs of texts


class Traits(NamedTuple):
    """The few things that loading decides by."""

    architecture: str = ""
    context: int = 0  # tokens that it was trained with; 0: unknown
    embeds: bool = False  # it makes vectors
    template: str = ""  # Jinja, from whoever made the file: read here, never rendered


def header_of(path: Path) -> Header:
    """The header of a file on this machine; nothing past it is read, but for the rest of a step.

    Raises:
        NotAModelError: it is not a good GGUF file.
    """
    with open(path, "rb") as file:
        reader = HeaderReader(path.name, size=path.stat().st_size)
        answer: Header | Need = Need(STEP)
        while isinstance(answer, Need):
            data = file.read(max(STEP, answer.bytes))
            if not data:
                reader.end()
            answer = reader.feed(data)
    return answer


def traits(path: Path) -> Traits:
    """What a model is. A file that our reader refuses has no traits: llama.cpp has the last word about it."""
    try:
        header = header_of(path)
    except NotAModelError:
        return Traits()
    architecture = header.architecture or ""
    pooling = header.number("pooling_type")
    return Traits(
        architecture=architecture,
        context=header.number("context_length") or 0,
        embeds=pooling in _POOLED or (architecture in _ENCODERS and pooling != 4),
        template=header.metadata.text("tokenizer.chat_template") or "",
    )
