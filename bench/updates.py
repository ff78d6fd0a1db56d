"""What a new version of a file costs where the old one is here, and what damage costs: bytes and seconds.

Over a line of 100 MB/s, all connections together: the bytes are those that the CDN sent over it.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from bench.builds import Build
from bench.rows import (
    REPO,
    GiB,
    MiB,
    Row,
    blob_of,
    digest_of,
    installed,
    ours_on,
    same,
    source,
    synced,
    tool,
    with_manifest,
)
from bench.serving import Serving
from bench.timing import Contender, Run, Setting, timed
from modelsync.gguf.types import TENSOR_TYPES
from modelsync.gguf.writer import HeaderFile, Info, write_header

LINE = 100_000_000  # bytes a second
BLOCKS = 33
TOKENS = 32_000
CHANGED = 150  # the tensor that changes, where one does
WHOLE = "modelsync, whole"
HF = "hf download"
MANIFEST = f'[models]\nm = "hf:{REPO}/m.gguf"\n'
BLOCK = 16 * MiB  # what is fetched again of a damaged file
HEADS = 64 * 1024  # bytes of an answer's head, with room


def tensors() -> list[Info]:
    """300 of them, about a GiB: as many, and as differently large, as those of a small model."""
    norm, wide = TENSOR_TYPES[0], TENSOR_TYPES[1]
    parts: list[Info] = []
    for block in range(BLOCKS):
        for name, shape in (
            ("attn_norm", (1024,)), ("attn_q", (1024, 1024)), ("attn_k", (1024, 256)), ("attn_v", (1024, 256)),
            ("attn_output", (1024, 1024)), ("ffn_norm", (1024,)), ("ffn_gate", (1024, 4096)),
            ("ffn_up", (1024, 4096)), ("ffn_down", (4096, 1024)),
        ):  # fmt: skip
            parts.append((f"blk.{block}.{name}.weight", shape, norm if len(shape) == 1 else wide))
    ends: list[Info] = [
        ("token_embd.weight", (1024, TOKENS), wide),
        ("output_norm.weight", (1024,), norm),
        ("output.weight", (1024, TOKENS), wide),
    ]
    return [*parts, *ends]


@cache
def header(template: str) -> HeaderFile:
    """A header with a vocabulary, and a chat template."""
    return write_header(
        {
            "general.architecture": "llama",
            "tokenizer.ggml.tokens": [f"▁token{number}" for number in range(TOKENS)],
            "tokenizer.ggml.scores": [float(-number) for number in range(TOKENS)],
            "tokenizer.chat_template": template,
        },
        tensors(),
    )


OLD, NEW = (
    "{{ messages }}",
    "{% for message in messages %}<{{ message.role }}> {{ message.content }}{% endfor %}",
)
SIZE = header(OLD).size
HEADER = len(header(NEW).header)


def sizes() -> list[int]:
    """Bytes of each tensor, padded."""
    return [-(-kind.row_bytes(shape[0]) * _rows(shape) // 32) * 32 for _, shape, kind in tensors()]


def _rows(shape: Sequence[int]) -> int:
    return shape[1] if len(shape) > 1 else 1


def version(place: Path, change: str) -> Path:
    """The old file, or the new one with that change; made once in `place`."""
    path = place / f"update-{change}.gguf"
    if path.exists():
        return path
    before = None if change in ("old", "all") else version(place, "old").open("rb")
    head = header(OLD if change in ("old", "all") else NEW)
    with path.open("wb") as file:
        file.write(head.header.ljust(head.size - sum(sizes()), b"\0"))
        if before is not None:
            before.seek(header(OLD).size - sum(sizes()))
        for number, size in enumerate(sizes()):
            kept = before.read(size) if before is not None else b""
            file.write(kept if kept and not (change == "one" and number == CHANGED) else os.urandom(size))
    if before is not None:
        before.close()
    return path


def _update(change: str, setting: Setting) -> dict[str, list[Run]]:
    """From the old version to the new one, or with `nothing` to itself, or with `back` from the new one again."""
    old = version(setting.place, "old")
    new = old if change == "nothing" else version(setting.place, "metadata" if change == "back" else change)
    target = old if change == "back" else new
    check = partial(same, {digest_of(target): target.stat().st_size})
    with Serving(line=LINE) as hub:
        repo = hub.repo(REPO)
        commits = {path: repo.commit({"m.gguf": path}) for path in (new, old)}
        line = hub.line
        assert line is not None

        def go_through(folder: Path, versions: Sequence[Path], contender: Contender) -> None:
            line.free = True
            for path in versions:
                repo.branches["main"] = commits[path]
                timed(contender._replace(check=lambda _: None), folder)
            repo.branches["main"] = commits[target]
            line.free = False

        def after(versions: Sequence[Path], contender: Contender) -> Contender:
            return contender._replace(prepare=lambda folder: go_through(folder, versions, contender))

        seen = [old, new] if change == "back" else [old]
        ours = [with_manifest(ours_on(hub, build, check, "sync", "-U"), MANIFEST) for build in setting.builds]
        peers = [after([], ours[0]._replace(name=WHOLE))]
        if installed("hf"):
            peers.append(after(seen, _hf(hub, check)))
        return setting.in_turn(
            [after(seen, each) for each in ours], peers, warm=False, meter=lambda: line.sent
        )


def _hf(hub: Serving, check: Callable[[Path], None]) -> Contender:
    command = [tool("hf") or "", "download", "--quiet", REPO, "m.gguf"]
    environment = {
        "HOME": "{folder}",
        "HF_HOME": "{folder}/hf",
        "HF_ENDPOINT": hub.endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return Contender(HF, lambda _: command, check, environment)


def _repair(setting: Setting) -> dict[str, list[Run]]:
    """A bit of a blob flips; `verify --repair` mends it."""
    file = source(setting.place, 4 * GiB)
    check = partial(same, {digest_of(file): 4 * GiB})
    with (
        tempfile.TemporaryDirectory(prefix="repair-", dir=setting.place) as homes,
        Serving(line=LINE) as hub,
    ):
        hub.offer(REPO, {"m.gguf": file})
        line = hub.line
        assert line is not None

        def ours(build: Build) -> Contender:
            home = Path(homes) / build.name
            line.free = True
            synced(hub, build, home)
            line.free = False
            blob = blob_of(home, 4 * GiB)
            repair = ours_on(hub, build, check, "verify", "--repair")
            return repair._replace(prepare=lambda _: flip(blob), place=home)

        return setting.in_turn([ours(build) for build in setting.builds], warm=False, meter=lambda: line.sent)


def flip(blob: Path) -> None:
    """Flips one bit in the middle; the file keeps its size."""
    mode = blob.stat().st_mode
    blob.chmod(0o644)
    with blob.open("r+b") as file:
        file.seek(blob.stat().st_size // 2 + 12345)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 16]))
    blob.chmod(mode)


def rows() -> tuple[Row, ...]:
    """All of them, in the table's order."""
    one = sizes()[CHANGED]
    return (
        Row(
            "update-metadata",
            "update: metadata alone changed",
            partial(_update, "metadata"),
            {WHOLE: 0.30},
            SIZE,
            0.02 + HEADER / SIZE,
        ),
        Row(
            "update-one",
            "update: one tensor of 300 changed",
            partial(_update, "one"),
            {},
            SIZE,
            0.03 + (HEADER + one) / SIZE,
        ),
        Row("update-all", "update: all tensors changed", partial(_update, "all"), {WHOLE: 1.05}, SIZE, 1.01),
        Row("update-nothing", "update: nothing changed", partial(_update, "nothing"), {}, SIZE, 0.0),
        Row("update-back", "update: the tag moved back", partial(_update, "back"), {}, SIZE, 0.0),
        Row("repair", "repair: one bit of 4 GiB flipped", _repair, {}, 4 * GiB, (BLOCK + HEADS) / (4 * GiB)),
    )
