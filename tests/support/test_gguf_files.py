"""The GGUF files that tests use are real: llama.cpp loads them and generates."""

from pathlib import Path

import gguf
import pytest

from tests.support.gguf_files import CHAT_TEMPLATE, edit_metadata, make_llama, make_lora, make_mmproj, split

llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")


def generated(path: Path, lora: Path | None = None) -> str:
    """What the model says next, greedily; six tokens."""
    llama = llama_cpp.Llama(str(path), n_ctx=64, verbose=False, lora_path=str(lora) if lora else None)
    try:
        answer = llama.create_completion("hello world", max_tokens=6, temperature=0.0)
        assert answer["usage"]["completion_tokens"] == 6
        return str(answer["choices"][0]["text"])
    finally:
        llama.close()


def test_llama_cpp_generates_from_the_tiny_model_whole_and_split(tiny_gguf: Path, tmp_path: Path) -> None:
    """The tiny model loads and generates; its parts, given the first, say the same."""
    parts = split(tiny_gguf, 3, tmp_path)
    assert [part.name for part in parts] == [f"tiny-Q4_K_M-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    text = generated(tiny_gguf)
    assert text
    assert generated(parts[0]) == text


def test_another_seed_is_another_model_and_the_same_seed_the_same_bytes(tmp_path: Path) -> None:
    """The bytes depend on the arguments and nothing else."""
    first, again, other = (
        make_llama(tmp_path / str(number) / "m.gguf", seed=seed) for number, seed in enumerate((1, 1, 2))
    )
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    assert first.stat().st_size < 2**20


def test_an_edited_chat_template_leaves_every_tensor_alone(tiny_gguf: Path, tmp_path: Path) -> None:
    """The edited file is another one that says another template, and generates the same."""
    edited = edit_metadata(tiny_gguf, tmp_path / "edited.gguf", chat_template="{{ messages }}", name="Edited")
    before, after = gguf.GGUFReader(tiny_gguf), gguf.GGUFReader(edited)
    key = gguf.Keys.Tokenizer.CHAT_TEMPLATE
    assert [reader.fields[key].contents() for reader in (before, after)] == [CHAT_TEMPLATE, "{{ messages }}"]
    assert set(before.fields) == set(after.fields)
    assert [(t.name, t.data.tobytes()) for t in before.tensors] == [
        (t.name, t.data.tobytes()) for t in after.tensors
    ]
    assert generated(edited) == generated(tiny_gguf)


def test_a_lora_adapter_changes_what_the_model_says(tiny_gguf: Path, tmp_path: Path) -> None:
    """llama.cpp applies the adapter."""
    assert generated(tiny_gguf, make_lora(tmp_path / "lora.gguf", tiny_gguf)) != generated(tiny_gguf)


@pytest.mark.parametrize("size", [3_000_000, 30_000_000])
def test_a_big_model_has_the_size_that_was_asked(tmp_path: Path, size: int) -> None:
    """A model of a wanted size has that many bytes and few more, and generates."""
    path = make_llama(tmp_path / "big.gguf", big=size)
    assert size <= path.stat().st_size < size * 1.01
    assert generated(path)


def test_a_projector_says_that_it_is_one(tmp_path: Path) -> None:
    """The projector's architecture is the one llama.cpp gives projectors."""
    fields = gguf.GGUFReader(make_mmproj(tmp_path / "mmproj-F16.gguf")).fields
    assert fields["general.architecture"].contents() == "clip"
