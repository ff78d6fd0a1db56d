"""Asking llama.cpp: a worker that is guarded, and what its log says."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelsync.gguf.reader import read_header
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import HeaderFile, minimal_header, write_header
from modelsync.llama.breakdown import Answer, Breakdown, GgmlDevice
from modelsync.llama.breakdown_estimate import estimator, gpus_of
from modelsync.llama.breakdown_log import Logged, complaint, logged
from modelsync.memory.cache import cache_bytes
from modelsync.memory.companions import CompanionHeader
from modelsync.memory.estimate import estimate, model_of
from modelsync.memory.load_settings import LLAMA_CPP_PYTHON, LLAMA_SERVER, LoadSettings
from modelsync.memory.placement import max_context
from modelsync.memory.weights import arrange, repacked_bytes
from modelsync.system.devices import Device
from tests.support import model_shapes
from tests.support.header_builder import Model as Building
from tests.support.machines import RAM
from tests.support.marks import asks_llama_cpp
from tests.support.units import GiB, MiB

KNOWN_SETTINGS = LoadSettings("test", context=1024, flash_attention=True)
LOG = """load_tensors:          AMX model buffer size =     0.00 MiB
load_tensors:          CPU model buffer size =     0.00 MiB
llama_kv_cache: size =    1.00 MiB (  1024 cells,   2 layers,  1/1 seqs), K (f16):    0.50 MiB
llama_memory_recurrent: size =    2.50 MiB (     1 cells,   4 layers)
llama_context:        CPU  output buffer size =     0.49 MiB
llama_kv_cache:        CPU KV buffer size =     0.00 MiB
model has unused tensor blk.2.ffn_up.weight (size = 4096 bytes) -- ignoring
model has unused tensor blk.2.ffn_down.weight (size = 1 bytes) -- ignoring
sched_reserve:      CUDA0 compute buffer size =   304.75 MiB
sched_reserve:  CUDA_Host compute buffer size =    15.51 MiB
"""


def known_header() -> HeaderFile:
    """A llama model of two layers, F16."""
    model = Building("llama", 2, 512, 1024, context=4096, quant="F16")
    model.heads(8, 2)
    model.keys(feed_forward_length=1792, rope__dimension_count=64)
    model.ends()
    for block in model.blocks:
        model.norms(block, "attn_norm", "ffn_norm")
        model.attention(block, 512, 128)
        model.feed_forward(block, 1792)
    return minimal_header(model.header())


@pytest.fixture(scope="module")
def breakdown() -> Iterator[Breakdown]:
    """One worker for this module's questions."""
    with Breakdown() as breakdown:
        yield breakdown


def test_the_log_gives_sizes() -> None:
    """Each cache, each compute buffer by its name, where weights are, and what is not loaded; nothing else counts."""
    found = logged(LOG)
    assert found.caches == (MiB, 5 * MiB // 2)
    assert dict(found.compute) == {"CUDA0": 1219 * MiB // 4, "CUDA_Host": round(15.51 * MiB)}
    assert found.weights == {"AMX", "CPU"}
    assert found.unused == 4097
    assert logged("all is well\n") == Logged((), (), frozenset(), 0)


def test_a_complaint_is_found_in_the_log() -> None:
    """The first line that speaks of an error is told, and nothing where there is none."""
    log = "loaded meta data\nllama_model_load: error loading model: unknown model architecture: 'x'\nmore\n"
    assert complaint(log) == "llama_model_load: error loading model: unknown model architecture: 'x'"
    assert complaint("all is well\n") is None


@asks_llama_cpp
def test_the_worker_says_of_a_known_header_what_was_computed_by_hand(breakdown: Breakdown) -> None:
    """Two layers of a width of 512: the bytes of each tensor and of the cache can be added up on paper."""
    answer = breakdown.ask(known_header(), KNOWN_SETTINGS, repack=False)
    assert answer is not None, breakdown.why_not
    assert breakdown.why_not is None
    layer = 2 * 512 * 4 + 2 * (2 * 512 * 512 + 2 * 128 * 512 + 3 * 1792 * 512)
    assert answer.weights == 2 * 1024 * 512 * 2 + 512 * 4 + 2 * layer
    assert answer.log.caches == (1024 * 2 * (128 + 128) * 2,)
    assert [name for name, _ in answer.log.compute] == ["CPU"]
    assert answer.log.weights == {"CPU"}
    assert answer.repacked == {}


@asks_llama_cpp
def test_a_log_without_sizes_is_not_believed(breakdown: Breakdown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where llama.cpp words its log otherwise, the formulas answer, and the note says why."""
    monkeypatch.setattr("modelsync.llama.breakdown.logged", lambda _: logged(""))
    model = model_of(model_shapes.ALL["llama3.1-8B"]().header())
    found = estimator(model, RAM, (), breakdown)(LLAMA_CPP_PYTHON)
    assert (found.source, found.need) == ("formula", estimate(model, LLAMA_CPP_PYTHON, RAM).need)
    assert found.notes == ("by the formulas: llama.cpp's log has no sizes that can be read",)


@asks_llama_cpp
def test_ggml_tells_its_devices(breakdown: Breakdown) -> None:
    """There is a CPU among them, and each GPU can be a device of an estimate."""
    assert any(device.type == 0 and device.total for device in breakdown.devices())
    assert len(gpus_of(breakdown)) == sum(device.is_gpu for device in breakdown.devices())


@asks_llama_cpp
def test_the_worker_has_no_secrets_and_leaves_no_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this process's environment it has where things are, and nothing else; no core dump may be written."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    with Breakdown() as breakdown:
        assert breakdown.devices()
        assert breakdown._process is not None
        proc = Path("/proc") / str(breakdown._process.pid)
        variables = {each.partition(b"=")[0] for each in (proc / "environ").read_bytes().split(b"\0") if each}
        assert variables <= {
            b"PATH",
            b"PYTHONPATH",
            b"PYTHONHOME",
            b"LD_LIBRARY_PATH",
            b"CUDA_VISIBLE_DEVICES",
        }
        limits = (proc / "limits").read_text().splitlines()
        assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == [
            "0",
            "0",
        ]
        assert next(line for line in limits if line.startswith("Max cpu time")).split()[3].isdecimal()


@asks_llama_cpp
def test_a_header_that_kills_the_worker_hurts_no_other() -> None:
    """llama.cpp aborts on a model of a thousand layers; the next header is answered by another worker."""
    f32 = BY_NAME["F32"]
    deadly = write_header(
        {
            "general.architecture": "llama",
            "tokenizer.ggml.model": "no_vocab",
            "llama.vocab_size": 32,
            "llama.context_length": 32,
            "llama.embedding_length": 32,
            "llama.block_count": 1000,
        },
        [("token_embd.weight", (32, 32), f32)],
    )
    with Breakdown() as breakdown:
        assert breakdown.ask(deadly, LLAMA_CPP_PYTHON) is None
        assert breakdown.why_not == "llama.cpp did not survive this header"
        assert breakdown.ask(known_header(), KNOWN_SETTINGS) is not None


@asks_llama_cpp
def test_a_worker_that_does_not_answer_is_ended() -> None:
    """A worker that takes too long is killed, and the request has no answer."""
    with Breakdown() as breakdown:
        breakdown.devices()
        worker = breakdown._process
        assert worker is not None
        os.kill(worker.pid, signal.SIGSTOP)
        breakdown._seconds = 0.1
        assert breakdown.ask(known_header(), KNOWN_SETTINGS) is None
        assert breakdown._process is None


@asks_llama_cpp
def test_no_worker_outlives_its_parent() -> None:
    """Closing ends the process, if there ever was one."""
    with Breakdown():
        pass
    with Breakdown() as breakdown:
        breakdown.devices()
        process = breakdown._process
    assert process is not None
    assert process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


@asks_llama_cpp
def test_what_llama_cpp_cannot_load_is_said(breakdown: Breakdown) -> None:
    """An architecture that it does not know, and a header that lies: its own words, and the formulas' numbers."""
    model = Building("brandnew", 2, 256, 1024, context=512)
    model.heads(4, 2)
    model.ends()
    assert breakdown.ask(minimal_header(model.header()), LLAMA_CPP_PYTHON) is None
    assert "unknown model architecture: 'brandnew'" in (breakdown.why_not or "")
    found = estimator(model_of(model.header()), RAM, (), breakdown)(LLAMA_CPP_PYTHON)
    assert (found.source, found.bound) == ("formula", True)
    assert "brandnew" in found.notes[1]
    assert breakdown.ask(HeaderFile(b"GGUF" + bytes(20), 24), LLAMA_CPP_PYTHON) is None


@asks_llama_cpp
def test_estimates_have_llama_cpps_numbers(breakdown: Breakdown) -> None:
    """Where it answers, the numbers are its own, and the largest context is found with them."""
    model = model_of(model_shapes.ALL["gemma3-4B"]().header())
    ask = estimator(model, RAM, (), breakdown)
    found = ask(LLAMA_SERVER._replace(context=8192))
    assert (found.source, found.bound, found.notes) == ("llama.cpp", False, ())
    answer = breakdown.ask(minimal_header(model.header), found.settings)
    assert answer is not None
    assert found.compute == sum(size for _, size in answer.log.compute)
    assert found.cache == sum(cache_bytes(model.shape, found.settings))
    anew = repacked_bytes(model.header, model.shape, arrange(len(model.shape.layers), 0, []), answer.repacked)
    assert found.weights == model.weights.total + anew
    small = Device("RAM", "ram", 6 * GiB, 6 * GiB)
    asked = LLAMA_CPP_PYTHON._replace(full_window=False)
    most = max_context(asked, 131072, estimator(model, small, (), breakdown))
    assert 0 < most < 131072


class Told(Breakdown):
    """A llama.cpp with one GPU that says what it is told to say."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer

    def devices(self) -> tuple[GgmlDevice, ...]:
        """A GPU behind the CPU."""
        return GgmlDevice("CPU", "", 0, GiB, GiB), GgmlDevice("CUDA0", "A GPU", 1, 24 * GiB, 24 * GiB)

    def ask(self, file: HeaderFile, settings: LoadSettings, *, repack: bool = True) -> Answer:
        """Whatever is asked."""
        return self.answer


def test_what_the_log_says_is_shared_out_over_the_devices() -> None:
    """A buffer with a GPU's name is the GPU's, any other is in RAM; a cache that the formulas do not know is scaled."""
    model = model_of(model_shapes.ALL["llama3.1-8B"]().header())
    gpu = Device("GPU", "cuda", 24 * GiB, 24 * GiB)
    asked = LLAMA_CPP_PYTHON._replace(gpu_layers=17, context=4096)
    ours = estimate(model, asked, RAM, [gpu])
    log = logged(LOG)
    told = Told(Answer(model.weights.loaded - 4096, log, {BY_NAME["Q8_0"].id: 4}))
    ram, card = estimator(model, RAM, [gpu], told)(asked).uses
    assert (ram.compute, card.compute) == (round(15.51 * MiB), 1219 * MiB // 4)
    assert ram.cache + card.cache == pytest.approx(sum(log.caches), abs=1)
    assert ram.cache / card.cache == pytest.approx(ours.uses[0].cache / ours.uses[1].cache)
    assert ram.weights > ours.uses[0].weights
    assert sum((ram.weights, card.weights)) > ours.weights
    exact = Told(Answer(model.weights.loaded, log._replace(caches=(ours.cache + 5000,)), {}))
    found = estimator(model, RAM, [gpu], exact)(asked)
    assert [(use.weights, use.cache) for use in found.uses] == [(use.weights, use.cache) for use in ours.uses]


@asks_llama_cpp
def test_many_sequences_states_are_not_allocated(breakdown: Breakdown) -> None:
    """Of a state that would take gigabytes one sequence's is simulated, and the others added to the byte."""
    model = model_of(model_shapes.ALL["nemotron-h-8B"]().header())
    settings = LLAMA_CPP_PYTHON._replace(sequences=64, unified=True)
    found = estimator(model, RAM, (), breakdown)(settings)
    assert found.source == "llama.cpp"
    assert found.cache == sum(cache_bytes(model.shape, settings)) > GiB


@asks_llama_cpp
def test_a_gpu_in_exclusive_mode_is_left_alone(breakdown: Breakdown) -> None:
    """Asking would take it from its process; the formulas answer, and say why."""
    gpu = Device("GPU", "cuda", 24 * GiB, 23 * GiB, exclusive=True)
    found = estimator(model_of(model_shapes.ALL["llama3.1-8B"]().header()), RAM, (gpu,), breakdown)(
        LLAMA_CPP_PYTHON
    )
    assert found.source == "formula"
    assert "exclusive mode" in found.notes[-1]


@asks_llama_cpp
def test_projectors_are_added_to_llama_cpps_numbers(breakdown: Breakdown) -> None:
    """What is not in the header that is asked about is counted all the same."""
    file = write_header({"general.architecture": "clip"}, [("mm.0.weight", (1024, 1024), BY_NAME["F32"])])
    header = model_shapes.ALL["llama3.1-8B"]().header()
    with_it = model_of(header, [CompanionHeader("mmproj", read_header(file.header, "mmproj"))])
    found = estimator(with_it, RAM, (), breakdown)(LLAMA_CPP_PYTHON)
    bare = estimator(model_of(header), RAM, (), breakdown)(LLAMA_CPP_PYTHON)
    assert found.weights - bare.weights == 4 << 20
    assert found.notes == ("the projector's compute buffer is not counted",)
