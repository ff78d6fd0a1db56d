"""Reads a manifest."""

from modelsync.errors import ManifestError
from modelsync.spec.manifest.model import Manifest
from modelsync.spec.toml import Fault, loads

MAX_TEXT = 1 << 24  # characters


def parse(text: str, *, where: str = "models.toml") -> Manifest:
    """Reads a manifest.

    Args:
        text: The whole file.
        where: The file's name, for messages.

    Raises:
        ManifestError: it is wrong; the message has file, line, key and what is expected.
    """
    from modelsync.spec.manifest.tables import manifest

    document = loads(text, where, ManifestError, limit=MAX_TEXT)
    try:
        return manifest(document)
    except Fault as fault:
        raise fault.located(text, where, ManifestError) from None
