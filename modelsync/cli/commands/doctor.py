"""`modelsync doctor`."""

from modelsync.cli.acts import doctor as act
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation


@command("doctor", short_help="Say what modelsync sees here, and what is wrong with it.")
def doctor(invocation: Invocation) -> int:
    """Say what modelsync sees on this machine, and what is wrong with it.

    That is versions, memory and GPUs, the store, the hub and where its token comes from (not the token), variables
    that nobody reads, and the project. The hub is asked one thing; --offline spares that. Fails if something is wrong.
    """
    return act.show(invocation)
