"""Asks llama.cpp for the memory that a model needs.

A header without its data is loaded with `no_alloc`, which plans all buffers, logs their sizes and allocates none. A
worker process (`breakdown_worker`) does that for many headers, and is restarted if a header kills it.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from modelsync.gguf.writer import HeaderFile
from modelsync.llama.breakdown_log import Logged, complaint, logged
from modelsync.llama.installed import is_installed
from modelsync.memory.load_settings import LoadSettings
from modelsync.spec.names import printable

START_SECONDS = 60.0  # importing llama-cpp-python and finding GPUs, on a slow disk
ANSWER_SECONDS = 30.0
_MOST_CONTEXT = 4 << 20  # tokens; llama.cpp allocates 50 bytes for the cell of each
_MOST_ANSWER = 4 << 20  # bytes
_MOST_SIZE = 1 << 60  # bytes of a buffer
_FRAME = 8  # bytes: two u32
# The only environment variables that the worker gets: search paths, and the choice of GPUs.
_ENVIRONMENT = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "LLAMA_CPP_LIB_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GGML_VK_VISIBLE_DEVICES",
)


class GgmlDevice(NamedTuple):
    """A device of ggml."""

    name: str
    description: str
    type: int  # 0 CPU, 1 GPU, 2 integrated GPU, 3 accelerator beside the CPU
    free: int  # bytes
    total: int

    @property
    def is_gpu(self) -> bool:
        """Whether it can hold layers."""
        return self.type in (1, 2)


class Answer(NamedTuple):
    """What llama.cpp says of a load.

    Attributes:
        weights: Bytes of the tensors that it loads, as the file has them, each counted once.
        log: The sizes in its log.
        repacked: Bytes that a block takes more than in the file, by the ID of each type of weights that is laid out
            anew for this CPU; none if that was ruled out, or does not happen here.
    """

    weights: int
    log: Logged
    repacked: Mapping[int, int]


class Breakdown:
    """A worker process that answers requests; a context manager that ends it.

    Attributes:
        why_not: Why the last request has no answer, for people; None if it has one.
    """

    def __init__(self) -> None:
        """The process starts with the first request."""
        self.why_not: str | None = None
        self._seconds = ANSWER_SECONDS  # that an answer may take
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._devices: tuple[GgmlDevice, ...] = ()
        self._repacked: dict[str, dict[int, int]] = {}  # by the buffer's name: the type's ID, bytes a block
        self._unusable: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the worker."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def devices(self) -> tuple[GgmlDevice, ...]:
        """The devices of ggml on this machine; none if the worker is unusable."""
        return self._devices if self._ready() else ()

    def ask(self, file: HeaderFile, settings: LoadSettings, *, repack: bool = True) -> Answer | None:
        """Asks what llama.cpp would allocate for a model.

        Args:
            file: The model's reduced header, and the size that its file would have.
            settings: How it is loaded; `gpu_layers` and `context` are numbers.
            repack: Whether llama.cpp may repack weights for this CPU, as `llama_cpp.Llama` does. With AMX, repacked
                weights are larger than in the file.

        Returns:
            The answer; None: `why_not` says why.
        """
        if not self._ready():
            return None
        if settings.context > _MOST_CONTEXT:
            self.why_not = f"llama.cpp is not asked about a context of {settings.context} tokens"
            return None
        return self._query(file, settings, repack=repack)

    def _ready(self) -> bool:
        """Whether there is a worker; starts one if needed."""
        self.why_not = self._unusable
        if self._unusable is None and self._process is None:
            self.why_not = self._unusable = self._start()
        return self._unusable is None

    def _start(self) -> str | None:
        """Starts a worker; returns why it is unusable, or None."""
        if sys.platform != "linux":
            return "llama.cpp's own numbers can be read only on Linux"
        if not is_installed():
            return "llama-cpp-python is not installed"
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "modelsync.llama.breakdown_worker"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment(),
                start_new_session=True,
            )
        self._socket = ours
        greeting = self._receive(START_SECONDS)
        if greeting is None or "devices" not in greeting:
            unable = None if greeting is None else greeting.get("unable")
            self.close()
            return (
                f"llama-cpp-python cannot be asked: {printable(str(unable))}" if unable else "its worker died"
            )
        self._devices = tuple(_device(each) for each in greeting["devices"])
        self._repacked = {
            name: {int(kind): _size(more) for kind, more in types.items()}
            for name, types in greeting["repacked"].items()
        }
        return None

    def _query(self, file: HeaderFile, settings: LoadSettings, *, repack: bool) -> Answer | None:
        request = {
            "file_size": file.size,
            "gpu_layers": settings.gpu_layers,
            "repack": repack,
            "context": _context(settings),
        }
        answer = self._exchange(request, file.header)
        if answer is None:
            self.why_not = "llama.cpp did not survive this header"
            self.close()  # the next request starts another worker
            return None
        text = str(answer.get("log", ""))
        if answer.get("weights") is None:
            self.why_not = f"llama.cpp says: {printable(complaint(text) or 'nothing')}"
            return None
        log = logged(text)
        if not log.compute:
            self.why_not = "llama.cpp's log has no sizes that can be read"
            return None
        repacked: dict[int, int] = {}
        for name in log.weights & self._repacked.keys() if repack else ():
            repacked |= self._repacked[name]
        return Answer(max(0, _size(answer["weights"]) - log.unused), log, repacked)

    def _exchange(self, request: dict[str, Any], data: bytes) -> dict[str, Any] | None:
        assert self._socket is not None
        text = json.dumps(request).encode()
        self._socket.settimeout(self._seconds)
        try:
            lengths = len(text).to_bytes(4, "little") + len(data).to_bytes(4, "little")
            self._socket.sendall(lengths + text + data)
        except OSError:
            return None
        return self._receive(self._seconds)

    def _receive(self, seconds: float) -> dict[str, Any] | None:
        """The worker's next answer; None if it died, took too long or sent no valid frame."""
        deadline = time.monotonic() + seconds
        head = self._read_exactly(_FRAME, deadline)
        length = int.from_bytes(head[:4], "little")
        if len(head) < _FRAME or length > _MOST_ANSWER:
            return None
        try:
            answer = json.loads(self._read_exactly(length, deadline))
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None

    def _read_exactly(self, count: int, deadline: float) -> bytes:
        assert self._socket is not None
        parts = []
        try:
            while count:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                part = self._socket.recv(min(count, 1 << 16))
                if not part:
                    break
                parts.append(part)
                count -= len(part)
        except OSError:
            return b""
        return b"".join(parts)


def environment() -> dict[str, str]:
    """The environment of a process that imports llama-cpp-python: nothing that may be a secret."""
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}


def _context(settings: LoadSettings) -> dict[str, Any]:
    """Fields of `llama_context_params`."""
    return {
        "n_ctx": settings.context,
        "n_batch": settings.batch,
        "n_ubatch": settings.ubatch,
        "n_seq_max": settings.sequences,
        "n_outputs_max": settings.outputs,
        "kv_unified": settings.unified,
        "flash_attn_type": int(settings.flash_attention),
        "type_k": settings.cache_type_k.id,
        "type_v": settings.cache_type_v.id,
        "swa_full": settings.full_window,
        "offload_kqv": settings.offload_cache,
    }


def _device(record: dict[str, Any]) -> GgmlDevice:
    return GgmlDevice(
        printable(str(record["name"])),
        printable(str(record["description"])),
        int(record["type"]),
        _size(record["free"]),
        _size(record["total"]),
    )


def _size(record: Any) -> int:
    size = int(record)
    if not 0 <= size < _MOST_SIZE:
        raise ValueError("impossible size")
    return size
