"""Which of many files are fetched next, under locks that are held together. Pure."""

from modelsync.fetch.wanted import WantedFile

BATCH = 512  # digests that are locked at once


def first_of(waiting: list[WantedFile]) -> tuple[list[WantedFile], list[WantedFile]]:
    """The files that are fetched next, and the others; what is in one layer stays together, so that it comes once."""
    batch, rest = waiting[:BATCH], waiting[BATCH:]
    if rest and (layers := {_layer(each) for each in batch} - {None}):
        batch += [each for each in rest if _layer(each) in layers]
        rest = [each for each in rest if _layer(each) not in layers]
    return batch, rest


def _layer(wanted: WantedFile) -> str | None:
    """The address of the layer that a file is in, or None."""
    segment = wanted.segments[0]
    return segment.url.partition("#")[0] if segment.is_packed else None
