"""Finds the installed llama-cpp-python and imports its `Llama`, or says why that fails."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from modelsync.errors import ExtraMissingError
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from llama_cpp import Llama

WHEELS = "https://abetlen.github.io/llama-cpp-python/whl"
TESTED = (0, 3, 36)  # the oldest version that the extra allows
INSTALL = (
    'install it with `pip install "modelsync[llama]"`, which compiles it and needs a C++ compiler and CMake; prebuilt'
    f" wheels for CPU, CUDA and Metal are listed at {WHEELS}/ and are installed"
    f" with `pip install llama-cpp-python --extra-index-url {WHEELS}/cpu`"
)


def llama_class() -> "type[Llama]":
    """Imports `llama_cpp.Llama`.

    Raises:
        ExtraMissingError: llama-cpp-python is not installed, or does not work here.
    """
    try:
        from llama_cpp import Llama
    except ModuleNotFoundError as error:
        raise ExtraMissingError(
            f"llama-cpp-python is not installed here: {printable(str(error))}", hint=INSTALL
        ) from error
    except (ImportError, OSError, RuntimeError) as error:  # its shared library was built for another machine
        raise ExtraMissingError(
            f"llama-cpp-python is installed, and cannot be imported: {printable(str(error), 500)}",
            hint="reinstall it for this machine: `pip install --force-reinstall --no-cache-dir llama-cpp-python`",
        ) from error
    return Llama


def is_installed() -> bool:
    """Whether llama-cpp-python is installed. Does not import it."""
    return find_spec("llama_cpp") is not None
