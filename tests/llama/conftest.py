"""Models that llama.cpp loads, made once."""

from pathlib import Path

import pytest

from tests.gguf_files import make_llama, make_lora
from tests.llama.models import SEEING_TEMPLATE, make_bert, make_projector


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder."""
    return make_bert(tmp_path_factory.mktemp("bert") / "bert-F32.gguf")


@pytest.fixture(scope="session")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama whose chat template knows of pictures."""
    return make_llama(tmp_path_factory.mktemp("seeing") / "seeing-F32.gguf", chat_template=SEEING_TEMPLATE)


@pytest.fixture(scope="session")
def projector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A projector for it."""
    return make_projector(tmp_path_factory.mktemp("projector") / "mmproj-F32.gguf")


@pytest.fixture(scope="session")
def loras(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two adapters for the tiny llama."""
    folder = tmp_path_factory.mktemp("loras")
    return (
        make_lora(folder / "first.gguf", tiny_gguf, seed=1),
        make_lora(folder / "second.gguf", tiny_gguf, seed=2),
    )
