"""`modelsync chat`."""

import click

from modelsync.cli import completing, options
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation


@command("chat", short_help="Load a model and talk to it: the smoke test after a sync.")
@click.argument("model", metavar="NAME|URI", shell_complete=completing.names)
@click.argument("prompt", metavar="[PROMPT]", required=False)
@options.variant
@click.option("--max-tokens", metavar="N", type=click.IntRange(1), help="The longest answer.")
@click.option("--embedding", is_flag=True, help="Print the prompt's vector, of a model that makes vectors.")
def chat(
    invocation: Invocation,
    model: str,
    prompt: str | None,
    variant: str | None,
    max_tokens: int | None,
    embedding: bool,
) -> None:
    """Load a model with its load settings and let it answer PROMPT, or what stdin has, as it goes.

    On a terminal and without a PROMPT it is a chat with a memory: Ctrl-C ends an answer, Ctrl-D the chat.

    Needs llama-cpp-python. The model's chat template is rendered, which came with the model from whoever made it:
    llama-cpp-python's sandbox bounds what it can reach, not how long it runs.
    """
    from modelsync.cli.acts import chat as act

    act.talk(invocation, model, prompt, variant=variant, max_tokens=max_tokens, embedding=embedding)
