"""The manual's page on JSON output: what commands print is what it names, key by key."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelsync.spec.lock import keys as lock_keys
from tests.support.command_line import Cli, python
from tests.support.content import gguf
from tests.support.project import REPO

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
RUNS: dict[str, list[tuple[str, ...]]] = {
    "An error": [("cache", "rm", "nothing")],
    "sync, add, remove": [("sync",), ("add", "other", f"hf:{REPO}:Q8_0"), ("remove", "other")],
    "lock": [("lock",), ("lock", "-U"), ("lock", "--check")],
    "outdated": [("outdated",)],
    "licenses": [("licenses",)],
    "list": [("list",)],
    "verify": [("verify",)],
    "path": [("path", "tiny")],
    "cache list": [("cache", "list")],
    "cache rm, cache prune": [("cache", "prune"), ("cache", "rm", "--force", "tiny")],
    "cache size": [("cache", "size")],
    "pull": [("pull", f"hf:{REPO}:Q8_0")],
    "doctor": [("doctor",)],
}


def keys(value: Any, path: str = "") -> Iterator[str]:
    """The dotted keys of all that is no table or list; those of lists of texts end in `[]`."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from keys(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for below in value:
            yield from keys(below, f"{path}[]")
    else:
        yield path


def named(heading: str) -> set[str]:
    """The keys that a section's tables name, lists without `[]` at their end."""
    text = (REFERENCE / "json.md").read_text("utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {key.removesuffix("[]") for cell in cells for key in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("heading", RUNS)
def test_the_page_names_what_is_printed(synced: Cli, heading: str) -> None:
    """Every key that a command prints is named; every name is printed, or stands for what holds nothing here."""
    printed: set[str] = set()
    for words in RUNS[heading]:
        if words in (("lock", "-U"), ("outdated",)):
            synced.hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": gguf("moved")})
        run = python(
            "-m", "modelsync", *words, "--format", "json", folder=synced.folder, variables=os.environ
        )
        printed |= {key.removesuffix("[]") for key in keys(run.json)} - {"schema"}
    page = named(heading)

    def covered(key: str) -> bool:
        """Whether a key is named, or something above or below it is: a list without elements has no keys."""
        return any(key == other or key.startswith((f"{other}.", f"{other}[")) for other in page)

    assert {key for key in printed if not covered(key) and not any(o.startswith(key) for o in page)} == set()
    empty = {key for key in page if not any(seen == key or seen.startswith(key) for seen in printed)}
    assert {key for key in empty if not any(key.startswith(seen) for seen in printed)} == set()


def test_the_page_on_the_lock_names_its_keys() -> None:
    """All of the file's, of a model's, a request's, a file's and a piece's."""
    text = (REFERENCE / "lock.md").read_text("utf-8")
    for key in {
        *lock_keys.LOCK_KEYS,
        *lock_keys.MODEL_KEYS,
        *lock_keys.REQUEST_KEYS,
        *lock_keys.FILE_KEYS,
        *lock_keys.PIECE_KEYS,
    }:
        assert f"`{key}`" in text
