"""Certificates for https on the loopback: an authority made on the spot, with the `openssl` command."""

import shutil
import ssl
import subprocess
from pathlib import Path

_LEAF = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
"""


def available() -> bool:
    """Whether certificates can be made here."""
    return shutil.which("openssl") is not None


def make_authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a certificate authority and a certificate for the loopback.

    Args:
        folder: Where the keys go; they are worth nothing.

    Returns:
        The authority's certificate (PEM), to be trusted by clients, and the servers' context.
    """
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    leaf, key, request, extensions = (folder / f"leaf.{kind}" for kind in ("pem", "key", "csr", "ext"))
    extensions.write_text(_LEAF)
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority: list[str | Path] = [
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=modelsync tests",
        "-keyout",
        ca_key,
        "-out",
        ca,
    ]
    usage = ["-addext", "keyUsage = critical, keyCertSign"]
    _openssl("req", *new_key, *authority, *usage)
    _openssl("req", *new_key, "-subj", "/CN=localhost", "-keyout", key, "-out", request)
    signed_by: list[str | Path] = [
        "-CA",
        ca,
        "-CAkey",
        ca_key,
        "-set_serial",
        "2",
        "-days",
        "2",
        "-extfile",
        extensions,
    ]
    _openssl("x509", "-req", "-in", request, *signed_by, "-out", leaf)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, key)
    return ca, context


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")
