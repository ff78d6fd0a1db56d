"""The recipe for Renovate: its expressions find what a real lock pins, and its commands leave a lock that is right."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.project import REPO

FOLDER = Path(__file__).parent.parent / "recipes" / "renovate"
MANIFEST = f"""[models]
tiny = "hf:{REPO}:Q4_K_M"
[models.other]
uri = "hf:user/other/m.gguf"
revision = "v1.0"
loras = ["hf:user/lora/a.gguf"]
[models.other.variants.big]
uri = "hf:{REPO}:Q8_0#main"
[models.mine]
uri = "file:mine.gguf"
"""

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="there are no recipes beside these tests")


def parsed(name: str) -> Any:
    """A file of the recipe."""
    return json.loads((FOLDER / name).read_text("utf-8"))


def found(text: str) -> list[dict[str, str | None]]:
    """What Renovate's regex manager extracts from a lock."""
    (manager,) = parsed("renovate.json")["customManagers"]
    (expression,) = manager["matchStrings"]
    assert not re.search(r"\(\?[=!]|\(\?<[=!]|\\[1-9]", expression), (
        "RE2 has neither lookarounds nor references"
    )
    return [each.groupdict() for each in re.finditer(expression.replace("(?<", "(?P<"), text)]


@pytest.fixture
def locked(cli: Cli) -> Cli:
    """A lock in git with models of two repos, one at a tag with an adapter, a variant, and a local file."""
    other = cli.hub.repo("user/other")
    other.tag("v1.0", other.commit({"m.gguf": gguf("m")}))
    cli.hub.repo("user/lora").commit({"a.gguf": gguf("lora")})
    (cli.folder / "mine.gguf").write_bytes(gguf("mine"))
    cli.write(MANIFEST)
    cli("-q", "lock")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(cli.folder))
    for words in (("init", "-q"), ("add", "models.toml", "models.lock"), ("commit", "-qm", "Lock")):
        subprocess.run((*git, *words), check=True)
    return cli


def test_its_expressions_find_each_commit_of_a_hub(locked: Cli) -> None:
    """With the name, the repo and the branch or tag; a local file has none."""
    other = locked.hub.repo("user/other").branches["main"]
    tiny = {"packageName": REPO, "currentDigest": locked.commit}
    assert found(locked.lock.read_text()) == [
        {"depName": "other", "packageName": "user/other", "currentValue": "v1.0", "currentDigest": other},
        {"depName": "other", "currentValue": "main", **tiny},
        {"depName": "tiny", "currentValue": None, **tiny},
    ]
    (manager,) = parsed("renovate.json")["customManagers"]
    assert re.fullmatch(manager["managerFilePatterns"][0].strip("/").strip("^$"), "models.lock")
    assert manager["datasourceTemplate"] == "git-refs"


def test_its_commands_leave_a_lock_that_is_right(locked: Cli) -> None:
    """Renovate edits the commit alone, which is no lock; its commands, which the bot allows, make it one again."""
    locked.repo.commit({"README.md": b"# the same model"})
    newest = locked.repo.branches["main"]
    before = locked.lock.read_text()
    locked.lock.write_text(before.replace(f'revision = "{locked.commit}"\n', f'revision = "{newest}"\n'))
    locked("lock", "--check", status=1)
    (rule,) = parsed("renovate.json")["packageRules"]
    allowed = parsed("bot.json")["allowedCommands"]
    for command in rule["postUpgradeTasks"]["commands"]:
        line = command.replace("{{{depName}}}", "tiny")
        assert any(re.search(each, line) for each in allowed), line
        assert not any(re.search(each, f"{line}; id") for each in allowed)
        program, *words = line.split()
        if program == "git":
            subprocess.run(line.split(), cwd=locked.folder, check=True)
        else:
            assert program == "modelsync"
            locked(*words)
    locked("lock", "--check")
    digests = {
        (each["depName"], each["currentValue"]): each["currentDigest"]
        for each in found(locked.lock.read_text())
    }
    assert digests["tiny", None] == newest
    assert digests["other", "main"] == locked.commit  # a branch for each model
