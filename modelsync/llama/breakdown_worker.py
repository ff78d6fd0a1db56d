"""The worker process of `breakdown`: `python -m modelsync.llama.breakdown_worker`, with a socket as its stdin.

Bad metadata makes llama.cpp abort, so it runs in a process that may die. That process has no secrets in its
environment, leaves no core dump, and has limits on CPU time and memory.

The answer is llama.cpp's log, which `modelsync.llama.breakdown_log` reads, and the size of the file's tensors. Only
public functions of llama.cpp and ggml are called.

Both sides send frames: two u32, the lengths of a JSON object and of the bytes that follow it.
"""

import ctypes
import json
import os
import resource
import socket
import struct
from collections.abc import Callable
from itertools import islice, takewhile
from typing import Any, NamedTuple

FRAME = struct.Struct("<II")
CPU_SECONDS = 30  # for one request
DATA_BYTES = 4 << 30  # of private memory; llama.cpp really allocates recurrent states and cache cells
LOG_BYTES = 256 << 10
MOST_BUFFERS = 16  # kinds of memory in which a CPU keeps weights in a layout of its own; two are known
CPU = 0  # GGML_BACKEND_DEVICE_TYPE_CPU
COLUMNS, ROWS = 512, 64  # a matrix that every kernel takes
F32 = 0  # GGML_TYPE_F32
SCRATCH = 1 << 16  # bytes for the infos of a few tensors
DEBUG = 1  # GGML_LOG_LEVEL_DEBUG: has a line for each tensor
ALL = 0x7FFFFFFF  # more layers than any model has


class _Library(NamedTuple):
    """Functions of libllama and of its own ggml (the process may have loaded another copy)."""

    function: Callable[..., Any]  # by its name, and the types of its result and arguments
    name: Any
    description: Any
    kind: Any
    memory: Any
    devices: tuple[int, ...]
    types: tuple[int, ...]  # of tensors


class _ContextParams(ctypes.Structure):
    """`ggml_init_params`."""

    _fields_ = (("size", ctypes.c_size_t), ("memory", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


def main() -> None:
    """Answers requests until the other side closes the socket."""
    os.environ["GGML_NO_BACKTRACE"] = "1"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_BYTES, DATA_BYTES))
    connection = socket.socket(fileno=0)
    _limit_time()
    try:
        import llama_cpp

        library = _bind(llama_cpp)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        _send(connection, {"unable": str(error)})
        return
    lines: list[str] = []

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
    def capture(level: int, text: bytes, _: ctypes.c_void_p) -> None:
        if level != DEBUG and len(lines) < LOG_BYTES // 32:
            lines.append(text[:1024].decode("utf-8", "replace"))

    llama_cpp.llama_log_set(capture, ctypes.c_void_p(0))
    _send(
        connection,
        {
            "version": llama_cpp.__version__,
            "devices": [_device(library, each) for each in library.devices],
            "repacked": _repacked(library),
        },
    )
    while (request := _receive(connection)) is not None:
        lines.clear()
        settings, header = request
        _limit_time()
        answer = _measure(llama_cpp, settings, header)
        _send(connection, answer | {"log": "".join(lines)[-LOG_BYTES:]})


def _bind(llama: Any) -> _Library:
    """Finds the library's functions.

    Raises:
        AttributeError: this llama-cpp-python lacks one.
    """
    fields = {name for name, *_ in llama.llama_model_params._fields_}
    if not {"no_alloc", "load_mode", "use_extra_bufts"} <= fields:
        raise AttributeError("this llama-cpp-python cannot simulate memory")
    library = llama.llama_cpp._lib

    def function(name: str, result: Any, *arguments: Any) -> Any:
        found = library[name]
        found.restype, found.argtypes = result, arguments
        return found

    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    count, get = function("ggml_backend_dev_count", size), function("ggml_backend_dev_get", pointer, size)
    return _Library(
        function,
        function("ggml_backend_dev_name", text, pointer),
        function("ggml_backend_dev_description", text, pointer),
        function("ggml_backend_dev_type", ctypes.c_int, pointer),
        function("ggml_backend_dev_memory", None, pointer, ctypes.POINTER(size), ctypes.POINTER(size)),
        tuple(get(index) for index in range(count())),
        tuple(
            value
            for name, value in vars(llama.llama_cpp).items()
            if name.startswith("GGML_TYPE_") and name != "GGML_TYPE_COUNT"
        ),
    )


def _device(library: _Library, device: int) -> dict[str, Any]:
    """Ggml's facts about a device."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    library.memory(device, ctypes.byref(free), ctypes.byref(total))
    return {
        "name": _words(library.name(device)),
        "description": _words(library.description(device)),
        "type": library.kind(device),
        "free": free.value,
        "total": total.value,
    }


def _words(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace")


def _repacked(library: _Library) -> dict[str, dict[int, int]]:
    """What types of weights the CPU lays out anew, in buffers of which name, and what more each block takes there.

    A type is listed in the first buffer that takes it, as llama.cpp chooses. ggml says so of a small matrix in each.
    """
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    function = library.function
    registry = function("ggml_backend_dev_backend_reg", pointer, pointer)
    address = function("ggml_backend_reg_get_proc_address", pointer, pointer, text)
    buffer_name = function("ggml_backend_buft_name", text, pointer)
    found: dict[str, dict[int, int]] = {}
    taken: set[int] = set()
    for device in library.devices:
        extra = address(registry(device), b"ggml_backend_dev_get_extra_bufts")
        if library.kind(device) != CPU or not extra:
            continue
        buffers = ctypes.CFUNCTYPE(ctypes.POINTER(pointer), pointer)(extra)(device)
        for buffer in takewhile(bool, islice(buffers or (), MOST_BUFFERS)):
            types = found.setdefault(_words(buffer_name(buffer)), {})
            for kind in library.types:
                more = None if kind in taken else _more(function, device, buffer, kind)
                if more is not None:
                    types[kind] = more
                    taken.add(kind)
    return found


def _more(function: Callable[..., Any], device: int, buffer: int, kind: int) -> int | None:
    """Bytes that a block of a type takes more in a kind of buffer; None if the type is not laid out anew there."""
    pointer, size, count = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64
    matrix = function("ggml_new_tensor_2d", pointer, pointer, ctypes.c_int, count, count)
    context = function("ggml_init", pointer, _ContextParams)(_ContextParams(SCRATCH, None, True))
    memory = None
    try:
        weights = matrix(context, kind, COLUMNS, ROWS)
        needed = function("ggml_backend_buft_get_alloc_size", size, pointer, pointer)(buffer, weights)
        memory = function("ggml_backend_buft_alloc_buffer", pointer, pointer, size)(buffer, needed)
        if not memory:
            return None
        base = function("ggml_backend_buffer_get_base", pointer, pointer)(memory)
        function("ggml_backend_tensor_alloc", ctypes.c_int, pointer, pointer, pointer)(memory, weights, base)
        product = function("ggml_mul_mat", pointer, pointer, pointer, pointer)(
            context, weights, matrix(context, F32, COLUMNS, COLUMNS)
        )
        if not function("ggml_backend_dev_supports_op", ctypes.c_bool, pointer, pointer)(device, product):
            return None
        plain = function("ggml_nbytes", size, pointer)(weights)
        block = function("ggml_blck_size", count, ctypes.c_int)(kind)
        return int(needed - plain) * int(block) // (COLUMNS * ROWS)
    finally:
        if memory:
            function("ggml_backend_buffer_free", None, pointer)(memory)
        function("ggml_free", None, pointer)(context)


def _measure(llama: Any, settings: dict[str, Any], header: bytes) -> dict[str, Any]:
    """Bytes of the file's tensors, after a load whose log has the rest; None: the log says why."""
    file = os.memfd_create("header", os.MFD_CLOEXEC)
    try:
        os.write(file, header)
        os.ftruncate(file, settings["file_size"])
        return {"weights": _load(llama, settings, f"/proc/self/fd/{file}")}
    finally:
        os.close(file)


def _load(llama: Any, settings: dict[str, Any], path: str) -> int | None:
    model_params = llama.llama_model_default_params()
    model_params.no_alloc = True
    model_params.load_mode = llama.LLAMA_LOAD_MODE_NONE  # the other modes abort
    model_params.n_gpu_layers = ALL if settings["gpu_layers"] < 0 else settings["gpu_layers"]
    model_params.use_extra_bufts = settings["repack"]
    model = llama.llama_load_model_from_file(path.encode(), model_params)
    if not model:
        return None
    try:
        context_params = llama.llama_context_default_params()
        known = {name for name, *_ in context_params._fields_}
        for name, value in settings["context"].items():
            if name in known:
                setattr(context_params, name, value)
        context = llama.llama_new_context_with_model(model, context_params)
        if not context:
            return None
        llama.llama_free(context)
        return int(llama.llama_model_size(model))
    finally:
        llama.llama_free_model(model)


def _limit_time() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_SECONDS, most))


def _send(connection: socket.socket, answer: dict[str, Any]) -> None:
    text = json.dumps(answer).encode()
    connection.sendall(FRAME.pack(len(text), 0) + text)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    lengths = _read_exactly(connection, FRAME.size)
    if not lengths:
        return None
    text, data = FRAME.unpack(lengths)
    return json.loads(_read_exactly(connection, text)), _read_exactly(connection, data)


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    """Reads `count` bytes; fewer if the other side closed the socket."""
    parts = []
    while count:
        part = connection.recv(min(count, 1 << 16))
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main()
