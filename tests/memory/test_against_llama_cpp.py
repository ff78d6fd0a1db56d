"""The formulas, llama.cpp's own answers and a model that is really loaded, compared with each other."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.gguf.reader import read_header
from modelsync.gguf.writer import HeaderFile, minimal_header
from modelsync.llama.breakdown import Breakdown, sums_of
from modelsync.memory.estimate import estimate, model_of
from modelsync.memory.load_settings import LLAMA_CPP_PYTHON, LLAMA_SERVER, LoadSettings, cache_type
from modelsync.system.devices import Device
from tests.support import model_shapes
from tests.support.header_builder import Model as Building
from tests.support.marks import asks_llama_cpp

pytestmark = asks_llama_cpp

RAM = Device("RAM", "ram", 1 << 40, 1 << 40)
Q8 = cache_type("q8_0")
SETTINGS = {
    "llama-cpp-python": LLAMA_CPP_PYTHON._replace(context=4096),
    "llama-server": LLAMA_SERVER._replace(context=16384, gpu_layers=0),
    "flash, q8_0, an odd context": LoadSettings(
        "test", 5000, ubatch=256, flash_attention=True, cache_type_k=Q8, cache_type_v=Q8, full_window=False
    ),
}
DENSE = {
    "llama3.1-8B", "llama3.1-70B", "llama2-7B", "qwen2-7B", "phi3-mini", "starcoder2-7B", "gemma2-9B", "gemma3-4B"
}  # fmt: skip


@pytest.fixture(scope="module")
def llama_cpp() -> Iterator[Breakdown]:
    """One worker for all the headers of this module."""
    with Breakdown() as breakdown:
        yield breakdown


@pytest.mark.parametrize("name", model_shapes.ALL)
def test_the_formulas_say_what_llama_cpp_says(name: str, llama_cpp: Breakdown) -> None:
    """Weights as the file has them and cache to the byte; the buffer within 15 %, of dense models within 10 %."""
    model = model_of(model_shapes.ALL[name]().header())
    header = minimal_header(model.header)
    for profile, asked in SETTINGS.items():
        buffers = llama_cpp.ask(header, asked, repack=False)
        assert buffers is not None, llama_cpp.why_not
        exact, ours = sums_of(buffers), estimate(model, asked, RAM)
        assert (ours.weights, ours.cache) == (exact.weights, exact.cache), profile
        assert ours.compute == pytest.approx(exact.compute, rel=0.10 if name in DENSE else 0.15), profile


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    width=st.sampled_from([512, 768, 1024, 2048, 4096, 5120]),
    size=st.sampled_from([64, 128, 256]),
    spread=st.sampled_from([1, 2]),
    grouped=st.sampled_from([1, 2, 4, 8]),
    feed=st.sampled_from([2.75, 3.5, 6]),
    vocabulary=st.sampled_from([32000, 128256]),
    asked=st.sampled_from(sorted(SETTINGS)),
)
def test_any_dense_model_is_known(
    width: int,
    size: int,
    spread: int,
    grouped: int,
    feed: float,
    vocabulary: int,
    asked: str,
    llama_cpp: Breakdown,
) -> None:
    """Whatever its widths: weights and cache to the byte, the buffer within 15 %."""
    heads = max(8, spread * width // size // 8 * 8)
    model = Building("qwen3", 2, width, vocabulary, context=32768)
    model.heads(heads, heads // grouped, size)
    model.keys(feed_forward_length=int(width * feed))
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.norms(block, "attn_q_norm", "attn_k_norm", size=size)
        model.attention(block, heads * size, heads // grouped * size)
        model.feed_forward(block, int(width * feed))
    known = model_of(model.header())
    buffers = llama_cpp.ask(minimal_header(known.header), SETTINGS[asked], repack=False)
    assert buffers is not None, llama_cpp.why_not
    exact, ours = sums_of(buffers), estimate(known, SETTINGS[asked], RAM)
    assert (ours.weights, ours.cache) == (exact.weights, exact.cache)
    assert ours.compute == pytest.approx(exact.compute, rel=0.15)


REALLY_LOADED = """
import json, sys
import llama_cpp
from modelsync.llama import breakdown_worker as worker

quiet = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(quiet, None)
settings = json.loads(sys.argv[2])
library = worker._bind(llama_cpp)
model_params = llama_cpp.llama_model_default_params()
model_params.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
model_params.use_extra_bufts = False
model = llama_cpp.llama_load_model_from_file(sys.argv[1].encode(), model_params)
context_params = llama_cpp.llama_context_default_params()
for name, value in settings.items():
    setattr(context_params, name, value)
context = llama_cpp.llama_new_context_with_model(model, context_params)
buffers = list(worker._buffers(library, library.breakdown(context)))
print(json.dumps([sum(each["sizes"][index] for each in buffers) for index in range(3)]))
"""


def really_loaded(path: Path, asked: LoadSettings) -> list[int]:
    """Bytes of weights, cache and buffers that llama.cpp allocated for a file that it loaded."""
    context = {
        "n_ctx": asked.context,
        "n_batch": asked.batch,
        "n_ubatch": asked.ubatch,
        "flash_attn_type": int(asked.flash_attention),
        "swa_full": asked.full_window,
    }
    command = [sys.executable, "-c", REALLY_LOADED, str(path), json.dumps(context)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    sizes: list[int] = json.loads(done.stdout)
    return sizes


@pytest.mark.parametrize("flash", [False, True])
def test_a_model_that_is_loaded_takes_what_was_said(
    tiny_gguf: Path, llama_cpp: Breakdown, flash: bool
) -> None:
    """Full header, reduced header, formulas, and the loaded file: the same bytes everywhere."""
    asked = LoadSettings("test", 512, ubatch=128, flash_attention=flash)
    size = tiny_gguf.stat().st_size
    data = tiny_gguf.read_bytes()
    header = read_header(data, tiny_gguf.name, size=size)
    loaded = really_loaded(tiny_gguf, asked)
    for file in (HeaderFile(data[: header.nbytes], size), minimal_header(header)):
        buffers = llama_cpp.ask(file, asked, repack=False)
        assert buffers is not None, llama_cpp.why_not
        assert list(sums_of(buffers)) == loaded
    ours = estimate(model_of(header), asked, RAM)
    assert [ours.weights, ours.cache] == loaded[:2]


def with_a_hole(model: Building, path: Path) -> Path:
    """The model's header and a hole: llama.cpp loads it and computes nothing."""
    file = model.file()
    with open(path, "wb") as out:
        out.write(file.header)
        out.truncate(file.size)
    return path


def test_a_windowed_model_that_is_loaded_takes_what_was_said(llama_cpp: Breakdown, tmp_path: Path) -> None:
    """Gemma 3's layout, small enough to be loaded here, with and without the full window."""
    model = Building("gemma3", 6, 256, 2048, context=8192, quant="F16")
    model.heads(4, 2, 64)
    model.keys(feed_forward_length=512, attention__sliding_window=512)
    model.ends(tied=True)
    for block in model.blocks:
        model.norms(block, "attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        model.norms(block, "attn_q_norm", "attn_k_norm", size=64)
        model.attention(block, 256, 128)
        model.feed_forward(block, 512)
    path = with_a_hole(model, tmp_path / "gemma.gguf")
    for full in (False, True):
        asked = LoadSettings("test", 4096, ubatch=256, full_window=full)
        buffers = llama_cpp.ask(minimal_header(model.header()), asked, repack=False)
        assert buffers is not None, llama_cpp.why_not
        loaded = really_loaded(path, asked)
        assert list(sums_of(buffers)) == loaded
        ours = estimate(model_of(model.header()), asked, RAM)
        assert [ours.weights, ours.cache] == loaded[:2]
