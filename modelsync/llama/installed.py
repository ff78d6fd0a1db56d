"""llama-cpp-python as it is installed here: the one place that imports it for its classes, and why it cannot be."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from modelsync.errors import ExtraMissingError
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from llama_cpp import Llama

WHEELS = "https://abetlen.github.io/llama-cpp-python/whl"
TESTED = (0, 3, 36)  # what the extra asks for, at the least
INSTALL = (
    'install it with `pip install "modelsync[llama]"`: it compiles, and wants a C++ compiler and CMake; prebuilt wheels'
    f" for CPU, CUDA and Metal are listed at {WHEELS}/ and are installed"
    f" with `pip install llama-cpp-python --extra-index-url {WHEELS}/cpu`"
)


def llama_class() -> "type[Llama]":
    """`llama_cpp.Llama`.

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
            hint="install it anew, for this machine: `pip install --force-reinstall --no-cache-dir llama-cpp-python`",
        ) from error
    return Llama


def is_installed() -> bool:
    """Whether there is a llama-cpp-python, without importing it."""
    return find_spec("llama_cpp") is not None
