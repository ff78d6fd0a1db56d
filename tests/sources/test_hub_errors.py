"""What people are told when a hub refuses."""

from pathlib import Path

import pytest

from modelsync.errors import (
    GatedError,
    HttpStatusError,
    ModelsyncError,
    NetworkError,
    NotFoundError,
)
from modelsync.net.client import Client
from modelsync.net.config import UserConfig
from modelsync.net.credentials import gather
from modelsync.settings import DEFAULT_ENDPOINT, Settings
from modelsync.sources.hub_errors import explain
from modelsync.sources.huggingface import HuggingFace
from tests.hub import Hub, Status, TooMany
from tests.support.servers import sending_on
from tests.support.source_calls import Asker, Says, StartRun, model


def told(error: ModelsyncError) -> str:
    return f"{error.message}\n{error.hint}"


@pytest.mark.parametrize("token", [None, "hf_good"])
def test_a_repo_that_is_not_there(hub: Hub, run: StartRun, token: str | None) -> None:
    """With or without a token: no such repo, or one that this account does not see; HF_TOKEN is named."""
    hub.tokens.add("hf_good")
    with pytest.raises(NotFoundError) as caught:
        run(token)("hf:no/Such:Q8_0")
    assert "no/Such" in caught.value.message
    assert "HF_TOKEN" in told(caught.value)
    assert f"{hub.endpoint}/no/Such" in told(caught.value)


def test_a_private_repo_is_there_for_who_may_read_it(hub: Hub, run: StartRun) -> None:
    """Without the right token a private repo looks like a missing one; with it, it is found."""
    repo = hub.repo("me/Private", private=True)
    repo.commit({"m.gguf": model()})
    hub.tokens.add("hf_good")
    repo.accept("hf_good")
    with pytest.raises(NotFoundError, match="private"):
        run()("hf:me/Private/m.gguf")
    assert run("hf_good")("hf:me/Private/m.gguf").files


def test_a_token_that_is_not_valid(hub: Hub, run: StartRun) -> None:
    """A bad token is said to be bad, not that the repo is missing; the token is not in the words."""
    hub.repo("u/Open").commit({"m.gguf": model()})
    with pytest.raises(GatedError, match="does not accept the token") as caught:
        run("hf_bad")("hf:u/Open/m.gguf")
    assert "HF_TOKEN" in told(caught.value)
    assert "hf_bad" not in told(caught.value)


@pytest.mark.parametrize("uri", ["hf:meta/Llama/m.gguf", "hf:me/Private/m.gguf"])
def test_a_gated_repo_behind_a_mirror_that_sends_on(hub: Hub, run: StartRun, uri: str) -> None:
    """The mirror's token stays with the mirror; what the hub behind it wants is said, with both ways to set it."""
    hub.repo("meta/Llama", gated="manual").commit({"m.gguf": model()})
    hub.repo("me/Private", private=True).commit({"m.gguf": model()})
    with sending_on(hub.endpoint) as mirror:
        ask = run("hf_good", mirror.url)
        with pytest.raises(GatedError) as caught:
            resolved_and_opened(ask, uri)
    for word in (mirror.url.partition("//")[2], f"HF_ENDPOINT={hub.endpoint}", "HF_TOKEN", "config.toml"):
        assert word in told(caught.value)
    assert "expired" not in told(caught.value)
    assert not any("authorization" in seen.headers for seen in hub.requests)


def test_a_token_for_the_hub_behind_a_mirror_goes_to_it(hub: Hub, tmp_path: Path) -> None:
    """As the words say: headers for that host in the user's own config.toml."""
    repo = hub.repo("meta/Llama", gated="manual")
    repo.commit({"m.gguf": model()})
    hub.tokens.add("hf_good")
    repo.accept("hf_good")
    theirs = {hub.endpoint.partition("//")[2]: {"Authorization": "Bearer hf_good"}}
    with sending_on(hub.endpoint) as mirror:
        credentials = gather(Settings(endpoint=mirror.url), UserConfig(theirs, frozenset()))
        with Client(credentials=credentials) as client:
            resolved_and_opened(Asker(mirror.url, tmp_path, client), "hf:meta/Llama/m.gguf")


def resolved_and_opened(ask: Asker, uri: str) -> None:
    (file,) = ask(uri).files
    (segment,) = ask.sources[0].locate(file, ask.endpoint, ask.folder)
    try:
        with ask.client.open(segment.url):
            pass
    except ModelsyncError as error:
        raise ask.sources[0].explain(error, segment.url) from error


@pytest.mark.parametrize("token", [None, "hf_other"])
def test_a_gated_repo_is_explained(hub: Hub, run: StartRun, token: str | None) -> None:
    """A gated file's error names the page with the form, HF_TOKEN, and the box of fine-grained tokens."""
    hub.tokens.add("hf_other")
    commit = hub.repo("meta/Llama", gated="manual").commit({"m.gguf": model()})
    ask = run(token)
    (file,) = ask("hf:meta/Llama/m.gguf").files
    source = ask.sources[0]
    (segment,) = source.locate(file, hub.endpoint, ask.folder)
    with pytest.raises(HttpStatusError) as refused, ask.client.open(segment.url):
        pass
    error = source.explain(refused.value, segment.url)
    assert isinstance(error, GatedError)
    for word in (f"{hub.endpoint}/meta/Llama", "HF_TOKEN", "read access to public gated repositories"):
        assert word in told(error)
    assert commit not in told(error)


def test_a_disabled_repo(hub: Hub, ask: Asker) -> None:
    """A repo that the hub has shut is told as such."""
    repo = hub.repo("u/Shut")
    repo.commit({"m.gguf": model()})
    repo.disabled = True
    with pytest.raises(NotFoundError, match="disabled"):
        ask("hf:u/Shut/m.gguf")


def test_a_repo_that_says_it_is_disabled(hub: Hub, ask: Asker) -> None:
    """A repo whose description says `disabled` is not locked."""
    hub.repo("u/Shut").commit({"m.gguf": model()})
    hub.misbehave(Says({"sha": "0" * 40, "disabled": True}), where="hub")
    with pytest.raises(NotFoundError, match="disabled"):
        ask("hf:u/Shut/m.gguf")


def test_a_revision_that_is_not_there(hub: Hub, ask: Asker) -> None:
    """The missing revision is named, with the nearest of those there are."""
    repo = hub.repo("u/Tagged")
    repo.tag("v1.0", repo.commit({"m.gguf": model()}))
    with pytest.raises(NotFoundError, match=r"'v1\.1'; did you mean 'v1\.0'") as caught:
        ask("hf:u/Tagged/m.gguf#v1.1")
    assert "main, v1.0" in told(caught.value)


def test_a_file_that_is_not_there(hub: Hub, ask: Asker) -> None:
    """The nearest file names are in the error."""
    hub.repo("u/Files").commit({"dir/Model-Q4_K_M.gguf": model(), "other.gguf": model()})
    with pytest.raises(NotFoundError) as caught:
        ask("hf:u/Files/Model-Q4_K_M.gguf")
    assert "dir/Model-Q4_K_M.gguf" in told(caught.value)


def test_a_quant_that_is_not_there(hub: Hub, ask: Asker) -> None:
    """The quants there are are listed; no other one is taken."""
    hub.repo("u/Quants").commit({"m-Q4_K_M.gguf": model(), "m-BF16.gguf": model()})
    with pytest.raises(NotFoundError) as caught:
        ask("hf:u/Quants:F16")
    assert "Q4_K_M" in told(caught.value)
    assert "BF16" in told(caught.value)


def test_a_file_that_went_away_after_it_was_locked(hub: Hub, ask: Asker) -> None:
    """What `/resolve` no longer has is named with repo and commit."""
    commit = hub.repo("u/Gone").commit({"m.gguf": model()})
    url = f"{hub.endpoint}/u/Gone/resolve/{commit}/old/name%20x.gguf"
    with pytest.raises(HttpStatusError) as refused:
        ask.client.head(url)
    error = ask.sources[0].explain(refused.value, url)
    assert isinstance(error, NotFoundError)
    assert "old/name x.gguf" in error.message
    assert commit in error.message


def test_an_endpoint_that_is_not_a_hub(hub: Hub, ask: Asker) -> None:
    """A web page instead of an answer is told as that, with the setting that names the hub."""
    hub.repo("u/Page").commit({"m.gguf": model()})
    page = Status(200, {"Content-Type": "text/html"}, "<!doctype html><title>Log in</title>")
    hub.misbehave(page, where="hub", times=None)
    with pytest.raises(NetworkError) as caught:
        ask("hf:u/Page/m.gguf")
    assert "HF_ENDPOINT" in told(caught.value)


@pytest.mark.parametrize("value", [[], {}, {"sha": None}, {"sha": "main"}, {"sha": "A" * 40}, None, 1])
def test_an_answer_without_a_commit(hub: Hub, ask: Asker, value: object) -> None:
    """JSON that names no commit is no hub's."""
    hub.misbehave(Says(value), where="hub")
    with pytest.raises(NetworkError, match="does not answer like a model hub"):
        ask("hf:u/Odd/m.gguf")


def test_a_server_without_the_api(hub: Hub, run: StartRun) -> None:
    """A file server in place of the hub gives a 404: the endpoint's setting is named."""
    with pytest.raises(NotFoundError) as caught:
        run(endpoint=hub.plain)("hf:u/Model/m.gguf")
    assert "HF_ENDPOINT" in told(caught.value)


def test_the_token_goes_to_the_environments_hub_alone(hub: Hub, run: StartRun) -> None:
    """Another endpoint gets no token, and the words do not promise that HF_TOKEN would reach it."""
    with pytest.raises(NotFoundError) as caught:
        run()("hf:u/Missing/m.gguf")
    assert "the hub that HF_ENDPOINT names" in told(caught.value)
    error = explain(status(401, "RepoNotFound"), DEFAULT_ENDPOINT, "u/m")
    assert f"{DEFAULT_ENDPOINT}/settings/tokens" in told(error)


def status(code: int, error_code: str | None = None, words: str | None = None) -> HttpStatusError:
    return HttpStatusError(f"HTTP {code}", status=code, error_code=error_code, error_message=words)


def test_what_a_cdn_says_is_not_the_hubs_word() -> None:
    """An error from where a redirect led says nothing about the repo, and stays what it is."""
    error = HttpStatusError("HTTP 403", status=403, redirected=True)
    url = f"{DEFAULT_ENDPOINT}/u/m/resolve/{'0' * 40}/m.gguf"
    assert HuggingFace(lambda: pytest.fail("asked")).explain(error, url) is error


def test_a_server_that_may_answer_later_stays_a_network_error() -> None:
    """5xx and 429 keep their kind and exit status."""
    for code in (500, 503, 429):
        error = explain(status(code), DEFAULT_ENDPOINT, "u/m")
        assert isinstance(error, HttpStatusError)
        assert error.exit_code == 3


def test_a_hubs_words_bring_no_control_characters() -> None:
    """What a hub says is escaped before it reaches a terminal."""
    for error in (
        explain(status(401, None, "Invalid credentials \x1b[2J"), DEFAULT_ENDPOINT, "u/m"),
        explain(status(403, None, "no \x1b[2J"), DEFAULT_ENDPOINT, "u/m"),
        explain(status(404, "RevisionNotFound"), DEFAULT_ENDPOINT, "u/m", refs=lambda: ["\x1b[2J"]),
    ):
        assert "\x1b" not in told(error)


def test_a_short_rate_limit_is_waited_out(hub: Hub, ask: Asker) -> None:
    """A 429 that asks for a moment's patience does not end the lock."""
    hub.repo("u/Busy").commit({"m.gguf": model()})
    hub.misbehave(TooMany(0), where="hub")
    assert ask("hf:u/Busy/m.gguf").files
