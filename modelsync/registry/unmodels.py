"""Tells what a registry keeps that is no model, by media types. Light.

Sources: sigstore/cosign (specs/), notaryproject/specifications, helm/helm (pkg/registry), in-toto/attestation,
bytecodealliance and CNCF wasm OCI layouts, and the media types that IANA lists for SPDX and CycloneDX.
"""

import re

_UNMODELS = (
    ("a signature", r"application/vnd\.dev\.(?:cosign|sigstore)\b.*|application/vnd\.cncf\.notary\..*"),
    ("a signature", r"application/pgp-signature|application/jose(?:\+json)?|application/cose"),
    ("an attestation", r"application/vnd\.in-toto\b.*|application/vnd\.dsse\b.*"),
    ("a list of components", r"(?:application|text)/(?:vnd\.)?(?:cyclonedx|spdx|syft)\b.*"),
    ("a security report", r"application/(?:sarif|vnd\.security\.vulnerability|openvex)\b.*"),
    ("a Helm chart", r"application/vnd\.cncf\.helm\..*"),
    ("a WebAssembly module", r"application/(?:vnd\.(?:wasm|bytecodealliance)\b.*|wasm)"),
    ("a plugin of Docker", r"application/vnd\.docker\.plugin\..*"),
)


def unmodel(media_type: str) -> str | None:
    """What something of that type is, with its article; None if it may be a model's."""
    if not media_type:
        return None
    media_type = media_type.partition(";")[0].strip().lower()
    return next((what for what, pattern in _UNMODELS if re.fullmatch(pattern, media_type)), None)
