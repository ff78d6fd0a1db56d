"""The formulas, llama.cpp's own answers and a model that is really loaded, compared with each other."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelsync.gguf.reader import read_header
from modelsync.gguf.writer import HeaderFile, minimal_header
from modelsync.llama.breakdown import Answer, Breakdown
from modelsync.llama.breakdown_log import ROUNDING, Logged, logged
from modelsync.memory.estimate import Estimate, EstimatedModel, estimate, model_of
from modelsync.memory.load_settings import (
    ALL_LAYERS,
    LLAMA_CPP_PYTHON,
    LLAMA_SERVER,
    LoadSettings,
    cache_type,
)
from modelsync.memory.weights import arrange, repacked_bytes
from modelsync.system.devices import Device
from tests.support import model_shapes
from tests.support.header_builder import Model as Building
from tests.support.marks import asks_llama_cpp
from tests.support.units import GiB, MiB

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

# Bytes of weights, and of the cache with each of those settings, by llama.cpp's own accounting (version 0.3.36 of
# llama-cpp-python, weights as the file has them).
MEASURED = {
    "llama3.1-8B": (8532934656, 536870912, 2147483648, 356515840),
    "llama3.1-70B": (74967187456, 1342177280, 5368709120, 891289600),
    "llama2-7B": (7160348672, 2147483648, 8589934592, 1426063360),
    "qwen2-7B": (8092571648, 234881024, 939524096, 155975680),
    "phi3-mini": (4060483584, 1610612736, 6442450944, 1069547520),
    "starcoder2-7B": (7867830272, 268435456, 1073741824, 178257920),
    "mixtral-8x7B": (49625579520, 536870912, 2147483648, 356515840),
    "qwen3-30B-A3B": (32477962240, 402653184, 1610612736, 267386880),
    "glm4.5-air": (113602894336, 771751936, 3087007744, 512491520),
    "gemma2-9B": (9844488192, 1409286144, 5637144576, 865665024),
    "gemma3-4B": (4123686912, 570425344, 882900992, 136478720),
    "gemma3n-e4B": (7868327872, 167772160, 218103808, 35651584),
    "command-r7B": (8530182144, 536870912, 2147483648, 316407808),
    "gpt-oss-20B": (12096558336, 201326592, 427819008, 73531392),
    "deepseek2-lite": (16698521600, 127401984, 509607936, 84602880),
    "deepseek-v3": (713281210368, 287834112, 1151336448, 191139840),
    "bge-base": (117213408, 0, 0, 0),
    "mamba-2.8B": (2963994880, 24903680, 99614720, 24903680),
    "rwkv7-3B": (3137095680, 21626880, 86507520, 21626880),
    "granite4-h-tiny": (7386743040, 91615232, 366460928, 80343040),
    "falcon-h1-7B": (8063277440, 324853760, 1299415040, 262856704),
    "nemotron-h-8B": (8541500928, 175038464, 700153856, 152494080),
    "jamba-mini": (54812851712, 84541440, 338165760, 61997056),
    "qwen3-next-80B": (84806265856, 179699712, 718798848, 145883136),
    "lfm2-1.2B": (1243868160, 50495488, 201981952, 33587200),
}


def agrees(answer: Answer, model: EstimatedModel, ours: Estimate, within: float) -> None:
    """Holds an estimate against llama.cpp: tensors to the byte, caches to the digits of the log, then the buffer."""
    assert answer.weights == model.weights.loaded
    assert ours.weights >= answer.weights
    assert abs(ours.cache - sum(answer.log.caches)) <= ROUNDING * len(answer.log.caches)
    assert ours.compute == pytest.approx(sum(size for _, size in answer.log.compute), rel=within)


@pytest.fixture(scope="module")
def llama_cpp() -> Iterator[Breakdown]:
    """One worker for all the headers of this module."""
    with Breakdown() as breakdown:
        yield breakdown


@pytest.mark.parametrize("name", model_shapes.ALL)
def test_the_formulas_say_what_llama_cpp_says(name: str, llama_cpp: Breakdown) -> None:
    """Weights as the file has them and cache, both to the byte; the buffer within 15 %, of dense models within 10 %."""
    model = model_of(model_shapes.ALL[name]().header())
    header = minimal_header(model.header)
    weights, *caches = MEASURED[name]
    for (profile, asked), cache in zip(SETTINGS.items(), caches, strict=True):
        answer, ours = llama_cpp.ask(header, asked, repack=False), estimate(model, asked, RAM)
        assert answer is not None, llama_cpp.why_not
        assert not answer.repacked
        agrees(answer, model, ours, 0.10 if name in DENSE else 0.15)
        assert (ours.weights, ours.cache) == (weights, cache), profile


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
    """Whatever its widths: weights to the byte, cache to the digits of the log, the buffer within 15 %."""
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
    answer = llama_cpp.ask(minimal_header(known.header), SETTINGS[asked], repack=False)
    assert answer is not None, llama_cpp.why_not
    ours = estimate(known, SETTINGS[asked], RAM)
    agrees(answer, known, ours, 0.15)
    assert ours.weights == answer.weights  # every row is a multiple of what a buffer is aligned to


REALLY_LOADED = """
import json, sys
import llama_cpp

@llama_cpp.llama_log_callback
def tell(level, text, _):
    print(text.decode(), end="")

llama_cpp.llama_log_set(tell, None)
settings = json.loads(sys.argv[2])
model_params = llama_cpp.llama_model_default_params()
model_params.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
model_params.use_extra_bufts = False
model = llama_cpp.llama_load_model_from_file(sys.argv[1].encode(), model_params)
context_params = llama_cpp.llama_context_default_params()
for name, value in settings.items():
    setattr(context_params, name, value)
assert llama_cpp.llama_new_context_with_model(model, context_params)
"""
ALLOCATED = re.compile(r"(model|KV) buffer size = +([0-9.]+) MiB")


def really_loaded(path: Path, asked: LoadSettings) -> tuple[int, int, Logged]:
    """Bytes of weights and of the cache that llama.cpp allocated for a file that it loaded, and the whole log."""
    context = {
        "n_ctx": asked.context,
        "n_batch": asked.batch,
        "n_ubatch": asked.ubatch,
        "flash_attn_type": int(asked.flash_attention),
        "swa_full": asked.full_window,
    }
    command = [sys.executable, "-c", REALLY_LOADED, str(path), json.dumps(context)]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = {"model": 0.0, "KV": 0.0}
    for what, number in ALLOCATED.findall(log):
        found[what] += float(number)
    return round(found["model"] * MiB), round(found["KV"] * MiB), logged(log)


@pytest.mark.parametrize("flash", [False, True])
def test_a_model_that_is_loaded_takes_what_was_said(
    tiny_gguf: Path, llama_cpp: Breakdown, flash: bool
) -> None:
    """Full header, reduced header, formulas, and the loaded file: the same sizes everywhere."""
    asked = LoadSettings("test", 512, ubatch=128, flash_attention=flash)
    size = tiny_gguf.stat().st_size
    data = tiny_gguf.read_bytes()
    header = read_header(data, tiny_gguf.name, size=size)
    weights, cache, log = really_loaded(tiny_gguf, asked)
    for file in (HeaderFile(data[: header.nbytes], size), minimal_header(header)):
        answer = llama_cpp.ask(file, asked, repack=False)
        assert answer is not None, llama_cpp.why_not
        assert (answer.log.caches, answer.log.compute) == (log.caches, log.compute)
    ours = estimate(model_of(header), asked, RAM)
    assert ours.weights == pytest.approx(weights, abs=ROUNDING)
    assert ours.cache == pytest.approx(cache, abs=ROUNDING)


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
        answer = llama_cpp.ask(minimal_header(model.header()), asked, repack=False)
        assert answer is not None, llama_cpp.why_not
        weights, cache, log = really_loaded(path, asked)
        assert (answer.log.caches, answer.log.compute) == (log.caches, log.compute)
        ours = estimate(model_of(model.header()), asked, RAM)
        assert ours.weights == pytest.approx(weights, abs=ROUNDING)
        assert ours.cache == pytest.approx(cache, abs=2 * ROUNDING)


# Bytes that weights took beyond the file's in AMX's layout, by llama.cpp's own accounting.
REPACKED_BY_AMX = {"llama3.1-8B": 938082304, "gemma3-4B": 1197998080, "qwen3-next-80B": 250249216}


@pytest.mark.parametrize("name", REPACKED_BY_AMX)
def test_weights_that_are_laid_out_anew_are_counted(name: str, llama_cpp: Breakdown) -> None:
    """With AMX what was measured, a tied embedding twice; other layouts take what the file does, tied ones twice."""
    model = model_of(model_shapes.ALL[name]().header())
    answer = llama_cpp.ask(minimal_header(model.header), SETTINGS["llama-cpp-python"])
    assert answer is not None, llama_cpp.why_not
    assert bool(answer.repacked) == bool(answer.log.weights - {"CPU"})
    layout = arrange(len(model.shape.layers), 0, [])
    more = repacked_bytes(model.header, model.shape, layout, answer.repacked)
    assert more == REPACKED_BY_AMX[name] if "AMX" in answer.log.weights else more in (0, model.weights.tied)
    with_gpus = arrange(len(model.shape.layers), ALL_LAYERS, [GiB])
    assert repacked_bytes(model.header, model.shape, with_gpus, answer.repacked) == 0
