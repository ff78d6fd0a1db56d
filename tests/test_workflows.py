"""CI's workflows and our own action run only actions that cannot change under a name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github" / "workflows"
PINNED = re.compile(r"(?P<action>[\w./-]+)@(?P<commit>[0-9a-f]{40}) # (?P<version>v\d+\.\d+\.\d+)")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="an sdist has no workflows")


def test_every_action_is_pinned_by_one_commit_that_names_its_version() -> None:
    """A tag can be moved to other code, a commit cannot; the comment is for readers and for dependabot."""
    pins: dict[str, set[tuple[str, str]]] = {}
    for path in (*FOLDER.glob("*.yml"), ROOT / "action.yml"):
        for used in re.findall(r"^[\s-]*uses:\s*(.+)$", path.read_text(), re.MULTILINE):
            pin = PINNED.fullmatch(used.strip())
            assert pin is not None, f"{path.name}: {used}"
            pins.setdefault(pin["action"], set()).add((pin["commit"], pin["version"]))
    assert {"actions/checkout", "actions/cache/restore"} <= pins.keys()
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}
