"""Which certificates are trusted: those that the environment names, else the system's."""

import os
import ssl
import sys
from pathlib import Path

from modelsync.errors import ConfigError
from modelsync.spec.names import printable


def client_context() -> ssl.SSLContext:
    """TLS to a server whose certificate and name are checked.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` come first, one or both. Else the system's own trust decides, through truststore
    where OpenSSL does not know it.

    Raises:
        ConfigError: the certificates cannot be read.
    """
    file, folder = os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None
    try:
        if file or folder:
            return ssl.create_default_context(cafile=file, capath=folder)
        return _system()
    except OSError as error:
        said = ", ".join(
            f"{name}={printable(value)}"
            for name, value in {"SSL_CERT_FILE": file, "SSL_CERT_DIR": folder}.items()
            if value
        )
        raise ConfigError(
            f"no certificates can be read from {said or 'the system'}: {printable(str(error))}",
            hint="set SSL_CERT_FILE to a PEM file with the certificates to trust, or unset it",
        ) from None


def _system() -> ssl.SSLContext:
    # Where OpenSSL finds the system's certificates it reads them once; truststore would read them at every handshake.
    if sys.platform not in ("darwin", "win32") and _openssl_finds_them():
        return ssl.create_default_context()
    try:
        import truststore
    except ImportError:
        return ssl.create_default_context()
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _openssl_finds_them() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).glob("*.0"))))
