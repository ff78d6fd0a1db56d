"""The manual's lines for LangChain, run as they stand there (`pip install --group integrations`)."""

import re
from pathlib import Path
from typing import Any

import pytest

import modelsync
from tests.hub import Hub

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "python.md"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_lines_of_the_manual(
    hub: Hub, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A LangChain user copies them, and has a model that answers."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    pytest.importorskip("langchain_community", reason="langchain-community is not installed")
    (lines,) = re.findall(r"```python\n(import modelsync\nfrom langchain.*?)```", PAGE.read_text(), re.DOTALL)
    hub.repo("user/tiny-GGUF").commit({"tiny-Q4_K_M.gguf": tiny_gguf})
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.toml").write_text('[models]\nllama3 = "hf:user/tiny-GGUF:Q4_K_M"\n')
    modelsync.sync()
    names: dict[str, Any] = {}
    exec(lines, names)
    names["llm"].max_tokens = 4
    assert names["llm"].invoke("hello")
