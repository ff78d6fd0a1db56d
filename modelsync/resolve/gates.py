"""Which repos are gated, as their hubs say now."""

from collections.abc import Iterable

from modelsync.context import Context
from modelsync.errors import CancelledError, GatedError, ModelsyncError
from modelsync.sources.hub import Hubs
from modelsync.system.parallel import run_all


def gates(
    context: Context, repos: Iterable[tuple[str, str, str | None]]
) -> tuple[dict[tuple[str, str, str | None], bool], tuple[str, ...]]:
    """Asks whether repos are gated, each once, side by side; nothing is asked offline.

    Args:
        context: What to work with.
        repos: Each with its hub, its `user/model` and its commit.

    Returns:
        What is known, and a note for each hub's error.
    """
    if context.offline:
        return {}, ()
    hubs = Hubs(context.origin_client)
    asked = tuple(dict.fromkeys(repos))

    def ask(repo: tuple[str, str, str | None]) -> bool | str | None:
        try:
            return hubs.repo(*repo).gated
        except CancelledError:
            raise
        except GatedError:
            return True  # it does not even show the repo
        except ModelsyncError as error:
            return f"whether {repo[1]} is gated is not known: {error.message}"

    answers = run_all(ask, asked, name="gates", cancel=context.cancel)
    known = {repo: said for repo, said in zip(asked, answers, strict=True) if isinstance(said, bool)}
    return known, tuple(dict.fromkeys(said for said in answers if isinstance(said, str)))
