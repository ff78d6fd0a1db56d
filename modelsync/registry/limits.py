"""Limits of well-known registries, told before an upload. Pure.

Sources: GitHub's, AWS's and Azure's own documentation of their registries (2026).
"""

import re
from typing import NamedTuple

GB = 10**9
GiB = 2**30
MiB = 2**20


class Limit(NamedTuple):
    """What a registry takes.

    Attributes:
        registry: What people call it.
        layer: The most bytes of one layer.
        seconds: The longest that one upload may take, or None.
    """

    registry: str
    layer: int
    seconds: int | None = None


_KNOWN = (
    (r"ghcr\.io", Limit("GitHub's registry", 10 * GB, 600)),
    (r"[0-9]{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?", Limit("ECR", 52_000 * MiB)),
    (r"public\.ecr\.aws", Limit("ECR Public", 10_000 * MiB)),
    (r"[a-z0-9-]+\.azurecr\.(io|cn|us)", Limit("Azure's registry", 200 * GiB)),
)


def limit_of(registry: str) -> Limit | None:
    """The limits of a registry, or None where none are known."""
    return next((limit for pattern, limit in _KNOWN if re.fullmatch(pattern, registry, re.ASCII)), None)
