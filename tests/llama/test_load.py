"""Loading files with llama-cpp-python: real models, tiny and random."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from modelsync.errors import ModelsyncError, NotAModelError, UsageError
from modelsync.llama.load import load
from tests.support.gguf_files import make_llama, make_lora, make_mmproj, split
from tests.support.llama_models import make_bert, make_projector, picture

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")

QUIET = {"verbose": False, "n_ctx": 64}


@contextmanager
def loaded(model: Path, more: dict[str, Any] | None = None, **files: Any) -> Iterator[Any]:
    """A model, for as long."""
    with closing(load(model, QUIET | (more or {}), **files)) as llm:
        yield llm


def logits(llm: Any, text: str = "hello") -> Any:
    """What it thinks of the next token."""
    llm.reset()
    llm.eval(llm.tokenize(text.encode()))
    return last(llm)


def last(llm: Any) -> Any:
    """The logits of the last token that was worked on."""
    import llama_cpp

    return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llm.ctx, -1), (llm.n_vocab(),)).copy()


def test_the_path_is_absolute_text(tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`model_path` is a str and absolute, whatever was given: llama-cpp-python opens it again when it is pickled."""
    monkeypatch.chdir(tiny_gguf.parent)
    with loaded(Path(tiny_gguf.name)) as llm:
        assert llm.model_path == str(tiny_gguf)
        assert llm("hello", max_tokens=4)["choices"][0]["text"]


def test_a_split_model_is_loaded_by_its_first_part(tiny_gguf: Path, tmp_path: Path) -> None:
    """It answers as the whole one does."""
    first = split(tiny_gguf, 3, tmp_path)[0]
    with loaded(tiny_gguf) as whole, loaded(first) as parted:
        assert np.array_equal(logits(whole), logits(parted))


def test_a_model_that_makes_vectors_makes_them(bert: Path, tmp_path: Path) -> None:
    """`create_embedding` works on what the header says is an encoder, with nothing set; a program may say otherwise."""
    with loaded(bert) as llm:
        one, other = (
            llm.create_embedding(text)["data"][0]["embedding"] for text in ("hello world", "cat dog")
        )
        assert len(one) == 32
        assert one != other
    with loaded(bert, {"embedding": False}) as llm, pytest.raises(RuntimeError):
        llm.create_embedding("hello")


LONG = "a b c d e " * 180  # 902 tokens with those of its ends


@pytest.fixture(scope="module")
def long_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of 1024 tokens."""
    return make_bert(tmp_path_factory.mktemp("long") / "long.gguf", context=1024)


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({"n_ctx": 1024}, 902),
        ({"n_ctx": "max"}, 902),
        ({"n_ctx": 0}, 902),
        ({"n_ctx": 1024, "n_batch": 1024}, 902),
        ({"n_ctx": 1024, "n_batch": 2048}, 902),
        ({"n_ctx": 1000}, 902),
        ({"n_ctx": 2048}, 902),
        ({"n_ctx": 1024, "n_batch": 300}, 512),
        ({"n_ctx": 1024, "n_ubatch": 600}, 768),
        ({"n_ctx": 1024, "n_batch": 256, "n_ubatch": 600}, 256),
        ({"n_ctx": 100}, 100),
        ({"n_ctx": 256}, 256),
        ({"n_batch": 2048, "n_ubatch": 512}, 512),
    ],
)
def test_a_long_text_is_read_whole(long_bert: Path, settings: dict[str, Any], tokens: int) -> None:
    """Both batch sizes follow the context where they are not given; no choice ends the process.

    Above 256 they are multiples of that: llama.cpp reserves memory for 256 texts at once, and asserts that.
    """
    with closing(load(long_bert, {"verbose": False} | settings)) as llm:
        made = llm.create_embedding(LONG)
    assert made["usage"]["prompt_tokens"] == tokens
    assert np.isfinite(made["data"][0]["embedding"]).all()


def test_batch_sizes_that_would_end_the_process_are_refused(long_bert: Path, tiny_gguf: Path) -> None:
    """llama.cpp asserts that a text of an encoder fits `n_ubatch`; a causal model is computed in steps."""
    sizes = {"n_ctx": 1024, "n_batch": 1024, "n_ubatch": 512}
    with pytest.raises(UsageError, match="n_ubatch"):
        load(long_bert, QUIET | sizes)
    with loaded(tiny_gguf, {"n_ctx": 256, "n_batch": 256, "n_ubatch": 32}) as llm:
        assert llm("hello " * 30, max_tokens=1)["choices"]
    with loaded(tiny_gguf, {"embedding": True, "pooling_type": 1, "n_ctx": 1024}) as llm:
        assert llm.create_embedding("hello " * 600)["usage"]["prompt_tokens"] > 600


def test_no_text_is_longer_than_learned_positions(tmp_path: Path) -> None:
    """A context beyond them, or a number of them that is no multiple of 256, ends no process either."""
    odd = make_bert(tmp_path / "odd.gguf", context=600)
    for settings, tokens in (({"n_ctx": 0}, 512), ({"n_ctx": "max"}, 512), ({"n_ctx": 2048}, 512)):
        with closing(load(odd, {"verbose": False} | settings)) as llm:
            assert llm.create_embedding(LONG)["usage"]["prompt_tokens"] == tokens


def test_a_reranker_scores(tmp_path: Path) -> None:
    """`embed` gives a score and nothing behind it, the same each time; another text has another score."""
    with loaded(make_bert(tmp_path / "rank.gguf", ranks=True), {"n_ctx": 128}) as llm:
        scores = [llm.embed(text) for text in ("hello cat", "hello dog world", "hello cat")]
    assert [len(score) for score in scores] == [1, 1, 1]
    assert scores[0] == scores[2] != scores[1]


def test_an_adapter_changes_what_the_model_thinks(tiny_gguf: Path, loras: Sequence[Path]) -> None:
    """One adapter or several are laid over it, together and as strongly as `lora_scale` says."""
    with loaded(tiny_gguf) as llm:
        bare = logits(llm)
    with loaded(tiny_gguf, loras=loras[:1]) as llm:
        one = logits(llm)
    with loaded(tiny_gguf, loras=loras) as llm:
        both = logits(llm)
    with loaded(tiny_gguf, loras=loras[::-1]) as llm:
        turned = logits(llm)
    with loaded(tiny_gguf, {"lora_scale": 0.0}, loras=loras) as llm:
        none = logits(llm)
    assert not np.allclose(bare, one)
    assert not np.allclose(one, both)
    assert np.allclose(both, turned, atol=1e-4)
    assert np.allclose(bare, none, atol=1e-5)
    with loaded(tiny_gguf, {"lora_path": str(loras[0])}, loras=loras) as llm:
        assert np.allclose(logits(llm), one), "an adapter that the program names stands for all others"


def test_an_adapter_of_another_model_is_an_error(
    tiny_gguf: Path, tmp_path: Path, loras: Sequence[Path]
) -> None:
    """It has llama.cpp's reason, alone or among others."""
    wider = make_llama(tmp_path / "wider.gguf", big=4_200_000)
    wrong = make_lora(tmp_path / "wrong.gguf", wider)
    for chosen in ([wrong], [loras[0], wrong]):
        with pytest.raises(ModelsyncError, match="wrong base model"):
            load(tiny_gguf, QUIET, loras=chosen)
    with pytest.raises(ModelsyncError, match="wrong base model"):
        load(tiny_gguf, QUIET | {"lora_path": str(wrong)})


def test_a_model_sees_through_its_projector(seeing: Path, projector: Path) -> None:
    """A picture in a message reaches the model: it costs tokens, and another one is thought of differently."""
    thoughts = []
    with loaded(seeing, {"n_ctx": 256}, mmproj=projector) as llm:
        for blue in (0, 255):
            parts = [
                {"type": "image_url", "image_url": {"url": picture(blue)}},
                {"type": "text", "text": "hello"},
            ]
            answer = llm.create_chat_completion([{"role": "user", "content": parts}], max_tokens=1)
            thoughts.append(last(llm))
        plain = llm.create_chat_completion([{"role": "user", "content": "hello"}], max_tokens=1)
        tokens = answer["usage"]["prompt_tokens"] - plain["usage"]["prompt_tokens"]
        assert tokens == pytest.approx(16, abs=2)  # of the picture: a patch each
    assert not np.array_equal(*thoughts)


def test_a_projector_for_another_model_is_an_error(seeing: Path, tmp_path: Path) -> None:
    """It is told when the model is loaded, not when the first picture comes."""
    wide = make_projector(tmp_path / "mmproj-wide.gguf", width=128)
    with pytest.raises(ModelsyncError, match="cannot load"):
        load(seeing, QUIET, mmproj=wide)


def test_a_projector_that_llama_cpp_cannot_read_is_an_error(seeing: Path, tmp_path: Path) -> None:
    """One without its tensors, and what is no GGUF at all."""
    with pytest.raises(ModelsyncError, match="cannot load"):
        load(seeing, QUIET, mmproj=make_mmproj(tmp_path / "mmproj-empty.gguf"))
    page = tmp_path / "page.gguf"
    page.write_text("<!doctype html>")
    with pytest.raises(NotAModelError):
        load(seeing, QUIET, mmproj=page)


def test_a_program_may_bring_a_handler_of_its_own_or_none(seeing: Path, tmp_path: Path) -> None:
    """`chat_handler=None` loads the model for text, however bad its projector is."""
    page = tmp_path / "page.gguf"
    page.write_text("<!doctype html>")
    with loaded(seeing, {"chat_handler": None}, mmproj=page) as llm:
        assert llm.chat_handler is None


def test_the_reason_is_llama_cpps_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What cannot be loaded is an error that says why, not that it failed; a quiet load stays quiet about it."""
    strange = tmp_path / "strange.gguf"
    writer = gguf.GGUFWriter(strange, "martian")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    page = tmp_path / "page.gguf"
    page.write_text("<!doctype html>")
    for model, reason in ((strange, "martian"), (page, "magic"), (tmp_path / "gone.gguf", "gone.gguf")):
        with pytest.raises((ModelsyncError, OSError)) as caught:
            load(model, QUIET)
        assert reason in str(caught.value)
        assert "failed to load" not in str(caught.value).lower()
    assert "martian" not in capfd.readouterr().err


def test_an_earlier_log_callback_still_gets_everything(tiny_gguf: Path) -> None:
    """A program's own log callback gets the messages while a model is loaded, and afterwards."""
    import ctypes

    import llama_cpp

    said: list[bytes] = []

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def listen(level: int, text: bytes, data: ctypes.c_void_p) -> None:
        said.append(text)

    llama_cpp.llama_log_set(listen, ctypes.c_void_p(0))
    try:
        with loaded(tiny_gguf):
            during = len(said)
        llama_cpp.Llama(str(tiny_gguf), n_ctx=64, verbose=False).close()
        assert 0 < during < len(said)
    finally:
        llama_cpp.llama_log_set(llama_cpp._logger.llama_log_callback, ctypes.c_void_p(0))


def test_two_loads_share_nothing(tiny_gguf: Path, loras: Sequence[Path]) -> None:
    """What one does with its context and its adapter is nothing to the other, and neither is its end."""
    with loaded(tiny_gguf) as one:
        before = logits(one, "hello world")
        with loaded(tiny_gguf, loras=loras[:1]) as other:
            assert (one.model, one.ctx) != (other.model, other.ctx)
            assert not np.allclose(before, logits(other, "hello world"))
            one.reset()
            one.eval(one.tokenize(b"hello"))
            other("the model", max_tokens=8)
            one.eval(one.tokenize(b" world", add_bos=False))
        assert one("hello", max_tokens=4)["choices"][0]["text"]


def test_threads_load_at_once(tiny_gguf: Path) -> None:
    """Loads wait for each other, for llama-cpp-python turns the process's output off and on again as it loads."""
    out, err = sys.stdout, sys.stderr
    start = threading.Barrier(4)

    def work(_: int) -> str:
        start.wait()
        with loaded(tiny_gguf) as llm:
            return str(llm("hello", max_tokens=4, temperature=0)["choices"][0]["text"])

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(work, range(4)))) == 1
    assert (sys.stdout, sys.stderr) == (out, err)


def test_a_context_where_nothing_says_one(tiny_gguf: Path, bert: Path) -> None:
    """`default_context` is no more than what the model was trained with, and what is said wins over it."""
    for settings, default, context in (
        ({}, 128, 128),
        ({}, 4096, 256),
        ({"n_ctx": 64}, 128, 64),
        ({}, None, 512),
    ):
        with closing(load(tiny_gguf, {"verbose": False, **settings}, default_context=default)) as llm:
            assert llm.n_ctx() == context or llm.n_ctx() == -(-context // 256) * 256


@pytest.mark.parametrize("spoiled", ["missing", "broken"])
def test_without_the_extra_the_error_says_how_to_get_it(
    spoiled: str, tiny_gguf: Path, tmp_path: Path
) -> None:
    """No llama-cpp-python, or one that cannot be imported: the error names the extra, and where wheels are."""
    if spoiled == "broken":
        (tmp_path / "llama_cpp").mkdir()
        (tmp_path / "llama_cpp/__init__.py").write_text("raise RuntimeError('Failed to load shared library')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        + ("sys.modules['llama_cpp'] = None\n" if spoiled == "missing" else "")
        + "from pathlib import Path\nfrom modelsync.errors import ExtraMissingError\n"
        + "from modelsync.llama.load import load\n"
        + f"try:\n    load(Path({str(tiny_gguf)!r}), {{}})\n"
        + "except ExtraMissingError as error:\n    print(error.message, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ('pip install "modelsync[llama]"' if spoiled == "missing" else "--force-reinstall") in done.stdout
    assert spoiled == "broken" or "/whl/" in done.stdout


def test_bert_is_the_same_each_time(tmp_path: Path) -> None:
    """The same arguments give the same bytes."""
    one, other = make_bert(tmp_path / "one.gguf"), make_bert(tmp_path / "other.gguf")
    assert one.read_bytes() == other.read_bytes()
