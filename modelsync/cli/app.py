"""The program: its commands, and where each of them is."""

import os

import click

from modelsync.cli.command import Group
from modelsync.cli.elsewhere import PROGRAM as ELSEWHERE
from modelsync.cli.exit import NAME
from modelsync.cli.help_page import write_exit_codes
from modelsync.cli.invocation import Invocation

HERE = "modelsync.cli.commands"


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(_version())
        context.exit()


def _version() -> str:
    """`modelsync 0.3.0 (Linux x86_64, Python 3.12.3, llama-cpp-python 0.3.36)`: what a report of a bug begins with."""
    import platform
    from importlib import metadata

    from modelsync.version import __version__

    try:
        llama = f"llama-cpp-python {metadata.version('llama-cpp-python')}"
    except metadata.PackageNotFoundError:
        llama = "no llama-cpp-python"
    machine = f"{platform.system()} {platform.machine()}"
    return f"{NAME} {__version__} ({machine}, Python {platform.python_version()}, {llama})"


class Program(Group):
    """The program; its page ends with the exit codes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Writes the exit codes."""
        write_exit_codes(formatter)


program = Program(
    NAME,
    help="Model files, pinned and synced: models.toml says what a project needs, models.lock which bytes those"
    " are, and `modelsync sync` makes this machine hold them.",
    short_help="Model files, pinned and synced.",
    examples=(
        ("modelsync init", "begin a project"),
        ("modelsync add llama3 hf:user/model:Q4_K_M", "name a model, lock and fetch it"),
        ("modelsync sync", "make a clone of the project hold its models"),
        ('llama-server -m "$(modelsync path llama3)"', "use one"),
    ),
    sections={
        "The models of a project": {
            "init": f"{HERE}.init:init",
            "add": f"{HERE}.edit:add",
            "remove": f"{HERE}.edit:remove",
            "lock": f"{HERE}.lock:lock",
            "sync": f"{HERE}.sync:sync",
            "list": f"{HERE}.listing:list_",
            "outdated": f"{HERE}.listing:outdated",
            "licenses": f"{HERE}.licenses:licenses",
            "verify": f"{HERE}.verify:verify",
        },
        "Use them": {
            "path": f"{HERE}.path:path",
            "run": f"{HERE}.run:run",
            "chat": f"{HERE}.chat:chat",
            "export": f"{HERE}.export:export",
            "push": f"{HERE}.push:push",
        },
        "Any model, without a project": {
            "pull": f"{HERE}.pull:pull",
            "inspect": f"{HERE}.inspect:inspect",
            "estimate": f"{HERE}.estimate:estimate",
        },
        "This machine": {
            "cache": f"{HERE}.cache:cache",
            "doctor": f"{HERE}.doctor:doctor",
            "completion": f"{HERE}.completion:completion",
            "help": f"{HERE}.help:help_",
            "schema": f"{HERE}.schema:schema",
        },
    },
    elsewhere=ELSEWHERE,
    params=[
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version and exit.",
        )
    ],
)


def work(invocation: Invocation) -> object:
    """Reads the command line of this process and runs what it says; returns an exit status, or nothing."""
    if f"_{NAME.upper()}_COMPLETE" in os.environ:
        from modelsync.cli import shells  # noqa: F401 - click asks for the classes that it registers

    return program.main(prog_name=NAME, standalone_mode=False, obj=invocation)
