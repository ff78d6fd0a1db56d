"""The worker process of `breakdown`: `python -m modelsync.llama.breakdown_worker`, with a socket as its stdin.

Bad metadata makes llama.cpp abort, so it runs in a process that may die. That process has no secrets in its
environment, leaves no core dump, and has limits on CPU time and memory.

llama.cpp returns the breakdown as a C++ map by value, which is read by its memory layout: see `_Map`. The numbers
count only after `modelsync.llama.breakdown_check` has compared them with known answers and llama.cpp's own log.

Both sides send frames: two u32, the lengths of a JSON object and of the bytes that follow it.
"""

import ctypes
import json
import os
import resource
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

FRAME = struct.Struct("<II")
CPU_SECONDS = 30  # for one request
DATA_BYTES = 4 << 30  # of private memory; llama.cpp really allocates recurrent states and cache cells
LOG_BYTES = 256 << 10
MOST_BUFFERS = 64  # types of buffers; normally a handful
BREAKDOWN = (
    "_Z26llama_get_memory_breakdownPK13llama_context"  # llama_get_memory_breakdown(llama_context const*)
)
DEBUG = 1  # GGML_LOG_LEVEL_DEBUG: has a line for each tensor
ALL = 0x7FFFFFFF  # more layers than any model has


class _Map(ctypes.Structure):
    """`std::map` in libstdc++'s layout: an empty comparison, then the tree's header and count."""

    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("compare", "color", "parent", "left", "right", "count")
    )


class _Node(ctypes.Structure):
    """A node of that map with its pair: a buffer type, and the bytes of model, context and compute."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("color", "parent", "left", "right", "buffer", "model", "context", "compute")
    )


class _Library(NamedTuple):
    """Functions of libllama and of its own ggml (the process may have loaded another copy)."""

    breakdown: Any
    buffer_name: Any
    buffer_is_host: Any
    buffer_device: Any
    name: Any
    description: Any
    kind: Any
    memory: Any
    devices: tuple[int, ...]


def main() -> None:
    """Answers requests until the other side closes the socket."""
    os.environ["GGML_NO_BACKTRACE"] = "1"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_BYTES, DATA_BYTES))
    connection = socket.socket(fileno=0)
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
        {"version": llama_cpp.__version__, "devices": [_device(library, each) for each in library.devices]},
    )
    while (request := _receive(connection)) is not None:
        lines.clear()
        settings, header = request
        _limit_time()
        answer = _measure(llama_cpp, library, settings, header)
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
        function(BREAKDOWN, _Map, pointer),
        function("ggml_backend_buft_name", text, pointer),
        function("ggml_backend_buft_is_host", ctypes.c_bool, pointer),
        function("ggml_backend_buft_get_device", pointer, pointer),
        function("ggml_backend_dev_name", text, pointer),
        function("ggml_backend_dev_description", text, pointer),
        function("ggml_backend_dev_type", ctypes.c_int, pointer),
        function("ggml_backend_dev_memory", None, pointer, ctypes.POINTER(size), ctypes.POINTER(size)),
        tuple(get(index) for index in range(count())),
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


def _measure(llama: Any, library: _Library, settings: dict[str, Any], header: bytes) -> dict[str, Any]:
    """Bytes in each type of buffer; None: the log says why."""
    file = os.memfd_create("header", os.MFD_CLOEXEC)
    try:
        os.write(file, header)
        os.ftruncate(file, settings["file_size"])
        return {"buffers": _load(llama, library, settings, f"/proc/self/fd/{file}")}
    finally:
        os.close(file)


def _load(llama: Any, library: _Library, settings: dict[str, Any], path: str) -> list[dict[str, Any]] | None:
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
        try:
            return list(_buffers(library, library.breakdown(context)))
        finally:
            llama.llama_free(context)
    finally:
        llama.llama_free_model(model)


def _buffers(library: _Library, found: _Map) -> Iterator[dict[str, Any]]:
    """Walks the map's tree; ends the process if the layout is another."""
    ahead, seen = [found.parent], 0
    while ahead:
        address = ahead.pop()
        if not address:
            continue
        seen += 1
        if seen > min(found.count, MOST_BUFFERS):
            sys.exit("the map has another layout")
        node = _Node.from_address(address)
        ahead += [node.left, node.right]
        device = library.buffer_device(node.buffer)
        yield {
            "name": _words(library.buffer_name(node.buffer)),
            "host": bool(library.buffer_is_host(node.buffer)),
            "device": library.devices.index(device) if device in library.devices else None,
            "sizes": [node.model, node.context, node.compute],
        }
    if seen != found.count:
        sys.exit("the map has another layout")


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
