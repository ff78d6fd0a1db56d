"""`modelsync chat`."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from modelsync.cli import completion, options
from modelsync.cli.command import command
from modelsync.cli.invocation import Invocation
from modelsync.cli.output import to_stdout
from modelsync.display import units
from modelsync.display.terminal import encodable, is_terminal
from modelsync.errors import CancelledError, ModelsyncError, UsageError
from modelsync.spec.names import printable

if TYPE_CHECKING:
    from llama_cpp import Llama

    from modelsync.context import CallOptions
    from modelsync.project.selection import Variant


@command(
    "chat",
    short_help="Load a model and talk to it: the smoke test after a sync.",
    examples=(
        ("modelsync chat llama3", "talk, until Ctrl-D"),
        ('modelsync chat llama3 "Why is the sky blue?"', "one answer, on stdout"),
        ("modelsync chat llama3 < notes.txt", "of what stdin has"),
    ),
)
@click.argument("model", metavar="NAME|URI", shell_complete=completion.names)
@click.argument("prompt", metavar="[PROMPT]", required=False)
@options.variant
@options.mirrors
@click.option("--max-tokens", metavar="N", type=click.IntRange(1), help="The longest answer.")
@click.option("--embedding", is_flag=True, help="Print the prompt's vector, of a model that makes vectors.")
def chat(
    invocation: Invocation,
    model: str,
    prompt: str | None,
    variant: "Variant",
    call: "CallOptions",
    max_tokens: int | None,
    embedding: bool,
) -> None:
    """Load a model with its load settings and let it answer PROMPT, or what stdin has, as it goes.

    On a terminal and without a PROMPT it is a chat with a memory: Ctrl-C ends an answer, Ctrl-D the chat.

    Needs llama-cpp-python. The model's chat template is rendered, which came with the model from whoever made it:
    llama-cpp-python's sandbox bounds what it can reach, not how long it runs.
    """
    talk(invocation, model, prompt, variant=variant, call=call, max_tokens=max_tokens, embedding=embedding)


CONTEXT = 4096  # tokens, where the manifest says nothing: llama-cpp-python's 512 end a chat after two answers

Message = dict[str, str]


def talk(
    invocation: Invocation,
    model: str,
    prompt: str | None,
    *,
    variant: "Variant",
    call: "CallOptions",
    max_tokens: int | None,
    embedding: bool,
) -> None:
    """Loads a model and has it answer; see the command."""
    from modelsync.llama.load import ranks
    from modelsync.ops import load

    on_terminal = prompt is None and sys.stdin is not None and is_terminal(sys.stdin)
    if on_terminal and (embedding or invocation.output.json):
        raise UsageError("there is no prompt", hint=f'for example modelsync chat {printable(model)} "hello"')
    if prompt is None and not on_terminal:
        prompt = _from_stdin()
    overrides: dict[str, Any] = {"verbose": invocation.verbose > 0}
    if embedding:
        overrides["embedding"] = True
    with invocation.context(call) as context:
        llama = load.load(
            context,
            model,
            invocation.project,
            variant=variant,
            overrides=overrides,
            default_context=CONTEXT,
        )
    with closing(llama), _named(model):
        if ranks(llama):
            raise ModelsyncError(
                f"{printable(model)} is a reranker: it scores how well a text answers a question, and makes neither"
                " text nor vectors",
                hint="`modelsync export --to llama-server` serves it for /v1/rerank",
            )
        if embedding:
            _vector(invocation, llama, prompt or "")
        elif llama.context_params.embeddings:
            raise ModelsyncError(
                f"{printable(model)} makes vectors, and no text", hint="--embedding prints one"
            )
        elif prompt is None:
            _Chat(invocation, llama, model, max_tokens).go_on()
        elif invocation.output.json:
            _whole(invocation, llama, prompt, max_tokens)
        else:
            _Chat(invocation, llama, model, max_tokens).once(prompt)


def _from_stdin() -> str:
    text = sys.stdin.read().strip() if sys.stdin is not None else ""
    if not text:
        raise UsageError("there is no prompt", hint="it is an argument, or what stdin has")
    return text


@contextmanager
def _named(model: str) -> Iterator[None]:
    """Turns errors that end an answer into a `ModelsyncError`: a full context, a failing template, llama.cpp."""
    from jinja2 import TemplateError  # a dependency of llama-cpp-python

    try:
        yield
    except (ValueError, RuntimeError, TemplateError) as error:
        if _is_full(error):
            hint = "a larger `n_ctx` in [models.NAME.load] makes room"
        else:
            hint = "-v shows what llama.cpp says"
        raise ModelsyncError(
            f"{printable(model)} cannot answer: {printable(str(error), 400)}", hint=hint
        ) from error


def _is_full(error: Exception) -> bool:
    return isinstance(error, ValueError) and "exceed context window" in str(error)


def _vector(invocation: Invocation, llama: "Llama", text: str) -> None:
    import json

    made = llama.create_embedding(text)
    vector = made["data"][0]["embedding"]
    if vector and isinstance(vector[0], list):
        raise ModelsyncError(
            "the model makes a vector of each token, and none of the text",
            hint="`pooling_type = 1` in [models.NAME.load] takes their mean",
        )
    invocation.output.lines([json.dumps(vector)])
    invocation.output.result(embedding=vector, prompt_tokens=made["usage"]["prompt_tokens"])


def _whole(invocation: Invocation, llama: "Llama", prompt: str, max_tokens: int | None) -> None:
    """The answer in one object."""
    began = time.perf_counter()
    reply: Any = llama.create_chat_completion([{"role": "user", "content": prompt}], max_tokens=max_tokens)
    choice, usage = reply["choices"][0], reply["usage"]
    invocation.output.result(
        text=choice["message"]["content"],
        finish_reason=choice["finish_reason"],
        prompt_tokens=usage["prompt_tokens"],
        completion_tokens=usage["completion_tokens"],
        seconds=round(time.perf_counter() - began, 3),
    )


class _Chat:
    """A chat: its messages so far, and the display of answers."""

    def __init__(self, invocation: Invocation, llama: "Llama", model: str, max_tokens: int | None) -> None:
        self._output = invocation.output
        self._llama = llama
        self._model = model
        self._max_tokens = max_tokens
        self._messages: list[Message] = []

    def once(self, prompt: str) -> None:
        """One question, one answer, and how quick it was."""
        began = time.perf_counter()
        self._messages = [{"role": "user", "content": prompt}]
        pieces = 0
        for text in self._answer():
            _show(text)
            pieces += 1
        _show("\n")
        seconds = time.perf_counter() - began
        self._output.words(f"{units.count(pieces, 'token')} in {units.duration(seconds)}")

    def go_on(self) -> None:
        """Questions and answers until stdin ends."""
        self._output.words(f"chat with {printable(self._model)}: Ctrl-C ends an answer, Ctrl-D the chat")
        ask = _asker()
        while (prompt := ask()) is not None:
            if not prompt.strip():
                continue
            self._messages.append({"role": "user", "content": prompt})
            said = ""
            try:
                for text in self._answer():
                    said += text
                    _show(text)
            except KeyboardInterrupt:
                self._llama.reset()  # type: ignore[no-untyped-call]
            except ValueError as error:
                if not _is_full(error):
                    raise
                self._messages.pop()
                self._output.words("that is too long for the model's context; a larger `n_ctx` makes room")
                continue
            _show("\n")
            self._messages.append({"role": "assistant", "content": said})
        _show("\n")

    def _answer(self) -> Iterator[str]:
        """The answer as it comes. The oldest words are forgotten when the context is full."""
        while True:
            try:
                yield from self._pieces()
                return
            except ValueError as error:
                if not _is_full(error) or len(self._messages) < 3:
                    raise
                del self._messages[:2]
                self._output.words("(the context is full: what was said first is forgotten)")

    def _pieces(self) -> Iterator[str]:
        messages: Any = self._messages
        stream: Any = self._llama.create_chat_completion(messages, max_tokens=self._max_tokens, stream=True)
        for piece in stream:
            text = piece["choices"][0]["delta"].get("content")
            if text:
                yield text


def _show(text: str) -> None:
    """Writes to stdout now; on a terminal without control characters, for a model may print anything."""
    out = sys.stdout
    if out is None:
        return
    if is_terminal(out):
        text = "".join(
            each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text
        )
    with to_stdout(out):
        out.write(encodable(text, out))
        out.flush()


def _asker() -> Callable[[], str | None]:
    """Asks for the next line; None at the end. Lines can be edited and called back where the system can do that."""
    with suppress(ImportError):
        import readline  # noqa: F401  (input() uses it)

    def ask() -> str | None:
        try:
            if sys.stdout is not None and is_terminal(sys.stdout):
                return input("> ")
            if sys.stderr is not None:
                sys.stderr.write("> ")
                sys.stderr.flush()
            return sys.stdin.readline() or None
        except EOFError:
            return None
        except KeyboardInterrupt:
            raise CancelledError("interrupted") from None

    return ask
