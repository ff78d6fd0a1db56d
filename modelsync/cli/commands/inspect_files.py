"""What `modelsync inspect` prints of files that are no GGUF."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from modelsync.cli.output import titled
from modelsync.display import units
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.ops.inspect import Inspection
    from modelsync.ops.inspect_files import FilesInspection, InspectedFile

_WIDE = 100  # characters of a value in a list


def report(found: "FilesInspection", *, tensors: bool, full: bool) -> Iterator[str]:
    """The lines about a file of another type, or a folder model."""
    yield click.style(printable(found.title), bold=True)
    facts = [fact for fact in _facts(found) if fact[1]]
    wide = max(len(label) for label, _ in facts)
    yield from (f"  {click.style(label.ljust(wide), fg='cyan')}  {words}" for label, words in facts)
    if found.is_folder:
        yield ""
        yield from _files(found)
    if full and found.metadata:
        yield ""
        rows = [(printable(key), printable(str(value), _WIDE)) for key, value in found.metadata.items()]
        yield from titled(["key", "value"], rows)
    if found.tensor_count:
        yield ""
        yield from _tensors(found) if tensors else types_table(found)


def _facts(found: "FilesInspection") -> Iterator[tuple[str, str]]:
    yield "kind", found.noun
    yield "files", units.count(len(found.contents), "file") if found.is_folder else ""
    yield "parameters", units.amount(found.parameters) if found.parameters else ""
    yield "license", printable(found.license or "")
    yield "size", units.size(found.file_size)
    if found.header_bytes:
        keys = units.count(len(found.metadata), "key")
        yield "header", f"{units.size(found.header_bytes)}, {keys}, safetensors"
    if not found.is_folder:
        (one,) = found.contents
        yield "sha256", one.sha256 or ""
        yield "fault", _fault(one)


def _files(found: "FilesInspection") -> list[str]:
    rows = [
        (printable(one.path), _fault(one) or one.content.kind, units.size(one.size), (one.sha256 or "")[:12])
        for one in found.contents
    ]
    return titled(["file", "kind", "size", "sha256"], rows, right=[2])


def _fault(one: "InspectedFile") -> str:
    """What is wrong with a file, or what in it can run code."""
    content = one.content
    return printable(content.fault or content.code or "")


def types_table(found: "Inspection | FilesInspection") -> list[str]:
    """The types of the tensors, each with its share of the weights; nothing where there is no tensor."""
    whole = found.weight_bytes or 1
    rows = [
        (
            row.type,
            f"{row.tensors:,}",
            units.amount(row.parameters),
            units.size(row.bytes),
            f"{100 * row.bytes / whole:.1f} %",
        )
        for row in found.types
    ]
    header = ["type", "tensors", "parameters", "size", "share"]
    return titled(header, rows, right=[1, 2, 3, 4]) if rows else []


def _tensors(found: "FilesInspection") -> list[str]:
    rows = [
        (printable(name), " x ".join(map(str, shape)), dtype, units.size(count))
        for _, name, dtype, shape, count in found.tensors
    ]
    return titled(["tensor", "shape", "type", "size"], rows, right=[1, 3])
