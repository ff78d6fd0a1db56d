"""Tiny models that other people's loaders really load: an ONNX model with its weights in a second file, a whisper."""

import struct
from collections.abc import Iterator, Sequence

WEIGHTS = (1.0, 2.0, 3.0)  # what the ONNX model adds to its input
_WHISPER = {  # the eleven numbers of the header, in order
    "vocab": 600,
    "audio_ctx": 1500,
    "audio_state": 8,
    "audio_head": 1,
    "audio_layer": 1,
    "text_ctx": 448,
    "text_state": 8,
    "text_head": 1,
    "text_layer": 1,
    "mels": 80,
    "ftype": 0,
}
_FFT = 201  # bins of the mel filters


# --- ONNX --------------------------------------------------------------------------------------------


def onnx_pair(data_name: str = "model.onnx_data") -> tuple[bytes, bytes]:
    """A model that adds `WEIGHTS` to three numbers, and the file beside it that holds them."""
    dims = _int(1, len(WEIGHTS))
    place = b"".join(
        _field(13, _field(1, key) + _field(2, value))
        for key, value in ((b"location", data_name.encode()), (b"offset", b"0"), (b"length", b"12"))
    )
    weights = dims + _int(2, 1) + _field(8, b"weights") + place + _int(14, 1)
    node = _field(1, b"x") + _field(1, b"weights") + _field(2, b"y") + _field(4, b"Add")
    graph = (
        _field(1, node)
        + _field(2, b"adds")
        + _field(5, weights)
        + _field(11, _floats(b"x"))
        + _field(12, _floats(b"y"))
    )
    model = _int(1, 8) + _field(7, graph) + _field(8, _field(1, b"") + _int(2, 17))
    return model, struct.pack("<3f", *WEIGHTS)


def _floats(name: bytes) -> bytes:
    shape = _field(2, _field(1, _int(1, len(WEIGHTS))))
    return _field(1, name) + _field(2, _field(1, _int(1, 1) + shape))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _int(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


# --- whisper -----------------------------------------------------------------------------------------


def whisper() -> bytes:
    """A model of whisper.cpp's format with every tensor it wants, all zero: it loads, and hears nothing.

    Source: `models/convert-pt-to-ggml.py` of whisper.cpp.
    """
    out = [b"lmgg", struct.pack("<11i", *_WHISPER.values())]
    mels, state = _WHISPER["mels"], _WHISPER["audio_state"]
    out += [struct.pack("<2i", mels, _FFT), bytes(4 * mels * _FFT)]
    out.append(struct.pack("<i", _WHISPER["vocab"]))
    out += [struct.pack("<I", 3) + f"{number:03}".encode() for number in range(_WHISPER["vocab"])]
    tensors = {
        "encoder.positional_embedding": (_WHISPER["audio_ctx"], state),
        "encoder.conv1.weight": (state, mels, 3),
        "encoder.conv1.bias": (state, 1),
        "encoder.conv2.weight": (state, state, 3),
        "encoder.conv2.bias": (state, 1),
        "encoder.ln_post.weight": (state,),
        "encoder.ln_post.bias": (state,),
        "decoder.positional_embedding": (_WHISPER["text_ctx"], state),
        "decoder.token_embedding.weight": (_WHISPER["vocab"], state),
        "decoder.ln.weight": (state,),
        "decoder.ln.bias": (state,),
        **dict(_block("encoder.blocks.0", state, ("attn",))),
        **dict(_block("decoder.blocks.0", state, ("attn", "cross_attn"))),
    }
    out += [_tensor(name, shape) for name, shape in tensors.items()]
    return b"".join(out)


def _block(name: str, state: int, attentions: Sequence[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for norm in (f"{each}_ln" for each in ("mlp", *attentions)):
        yield f"{name}.{norm}.weight", (state,)
        yield f"{name}.{norm}.bias", (state,)
    yield f"{name}.mlp.0.weight", (4 * state, state)
    yield f"{name}.mlp.0.bias", (4 * state,)
    yield f"{name}.mlp.2.weight", (state, 4 * state)
    yield f"{name}.mlp.2.bias", (state,)
    for each in attentions:
        for part in ("query", "key", "value", "out"):
            yield f"{name}.{each}.{part}.weight", (state, state)
            if part != "key":
                yield f"{name}.{each}.{part}.bias", (state,)


def _tensor(name: str, shape: tuple[int, ...]) -> bytes:
    # Convolutions' kernels and matrices are of the type in the header; all others are F32, which is 0 too.
    count = 1
    for each in shape:
        count *= each
    head = struct.pack("<3i", len(shape), len(name), 0)
    return head + struct.pack(f"<{len(shape)}i", *reversed(shape)) + name.encode() + bytes(4 * count)
