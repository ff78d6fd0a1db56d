"""Asking llama.cpp: a worker that is guarded, tested, and believed only where its log agrees."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelsync.gguf.reader import read_header
from modelsync.gguf.types import BY_NAME
from modelsync.gguf.writer import HeaderFile, minimal_header, write_header
from modelsync.llama.breakdown import Breakdown, sums_of
from modelsync.llama.breakdown_check import (
    KNOWN,
    KNOWN_SETTINGS,
    Sums,
    complaint,
    disagreement,
    known_header,
    self_test,
)
from modelsync.llama.breakdown_estimate import estimator, gpus_of
from modelsync.memory.cache import cache_bytes
from modelsync.memory.estimate import estimate, model_of
from modelsync.memory.load_settings import LLAMA_CPP_PYTHON, LLAMA_SERVER
from modelsync.memory.placement import max_context
from modelsync.system.devices import Device
from tests.support import model_shapes
from tests.support.header_builder import Model as Building
from tests.support.machines import RAM
from tests.support.marks import asks_llama_cpp
from tests.support.units import GiB

LOG = """llama_kv_cache: size =    1.00 MiB (  1024 cells,   2 layers,  1/1 seqs), K (f16):    0.50 MiB
sched_reserve:        CPU compute buffer size =    15.51 MiB
"""


@pytest.fixture(scope="module")
def breakdown() -> Iterator[Breakdown]:
    """One worker for this module's questions."""
    with Breakdown() as breakdown:
        yield breakdown


def test_the_known_header_is_what_it_is_said_to_be() -> None:
    """Its weights and cache by the formulas are the numbers that were reckoned by hand."""
    file = known_header()
    model = model_of(read_header(file.header, "known", size=file.size))
    ours = estimate(model, KNOWN_SETTINGS, RAM)
    assert (ours.weights, ours.cache, ours.compute) == KNOWN


@pytest.mark.parametrize(
    ("sums", "log", "words"),
    [
        (KNOWN, LOG, None),
        (KNOWN._replace(weights=KNOWN.weights + 1), LOG, "was read as 15738881"),
        (KNOWN._replace(cache=0), LOG, "not 15738880 + 1048576"),
        (KNOWN._replace(compute=1), LOG, "buffer was read as 1 bytes"),
        (KNOWN, LOG.replace("15.51", "15.55"), "logged 15.55 MiB"),
        (KNOWN, "", "does not give the size of its cache"),
        (KNOWN, LOG.splitlines()[0], "does not give the size of its compute"),
    ],
)
def test_what_does_not_agree_is_not_believed(sums: Sums, log: str, words: str | None) -> None:
    """A wrong sum, a log that says otherwise, a log that says nothing: each is a reason to fall back."""
    wrong = self_test(sums, log)
    assert wrong is None if words is None else words in (wrong or "")


def test_several_caches_are_added_up() -> None:
    """Windowed models log two caches, hybrids a cache and a state."""
    log = LOG + "llama_memory_recurrent: size =    2.50 MiB (     1 cells,   4 layers)\n"
    assert disagreement(Sums(0, 7 << 19, 16_267_264), log) is None
    assert disagreement(Sums(0, 1 << 20, 16_267_264), log) is not None


def test_a_complaint_is_found_in_the_log() -> None:
    """The first line that speaks of an error is told, and nothing where there is none."""
    log = "loaded meta data\nllama_model_load: error loading model: unknown model architecture: 'x'\nmore\n"
    assert complaint(log) == "llama_model_load: error loading model: unknown model architecture: 'x'"
    assert complaint("all is well\n") is None


@asks_llama_cpp
def test_the_worker_passes_its_test(breakdown: Breakdown) -> None:
    """The installed llama.cpp says of the known header what was reckoned by hand, its buffer too."""
    buffers = breakdown.ask(known_header(), KNOWN_SETTINGS)
    assert buffers is not None, breakdown.why_not
    assert sums_of(buffers) == KNOWN
    assert breakdown.why_not is None


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
    with Breakdown(answer_seconds=0) as breakdown:
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
    buffers = breakdown.ask(minimal_header(model.header), found.settings)
    assert buffers is not None
    assert (found.weights, found.cache, found.compute) == sums_of(buffers)
    small = Device("RAM", "ram", 6 * GiB, 6 * GiB)
    asked = LLAMA_CPP_PYTHON._replace(full_window=False)
    most = max_context(asked, 131072, estimator(model, small, (), breakdown))
    assert 0 < most < 131072


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
    with_it = model_of(header, [read_header(file.header, "mmproj")])
    found = estimator(with_it, RAM, (), breakdown)(LLAMA_CPP_PYTHON)
    bare = estimator(model_of(header), RAM, (), breakdown)(LLAMA_CPP_PYTHON)
    assert found.weights - bare.weights == 4 << 20
    assert found.notes == ("the projector's compute buffer is not counted",)
