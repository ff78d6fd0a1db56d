"""The version of modelsync."""

__version__ = "0.1.0"
