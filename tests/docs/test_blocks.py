"""What README.md and the manual tell people to type works, and shows what they say."""

import json
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from modelsync.net import config
from modelsync.spec.lock import check
from modelsync.spec.manifest.read import parse as parse_manifest
from tests.docs.pages import CONFIGURATION, ROOT, SHELL, Block, blocks, matches, own_commands, pages, steps
from tests.docs.site import HUB, REGISTRY, WEB, Shell, Weights, fill
from tests.hub import Hub
from tests.support.commands import parse
from tests.support.fork_server import AVAILABLE, ForkServer
from tests.support.registries import registry

yaml = pytest.importorskip("yaml")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the pages speak of a POSIX shell")

# Each block that does not run, by its page, with the reason that stands before it.
NOT_RUN = [
    ("README.md", "needs a package index"),
    ("docs/explained/reliability.md", "takes more than an hour"),
    ("docs/guides/docker.md", "needs Docker"),
    ("docs/guides/docker.md", "needs Docker"),
    ("docs/guides/moving-in.md", "needs a model in Ollama's store"),
    ("docs/guides/moving-in.md", "needs hf and llama-server"),
    ("docs/guides/post-install.md", "needs a package index"),
    ("docs/guides/private.md", "needs a server that signs requests"),
    ("docs/guides/python.md", "needs a hub that signs requests"),
    ("docs/guides/python.md", "needs LangChain"),
    ("docs/guides/scripts.md", "shows what is replaced"),
    ("docs/guides/scripts.md", "shows what is replaced"),
    ("docs/start/first-model.md", "needs llama-server"),
    ("docs/start/first-model.md", "needs Ollama"),
    ("docs/start/install.md", "needs a package index"),
    ("docs/start/install.md", "needs a package index"),
    ("docs/start/install.md", "needs a package index"),
    ("docs/start/install.md", "needs a package index"),
]


class Site:
    """What all pages share: a hub, a registry where one is installed, and a fork server."""

    def __init__(self, stack: ExitStack, folder: Path, weights: Weights) -> None:
        self.hub = stack.enter_context(Hub())
        fill(self.hub, weights)
        self.places = {WEB: self.hub.plain, HUB: self.hub.endpoint}
        if shutil.which("docker-registry"):
            self.places[REGISTRY] = stack.enter_context(registry(folder / "registry")).host
        self.server = ForkServer() if AVAILABLE else None
        if self.server is not None:
            stack.callback(self.server.close)

    def has(self, text: str) -> bool:
        """Whether this machine has what a block needs."""
        if REGISTRY in text and REGISTRY not in self.places:
            return False
        return find_spec("llama_cpp") is not None or not re.search(r"modelsync\.load|modelsync chat", text)

    def shell(self, page: str, folder: Path) -> Shell:
        """For one page, whose registry is empty."""
        places = self.places | {name: str(folder / name[1:]) for name in ("/srv/models", "/data/models")}
        if REGISTRY in places:
            places[REGISTRY] += "/" + re.sub(r"\W+", "-", page.lower())
        return Shell(folder, places, {"HF_ENDPOINT": self.hub.endpoint}, self.server)


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, tiny_gguf: Path, bert: Path, projector: Path
) -> Iterator[Site]:
    """The site of this process's pages."""
    with ExitStack() as stack:
        yield Site(stack, tmp_path_factory.mktemp("site"), Weights(tiny_gguf, bert, projector))


@pytest.mark.parametrize("page", pages())
def test_blocks_run(page: str, site: Site, tmp_path: Path) -> None:
    """In their order, in one folder: each ends well, or with the error that is shown, and says what is shown."""
    shell = site.shell(page, tmp_path)
    there = list(blocks(page))
    wrong: list[str] = []
    for block in there:
        if block.not_run or not site.has(block.text):
            continue
        if block.title:
            shell.write(block.title, block.text)
        elif block.kind == "python":
            status, said = shell.python(block.text)
            wrong += [f"{page}:{block.line}: Python\n{said[-1000:]}"] if status else []
        elif block.kind in SHELL:
            wrong += run(shell, block)
    assert not wrong, "\n\n".join(wrong)
    for block in there:
        if block.kind == "python" and block.title and not block.not_run:
            name = block.title.removesuffix("/__init__.py").rpartition("/")[2]
            used = (each.text for each in there if each.kind in SHELL and not each.not_run)
            assert any(name in text for text in used), f"{page}: {block.title} is never run"


def run(shell: Shell, block: Block) -> list[str]:
    """Runs a block of a shell; what went otherwise than the page shows."""
    wrong = []
    for step in steps(block):
        status, said = shell.run(step)
        fails = any(line.startswith("error:") for line in (step.shown or "").splitlines())
        if (status != 0) != fails or (step.shown is not None and not matches(step.shown, said)):
            wrong.append(f"{block.page}:{block.line}: $ {step.command}\n{said[-1000:]}")
    return wrong


@pytest.mark.parametrize("page", pages())
def test_blocks_are_read(page: str, tmp_path: Path) -> None:
    """By what reads them in earnest: manifests, the user's config.toml, locks, YAML, JSON; command lines by click."""
    for block in blocks(page):
        where = f"{page}:{block.line}"
        if block.kind in SHELL | CONFIGURATION:
            for words in own_commands(block):
                assert words in ([], ["--version"]) or parse(words), (where, words)
        if block.kind == "toml":
            read_toml(block, tmp_path / "config.toml")
        elif block.kind == "yaml":
            assert list(yaml.safe_load_all(block.text)), where
        elif block.kind == "json":
            assert json.loads(block.text), where
        elif block.kind == "python":
            assert compile(block.text, where, "exec")


def read_toml(block: Block, place: Path) -> None:
    """Reads TOML as what it is."""
    where = f"{block.page}:{block.line}"
    document = tomllib.loads(block.text)
    if block.title.endswith("pyproject.toml"):
        return
    if "version" in document:
        assert "…" in block.text or check.lock(document, where)
    elif {"models", "modelsync"} & document.keys():
        parse_manifest(block.text, where=where)
    else:
        place.write_text(block.text)
        config.load(place)


def test_what_does_not_run_is_listed() -> None:
    """With its reason, which is some words that a reader understands; and that is little."""
    found = [(page, block.not_run) for page in pages() for block in blocks(page) if block.not_run]
    assert sorted(found) == sorted(NOT_RUN)
    assert all(len(why.split()) >= 2 for _, why in found)
    assert len(found) <= 30


def test_every_fence_is_of_a_kind_that_is_known() -> None:
    """So that no block escapes for want of a word."""
    known = SHELL | CONFIGURATION | {"python", "toml", "json", "text", "diff", "mermaid", "css", "html"}
    for page in pages():
        text = (ROOT / page).read_text("utf-8")
        assert {block.kind for block in blocks(page)} <= known, page
        assert text.count("```") == 2 * sum(block.kind != "first" for block in blocks(page)), (
            f"{page}: a fence without a kind"
        )
