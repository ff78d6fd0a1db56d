"""`modelsync inspect`."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from modelsync.cli.invocation import Invocation
from modelsync.cli.output import Output, titled
from modelsync.display import units
from modelsync.display.terminal import is_terminal, wants_color
from modelsync.gguf.metadata import Array
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.context import CallOptions
    from modelsync.gguf.metadata import Scalar, Value
    from modelsync.ops.inspect import Inspection
    from modelsync.project.selection import Variant

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command


@command(
    "inspect",
    short_help="Show what a model's header says.",
    examples=(
        ("modelsync inspect llama3", "a model of the project"),
        ("modelsync inspect hf:user/model:Q4_K_M --tensors", "without fetching it"),
        ("modelsync inspect x.gguf --key general.name", "one value"),
    ),
)
@click.argument("model", metavar="NAME|URI|PATH", shell_complete=completion.names_or_paths)
@click.option("--key", metavar="KEY", help="Print the value of this key alone; arrays one item a line.")
@click.option("--tensors", is_flag=True, help="List each tensor.")
@click.option("--full", is_flag=True, help="List every key.")
@options.variant
@options.mirrors
def inspect(
    invocation: Invocation,
    model: str,
    key: str | None,
    tensors: bool,
    full: bool,
    variant: "Variant",
    call: "CallOptions",
) -> None:
    """Show what the GGUF header says: the model's shape, its quant, its chat template, its tensors.

    Of a model that is not here only the header is fetched. A split model is shown as one. Of safetensors
    the header is shown too; of other files, and of each file in a folder model, the kind, size and sha256.
    """
    show(invocation, model, key=key, tensors=tensors, full=full, variant=variant, call=call)


TEMPLATE = "tokenizer.chat_template"
_TASKS = {"embed": " for embeddings", "rank": " that ranks texts (a reranker)"}
_TEMPLATE_LINES = 3  # that are shown of it
_WIDE = 100  # characters of a value in a list, and of a line of the template
_LONGEST_LIT = (
    200_000  # characters of a template that is highlighted: the highlighter is slow on hostile ones
)


def show(
    invocation: Invocation,
    model: str,
    *,
    key: str | None,
    tensors: bool,
    full: bool,
    variant: "Variant",
    call: "CallOptions",
) -> None:
    """Prints what a model's header says, or the value of one of its keys."""
    from modelsync.cli.commands import inspect_files
    from modelsync.ops import inspect
    from modelsync.ops.inspect_files import FilesInspection
    from modelsync.ops.inspect_values import sound

    with invocation.context(call) as context:
        found = inspect.inspect(context, model, invocation.project, variant=variant)
    output = invocation.output
    if key is not None:
        value = found.value(key)
        _print(key, value, output)
        output.result(key=key, value=sound(value))
        return
    output.notes(found.notes)
    if isinstance(found, FilesInspection):
        output.lines(inspect_files.report(found, tensors=tensors, full=full))
    else:
        output.lines(_report(found, tensors=tensors, full=full))
    output.result(**(found.to_dict() if output.json else {}))


# --- one value ---------------------------------------------------------------------------------------


def _print(key: str, value: "Value", output: Output) -> None:
    """Prints a value by itself: a text as it is for a program, and without control characters on a terminal."""
    if not isinstance(value, str):
        # a token may contain a line break: each gets one line
        output.lines(map(_line, value if isinstance(value, Array) else (value,)))
    elif key.startswith(TEMPLATE) and wants_color(sys.stdout, output.color) and len(value) <= _LONGEST_LIT:
        output.lines([_lit(_harmless(value))])
    elif is_terminal(sys.stdout):
        output.lines([_harmless(value)])
    else:
        output.exactly(value)


def _harmless(text: str) -> str:
    """A text of several lines without control characters."""
    return "\n".join(printable(line, limit=len(line)) for line in text.expandtabs(4).split("\n"))


def _lit(template: str) -> str:
    """A chat template in colours."""
    from io import StringIO

    from rich.console import Console
    from rich.syntax import Syntax

    text = Syntax("", "jinja", theme="ansi_dark", background_color="default").highlight(template)
    text.rstrip()
    into = StringIO()
    console = Console(file=into, force_terminal=True, color_system="standard", width=10_000)
    console.print(text, soft_wrap=True, end="")
    return into.getvalue()


def _line(value: "Scalar", limit: int = sys.maxsize) -> str:
    """A value in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return printable(value, limit) if isinstance(value, str) else str(value)


# --- all of it ---------------------------------------------------------------------------------------


def _report(found: "Inspection", *, tensors: bool, full: bool) -> Iterator[str]:
    import click

    from modelsync.cli.commands.inspect_files import types_table

    yield click.style(_title(found), bold=True)
    facts = [fact for fact in _facts(found) if fact[1]]
    wide = max(len(label) for label, _ in facts)
    yield from (f"  {click.style(label.ljust(wide), fg='cyan')}  {words}" for label, words in facts)
    yield ""
    if full:
        yield from titled(
            ["key", "value"], [(printable(key), _brief(v)) for key, v in found.metadata.items()]
        )
        yield ""
    yield from _tensors(found) if tensors else types_table(found)


def _tensors(found: "Inspection") -> list[str]:
    rows = [
        (printable(one.name), " x ".join(map(str, one.shape)), one.type.name, units.size(one.nbytes))
        for one in found.header.tensors
    ]
    return titled(["tensor", "shape", "type", "size"], rows, right=[1, 3]) if rows else []


def _title(found: "Inspection") -> str:
    name = found.name
    size = found.header.metadata.text("general.size_label")
    named = printable(name or found.title)
    return f"{named} {printable(size)}" if size and name and size.lower() not in name.lower() else named


def _facts(found: "Inspection") -> Iterator[tuple[str, str]]:
    header, text = found.header, found.metadata.get
    yield "kind", _kind(found)
    yield "llama.cpp", f"does not load it: {found.obstacle}" if found.obstacle else ""
    yield "architecture", printable(found.architecture or "")
    yield "parameters", _parameters(found)
    yield "quant", _quant(found)
    yield "context", _context(found)
    yield "layers", _of("block_count", found) + _wide(found)
    yield "heads", _heads(found)
    yield "experts", _experts(found)
    yield "vocabulary", _vocabulary(found)
    yield "license", printable(found.license or "")
    yield "size", _size(found)
    if header.parts > 1:
        yield "parts", f"{header.parts}, the first {printable(found.files[0])}"
    yield (
        "header",
        f"{units.size(found.header_bytes)}, {units.count(len(found.metadata), 'key')}, GGUF {found.version}",
    )
    template = text(TEMPLATE)
    if isinstance(template, str):
        yield from _template(template)


def _kind(found: "Inspection") -> str:
    from modelsync.gguf.kind import NOUNS

    words = NOUNS[found.kind]
    return words + _TASKS.get(found.task, "") if found.task else words


def _parameters(found: "Inspection") -> str:
    if found.active_parameters == found.parameters:
        return units.amount(found.parameters)
    return f"{units.amount(found.parameters)}, {units.amount(found.active_parameters)} of them for each token"


def _quant(found: "Inspection") -> str:
    told, named, bits = found.file_type or found.quant, found.quant, found.bits_per_weight
    words = [printable(told)] if told else []
    if named and told and named.upper() != told:
        words[0] += f" ({printable(named)} by its name)"
    if bits is not None:
        words.append(f"{bits:.2f} bits per weight")
    return ", ".join(words)


def _context(found: "Inspection") -> str:
    length, window = found.header.number("context_length"), found.header.number("attention.sliding_window")
    words = f"{length:,} tokens" if length is not None else ""
    return f"{words}, windows of {window:,}" if words and window else words


def _wide(found: "Inspection") -> str:
    width = _of("embedding_length", found)
    return f", {width} wide" if width else ""


def _heads(found: "Inspection") -> str:
    heads, keys = _of("attention.head_count", found), _of("attention.head_count_kv", found)
    size = _of("attention.key_length", found)
    words = heads
    if heads and keys and keys != heads:
        words += f", {keys} for keys and values"
    return f"{words}, {size} wide" if words and size else words


def _experts(found: "Inspection") -> str:
    count, used = _of("expert_count", found), _of("expert_used_count", found)
    shared = _of("expert_shared_count", found)
    if not count or count == "0":
        return ""
    words = f"{count}, {used} for each token" if used else count
    return f"{words}, {shared} shared" if shared and shared != "0" else words


def _vocabulary(found: "Inspection") -> str:
    if found.vocabulary is None:
        return ""
    kinds = [found.header.metadata.text(f"tokenizer.ggml.{key}") for key in ("model", "pre")]
    told = " ".join(printable(kind, 40) for kind in kinds if kind)
    return f"{found.vocabulary:,} tokens" + (f", {told}" if told else "")


def _size(found: "Inspection") -> str:
    if found.file_size is None:
        return f"{units.size(found.weight_bytes)} of weights"
    return units.size(found.file_size)


def _template(template: str) -> Iterator[tuple[str, str]]:
    lines = template.strip("\n").split("\n")
    for index, line in enumerate(lines[:_TEMPLATE_LINES]):
        yield "" if index else "chat template", printable(line.expandtabs(4), _WIDE) or " "
    cut = len(lines) > _TEMPLATE_LINES or any(len(line) > _WIDE for line in lines)
    if cut:
        yield "", f"({units.count(len(lines), 'line')}; --key {TEMPLATE} shows all)"


def _of(key: str, found: "Inspection") -> str:
    """The integer of one of the architecture's keys; of one that differs by layer, from the least to the most."""
    value = found.metadata.get(found.header.key(key))
    if isinstance(value, Array):
        numbers = [item for item in value if isinstance(item, int)]
        if not numbers:
            return ""
        low, high = min(numbers), max(numbers)
        return f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else ""


def _brief(value: "Value") -> str:
    """A value in one line that fits beside its key."""
    if not isinstance(value, Array):
        return _line(value, _WIDE)
    shown = ", ".join(_line(item, 20) for item in value.head())
    more = ", …" if len(value) > len(value.head()) else ""
    return printable(f"{len(value):,} x {value.type}: {shown}{more}", _WIDE)
