"""Reads the facts in a model's header that decide how it is loaded."""

from pathlib import Path
from typing import NamedTuple

from modelsync.errors import NotAModelError
from modelsync.gguf.header import Header
from modelsync.gguf.kind import NOUNS, DraftType, Task, draft_type, is_causal, kind_of, obstacle, task_of
from modelsync.gguf.reader import HeaderReader, NeedMore

_POSITIONS = "position_embd.weight"
STEP = 1 << 20  # bytes read at once; most headers are a few of these


class Traits(NamedTuple):
    """The facts that decide how a model is loaded."""

    architecture: str = ""
    context: int = 0  # trained context in tokens; 0: unknown
    task: Task = "generate"
    causal: bool = True  # a token sees only those before it
    pooling: int | None = None  # llama.cpp's pooling type; None: the header says none
    positions: int = 0  # tokens that it has learned positions for; 0: it computes them
    template: str = ""  # untrusted Jinja: searched here, never rendered
    drafts: DraftType | None = None  # it is a draft head of this type


def header_of(path: Path) -> Header:
    """Reads the header of a local file, in steps.

    Raises:
        NotAModelError: it is not a valid GGUF file.
    """
    with open(path, "rb") as file:
        reader = HeaderReader(path.name, size=path.stat().st_size)
        answer: Header | NeedMore = NeedMore(STEP)
        while isinstance(answer, NeedMore):
            data = file.read(max(STEP, answer.bytes))
            if not data:
                reader.end()
            answer = reader.feed(data)
    return answer


def traits(path: Path) -> Traits:
    """Reads a model's traits. A file that our reader refuses has none: llama.cpp decides whether to load it."""
    try:
        header = header_of(path)
    except NotAModelError:
        return Traits()
    return Traits(
        architecture=header.architecture or "",
        context=header.number("context_length") or 0,
        drafts=draft_type(header),
        task=task_of(header),
        causal=is_causal(header),
        pooling=header.number("pooling_type"),
        positions=next((each.shape[-1] for each in header.tensors if each.name == _POSITIONS), 0),
        template=header.metadata.text("tokenizer.chat_template") or "",
    )


def refusal(path: Path) -> str | None:
    """Why a file cannot be loaded as a model, by its header; None where that does not tell. A clause: `it is …`."""
    try:
        header = header_of(path)
    except (NotAModelError, OSError):
        return None
    kind = kind_of(header)
    return obstacle(header) if kind == "model" else f"it is {NOUNS[kind]}"
