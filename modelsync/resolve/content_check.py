"""Looks at files while they are locked: headers and directories are read by ranges, before anything is fetched."""

from collections.abc import Sequence
from pathlib import Path

from modelsync.content.findings import Content, OutOfReach
from modelsync.content.look import look
from modelsync.content.policy import code_of, combined, is_suspect, named_data, objection
from modelsync.content.view import View
from modelsync.context import Context
from modelsync.errors import CodeRefusedError, ModelsyncError, NetworkError
from modelsync.fetch.file_check import claim_of, content_of, permission_of
from modelsync.fetch.range_reader import WindowReader
from modelsync.fetch.wanted import WantedFile, blob_of, label, wanted_file
from modelsync.resolve.resolved import ResolvedRequest
from modelsync.system.parallel import run_all

MAX_RANGES = 24  # requests for one file; what needs more is looked at as it arrives
MAX_BYTES = 48 << 20
_WINDOW = 128 << 10
_SMALL = 64 << 10  # bytes


def objections(context: Context, asked: Sequence[ResolvedRequest], folder: Path) -> dict[int, ModelsyncError]:
    """Why requests must not be locked, by their index. Those of which nothing is known yet are left out.

    Args:
        context: What to work with.
        asked: The requests and their answers. What the lock had before was looked at when it was locked.
        folder: What relative `file:` paths are relative to.

    Raises:
        CancelledError: the call was cancelled.
    """
    known = [frozenset(file.sha256 for file in ask.previous) for ask in asked]
    wanted = [(index, each) for index, ask in enumerate(asked) for each in _wanted(context, ask, folder)]
    found = run_all(
        lambda pair: _objection(context, pair[1], known[pair[0]]),
        wanted,
        name="content",
        cancel=context.cancel,
    )
    by_index: dict[int, list[ModelsyncError]] = {}
    for (index, _), error in zip(wanted, found, strict=True):
        if error is not None:
            by_index.setdefault(index, []).append(error)
    return {index: joined(errors) for index, errors in by_index.items()}


def joined(errors: Sequence[ModelsyncError]) -> ModelsyncError:
    """One error of those of one model: all its files that can run code, if the first is about such."""
    refused = [error for error in errors if isinstance(error, CodeRefusedError)]
    return combined(refused) if refused and errors[0] in refused else errors[0]


def _wanted(context: Context, ask: ResolvedRequest, folder: Path) -> list[WantedFile]:
    from modelsync.sources.request import owners

    data = named_data([file.path for file in ask.answer.files])
    endpoint = context.endpoint(ask.request.get("endpoint"))
    return [
        wanted_file(label(ask.name, file), file, source, source.locate(file, endpoint, folder))._replace(
            allow_code=ask.allow_code, names_data=file.path in data
        )
        for file, _, source in owners(ask.request, ask.answer.files, context.sources())
    ]


def _objection(context: Context, wanted: WantedFile, known: frozenset[str]) -> ModelsyncError | None:
    claim = claim_of(wanted)
    blob = blob_of(context, wanted.file)
    if blob is not None:
        content: Content | None = content_of(blob, claim.path)
    elif code_of(claim.path):
        content = Content("unknown")  # its name says enough
    elif claim.is_gguf or not wanted.file.size or len(wanted.segments) != 1 or wanted.file.sha256 in known:
        content = None  # its first bytes decide when it is fetched, or it was looked at before
    elif (wanted.file.sha256 is None or wanted.file.size < _SMALL) and not is_suspect(claim.path):
        content = None  # it is read whole at once, or soon: a request of its own would take longer
    else:
        content = _remote(context, wanted)
    return None if content is None else objection(claim, content, permission_of(context, wanted.allow_code))


def _remote(context: Context, wanted: WantedFile) -> Content | None:
    """What a file at its source is; None where that shows itself only when it is fetched."""
    (segment,) = wanted.segments
    if segment.is_local or segment.is_packed or not context.asks_origin:
        return None
    reader = WindowReader(context, wanted)
    left = [MAX_RANGES, MAX_BYTES]

    def read(start: int, end: int) -> bytes:
        left[0] -= 1
        left[1] -= end - start
        data = reader.read(start, end) if min(left) >= 0 else None
        if data is None:
            raise OutOfReach
        return data

    try:
        return look(View(read, wanted.file.size or 0, window=_WINDOW), wanted.file.path)
    except (OutOfReach, NetworkError):
        return None
