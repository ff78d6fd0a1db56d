"""A lock with everything that one may have, as a value and as the text of its file."""

from modelsync.spec.lock.model import Lock, LockedFile, LockedModel, Piece
from modelsync.spec.request import Request
from modelsync.spec.uri import HfUri
from modelsync.spec.uri import parse as uri

A, B, C = "a" * 64, "b" * 64, "c" * 64
ONE, TWO = "1" * 40, "2" * 40
HUB = "https://huggingface.co"

LOCK = Lock(
    (
        LockedModel(
            "empty-license", {"uri": "file:m.gguf"}, (LockedFile("model", "m.gguf", 0, C, "file:m.gguf"),)
        ),
        LockedModel(
            "llama3",
            Request(
                HfUri("u/m", quant="Q4_K_M"), "main", True, (uri("hf:user/adapter/adapter.gguf"),)
            ).to_dict(),
            (
                LockedFile("model", "m-Q4_K_M.gguf", 5, A, f"{HUB}/u/m/resolve/{ONE}/m-Q4_K_M.gguf", A),
                LockedFile("mmproj", "mmproj.gguf", 4, B, f"{HUB}/u/m/resolve/{ONE}/mmproj.gguf", B),
                LockedFile(
                    "lora",
                    "adapter.gguf",
                    1,
                    C,
                    f"{HUB}/user/adapter/resolve/{TWO}/adapter.gguf",
                    C,
                    "user/adapter",
                    TWO,
                ),
            ),
            revision=ONE,
            license="llama3.1",
        ),
        LockedModel(
            "llama3",
            {"uri": "hf:u/m:Q8_0", "endpoint": "https://hf.corp.example"},
            (
                LockedFile(
                    "model",
                    "m Q8_0.gguf",
                    3,
                    C,
                    pieces=tuple(
                        Piece(
                            f"m Q8_0.gguf.part{number}of2",
                            f"https://hf.corp.example/u/m/resolve/{ONE}/m%20Q8_0.gguf.part{number}of2",
                            number,
                            digest,
                        )
                        for number, digest in ((1, A), (2, B))
                    ),
                ),
            ),
            variant="server",
            revision=ONE,
        ),
    )
)

TEXT = f"""\
# Written by modelsync. Commit it; do not edit it.
version = 1

[[model]]
name = "empty-license"
request = {{ uri = "file:m.gguf" }}
files = [
  {{ role = "model", path = "m.gguf", url = "file:m.gguf", size = 0, sha256 = "{C}" }},
]

[[model]]
name = "llama3"
request = {{ uri = "hf:u/m:Q4_K_M", revision = "main", mmproj = true, loras = ["hf:user/adapter/adapter.gguf"] }}
revision = "{ONE}"
license = "llama3.1"
files = [
  {{ role = "model", path = "m-Q4_K_M.gguf", url = "{HUB}/u/m/resolve/{ONE}/m-Q4_K_M.gguf", etag = "{A}", size = 5, \
sha256 = "{A}" }},
  {{ role = "mmproj", path = "mmproj.gguf", url = "{HUB}/u/m/resolve/{ONE}/mmproj.gguf", etag = "{B}", size = 4, \
sha256 = "{B}" }},
  {{ role = "lora", repo = "user/adapter", revision = "{TWO}", path = "adapter.gguf", \
url = "{HUB}/user/adapter/resolve/{TWO}/adapter.gguf", etag = "{C}", size = 1, sha256 = "{C}" }},
]

[[model]]
name = "llama3"
variant = "server"
request = {{ uri = "hf:u/m:Q8_0", endpoint = "https://hf.corp.example" }}
revision = "{ONE}"
files = [
  {{ role = "model", path = "m Q8_0.gguf", size = 3, sha256 = "{C}", pieces = [\
{{ path = "m Q8_0.gguf.part1of2", url = "https://hf.corp.example/u/m/resolve/{ONE}/m%20Q8_0.gguf.part1of2", size = 1, \
sha256 = "{A}" }}, \
{{ path = "m Q8_0.gguf.part2of2", url = "https://hf.corp.example/u/m/resolve/{ONE}/m%20Q8_0.gguf.part2of2", size = 2, \
sha256 = "{B}" }}] }},
]
"""
