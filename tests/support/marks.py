"""Conditions under which a test makes sense."""

import sys
from importlib.util import find_spec

import pytest

asks_llama_cpp = pytest.mark.skipif(
    sys.platform != "linux" or find_spec("llama_cpp") is None,
    reason="llama.cpp can be asked only on Linux, where llama-cpp-python is installed",
)
