"""`modelsync doctor`."""

import os
import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from modelsync.cli.invocation import Invocation
from modelsync.display import units
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from modelsync.ops.doctor import Finding, Report

from modelsync.cli.command import command


@command(
    "doctor",
    short_help="Say what modelsync sees here, and what is wrong with it.",
    examples=(
        ("modelsync doctor", "all that it looks at"),
        ("modelsync doctor --offline", "without asking the hub or a mirror"),
        ("modelsync doctor -q", "only what is wrong"),
    ),
)
def doctor(invocation: Invocation) -> int:
    """Say what modelsync sees on this machine, and what is wrong with it.

    That is versions, memory and GPUs, the store, other tools' caches, the hub and where its token comes from (not the
    token), mirrors, logins of registries, variables that are not read, and the project. The hub and each mirror are
    asked one thing; --offline spares that. Fails if something is wrong.
    """
    return show(invocation)


MARKS = {"fine": " ", "note": " ", "warning": "!", "wrong": "x"}
COLORS = {"warning": "yellow", "wrong": "red"}
WIDTH = 100  # columns at most: longer lines are hard to read
NAME = 16  # columns of a name


def show(invocation: Invocation) -> int:
    """Prints what is found; returns the exit status."""
    from modelsync.context import CallOptions, Context
    from modelsync.ops import doctor

    settings, faults = doctor.sound_settings(os.environ)
    asked = CallOptions(endpoint=invocation.endpoint, offline=invocation.offline)
    with Context(settings, asked, trace=invocation.trace) as context:
        report = doctor.examine(
            context, invocation.project, options=_options(), endpoint=invocation.endpoint, faults=faults
        )
    output = invocation.output
    width = min(shutil.get_terminal_size((80, 24)).columns, WIDTH)
    if invocation.quiet < 2:
        output.lines(_lines(report, width, found=not invocation.quiet))
    output.result(**report.to_dict())
    return 0 if report.well else 1


def _options() -> set[str]:
    """The variables of all options of all commands."""
    from modelsync.cli.app import program

    context = click.Context(program)
    named: set[str] = set()
    commands = [program, *(program.get_command(context, name) for name in program.places)]
    for parameter in (each for one in commands if one is not None for each in one.params):
        if isinstance(parameter.envvar, str):
            named.add(parameter.envvar)
    return named


def _lines(report: "Report", width: int, *, found: bool) -> Iterator[str]:
    """The report; without what was `found`, what is wrong alone."""
    for group in report.groups if found else ():
        yield click.style(group.name, bold=True)
        for finding in group.findings:
            yield from _finding(finding, width)
    if found:
        yield ""
    wrong, warnings = list(report.of("wrong")), list(report.of("warning"))
    if not wrong and not warnings:
        if found:
            yield click.style("all is well", fg="green", bold=True)
        return
    counts = [units.count(len(wrong), "thing is", "things are") + " wrong"] if wrong else []
    counts += [units.count(len(warnings), "warning")] if warnings else []
    yield click.style(", ".join(counts), fg="red" if wrong else "yellow", bold=True)
    for name, finding in (*wrong, *warnings):
        yield from _hanging(f"{_mark(finding)} ", f"{name}, {finding.name}: {finding.text}", 2, width)
        if finding.hint:
            yield from _hanging(f"  {click.style('hint', fg='cyan', bold=True)}: ", finding.hint, 8, width)


def _finding(finding: "Finding", width: int) -> Iterator[str]:
    name = printable(finding.name)
    if len(name) > NAME:
        yield f"{_mark(finding)} {name}"
        name = ""
    start = f"{'' if not name and len(finding.name) > NAME else _mark(finding)} ".rjust(2)
    yield from _hanging(f"{start}{name:{NAME}}  ", finding.text, NAME + 4, width)
    if finding.state == "note" and finding.hint:
        yield from _hanging(" " * (NAME + 4), finding.hint, NAME + 4, width)


def _mark(finding: "Finding") -> str:
    color = COLORS.get(finding.state)
    return click.style(MARKS[finding.state], fg=color, bold=True) if color else MARKS[finding.state]


def _hanging(start: str, text: str, indent: int, width: int) -> Iterator[str]:
    """A text in lines that begin in one column; long words, which may be paths, stay whole."""
    lines = textwrap.wrap(
        printable(text, 10_000),
        max(20, width - indent),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for index, line in enumerate(lines or [""]):
        yield f"{start if index == 0 else ' ' * indent}{line}".rstrip()
