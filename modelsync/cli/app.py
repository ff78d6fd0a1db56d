"""The program: its commands, and where each of them is."""

import click

from modelsync.cli.command import Group
from modelsync.cli.exit import NAME
from modelsync.cli.invocation import Invocation

HERE = "modelsync.cli.commands"


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from modelsync.version import __version__

        click.echo(f"{NAME} {__version__}")
        context.exit()


program = Group(
    NAME,
    help="Model files, pinned and synced: models.toml says what a project needs, models.lock which bytes those"
    " are, and `modelsync sync` makes this machine hold them.",
    epilog="Each global option has a variable: MODELSYNC_OFFLINE=1, MODELSYNC_FORMAT=json. For --endpoint it is"
    " MODEL_ENDPOINT or HF_ENDPOINT; MODELSYNC_STORE is where the store is.",
    sections={
        "The project": {
            "init": f"{HERE}.init:init",
            "add": f"{HERE}.edit:add",
            "remove": f"{HERE}.edit:remove",
            "lock": f"{HERE}.lock:lock",
            "sync": f"{HERE}.sync:sync",
            "run": f"{HERE}.run:run",
        },
        "What there is": {
            "path": f"{HERE}.path:path",
            "list": f"{HERE}.listing:list_",
            "outdated": f"{HERE}.listing:outdated",
            "verify": f"{HERE}.verify:verify",
            "chat": f"{HERE}.chat:chat",
            "export": f"{HERE}.export:export",
            "push": f"{HERE}.push:push",
        },
        "Without a project": {
            "pull": f"{HERE}.pull:pull",
            "inspect": f"{HERE}.inspect:inspect",
            "estimate": f"{HERE}.estimate:estimate",
            "doctor": f"{HERE}.doctor:doctor",
            "cache": f"{HERE}.cache:cache",
            "completion": f"{HERE}.completion:completion",
        },
    },
    elsewhere={
        "download": "pull",
        "get": "pull",
        "install": "sync",
        "ls": "list",
        "rm": "remove",
        "publish": "push",
        "update": "lock --upgrade",
        "upload": "push",
        "upgrade": "lock --upgrade",
    },
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
    return program.main(prog_name=NAME, standalone_mode=False, obj=invocation)
