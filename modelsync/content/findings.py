"""What was found in a file, and why something could not be found out. Values only."""

from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "empty",
    "gguf",
    "safetensors",
    "ggml",
    "onnx",
    "ctranslate2",
    "hdf5",
    "tflite",
    "numpy",
    "json",
    "zip",
    "tar",
    "packed",
    "pickle",
    "web-page",
    "lfs-pointer",
    "unknown",
]

# What messages and `inspect` call a file of each kind, with its article.
NOUNS: dict[Kind, str] = {
    "empty": "an empty file",
    "gguf": "a GGUF file",
    "safetensors": "a safetensors file",
    "ggml": "a GGML file, as whisper.cpp loads them",
    "onnx": "an ONNX model",
    "ctranslate2": "a CTranslate2 model",
    "hdf5": "an HDF5 file",
    "tflite": "a TensorFlow Lite model",
    "numpy": "a NumPy array",
    "json": "a JSON document",
    "zip": "a zip archive",
    "tar": "a tar archive",
    "packed": "a compressed file",
    "pickle": "a Python pickle",
    "web-page": "a web page",
    "lfs-pointer": "a Git LFS pointer",
    "unknown": "a file of a kind that modelsync does not know",
}


class Content(NamedTuple):
    """What the bytes of a file are.

    Attributes:
        kind: Its kind.
        code: What in it can run code when it is loaded, as a clause: "it is a pickle"; None: nothing was found.
        unseen: Why it could not be looked into to the end, as a clause; None: it was.
        fault: Why it is no good file of its kind, as a clause; None: it is one, as far as that was looked at.
    """

    kind: Kind
    code: str | None = None
    unseen: str | None = None
    fault: str | None = None

    @property
    def good(self) -> bool:
        """Whether nothing speaks against it."""
        return not (self.code or self.unseen or self.fault)


class OutOfReach(Exception):  # noqa: N818 - not an error: the bytes are looked at later, as they arrive
    """Bytes of a file that are not worth asking for now."""
