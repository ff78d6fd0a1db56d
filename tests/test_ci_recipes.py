"""The recipes for CI without a registry, and the hooks for pre-commit: what is in them is run."""

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.hub import Hub
from tests.support.ci_scripts import Ran, run_script, write_modelsync
from tests.support.content import gguf

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "recipes" / "ci"
REPO = "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF"
FILE = "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf"
DATA = gguf("a small llama")

pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="there are no recipes beside these tests"),
    pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for commands are scripts of a shell"),
]


class Runner:
    """A machine of CI with a checkout of the project that the recipes are for."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder = folder
        self.hub = hub
        self.checkout = folder / "checkout"
        self.checkout.mkdir()
        write_modelsync(folder / "bin")
        hub.repo(REPO).commit({FILE: DATA})
        [manifest] = re.findall(
            r"```toml\n(.*?)```", (FOLDER.parent / "README.md").read_text("utf-8"), re.DOTALL
        )
        (self.checkout / "models.toml").write_text(manifest)

    def run(self, lines: Sequence[str], store: Path) -> Ran:
        """Runs lines of a shell to their end; what pip installs is here already."""
        script = "\n".join(line for line in lines if not line.startswith("pip install"))
        assert "pip install --quiet modelsync" in lines
        return self.one(script, MODELSYNC_STORE=str(store))

    def one(self, script: str, **variables: str) -> Ran:
        """Runs a script, whatever comes of it."""
        return run_script(
            script, self.checkout, self.folder / "bin", {"HF_ENDPOINT": self.hub.endpoint, **variables}
        )


@pytest.fixture
def runner(tmp_path: Path, hub: Hub) -> Runner:
    """A machine whose checkout has a lock."""
    made = Runner(tmp_path, hub)
    assert made.one("modelsync lock").status == 0
    return made


def recipe(name: str) -> Any:
    """One of them."""
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text("utf-8"))


def steps(name: str) -> Iterator[str]:
    """The lines that the job with the models runs, in their order."""
    found = recipe(name)
    match name:
        case "gitlab":
            job = found["models:test"]
            yield from (*found[job["extends"]]["before_script"], *job["script"])
        case "circleci":
            yield from (step["run"] for step in found["jobs"]["models"]["steps"] if "run" in step)
        case _:
            for step in found["steps"]:
                yield from step.get("script", "").splitlines()


@pytest.mark.parametrize("name", ["gitlab", "circleci", "azure-pipelines"])
def test_brings_the_model_into_the_folder_that_is_cached(runner: Runner, name: str) -> None:
    """The commands of the job leave the model in the store, which the last of them does not empty again."""
    store = runner.folder / "store"
    ran = runner.run(list(steps(name)), store)
    assert ran.status == 0, ran
    [path] = (Path(line) for line in ran.out.splitlines() if line.endswith(FILE))
    assert path.is_relative_to(store)
    assert path.read_bytes() == DATA


def test_each_caches_the_store_that_it_names_and_starts_from_the_last_one() -> None:
    """Whatever the lock says: a prefix of the key is enough, or the key does not have the lock in it."""
    gitlab = recipe("gitlab")
    place = gitlab["variables"]["MODELSYNC_STORE"].removeprefix("$CI_PROJECT_DIR/")
    cache = gitlab["models:test"]["cache"]
    assert cache["paths"] == [f"{place}/"]
    assert cache["key"] == "modelsync"
    job = recipe("circleci")["jobs"]["models"]
    by_kind = {key: value for step in job["steps"] if isinstance(step, dict) for key, value in step.items()}
    assert by_kind["save_cache"]["paths"] == [job["environment"]["MODELSYNC_STORE"]]
    exact, prefix = by_kind["restore_cache"]["keys"]
    assert exact == by_kind["save_cache"]["key"]
    assert exact.startswith(prefix)
    [inputs] = [
        step["inputs"] for step in recipe("azure-pipelines")["steps"] if step.get("task") == "Cache@2"
    ]
    assert inputs["path"] == "$(MODELSYNC_STORE)"
    assert inputs["key"].startswith(f"{inputs['restoreKeys']} | ")


def test_gitlab_verifies_the_lock_of_a_merge_request(runner: Runner) -> None:
    """Only where the manifest or the lock changed; a lock with another digest fails."""
    found = recipe("gitlab")
    job = found["models:lock"]
    assert job["rules"][0]["changes"] == ["models.toml", "models.lock"]
    lines = [*found[job["extends"]]["before_script"], *job["script"]]
    assert runner.run(lines, runner.folder / "store").status == 0
    lock = runner.checkout / "models.lock"
    lock.write_text(re.sub(r'sha256 = "\w{64}"', f'sha256 = "{"0" * 64}"', lock.read_text()))
    assert runner.run(lines, runner.folder / "store").status == 1


class TestHooks:
    """`.pre-commit-hooks.yaml`."""

    @pytest.fixture
    def hooks(self) -> dict[str, dict[str, Any]]:
        """Each by its ID."""
        path = ROOT / ".pre-commit-hooks.yaml"
        if not path.is_file():
            pytest.skip("there are no hooks beside these tests")
        return {hook["id"]: hook for hook in yaml.safe_load(path.read_text("utf-8"))}

    def test_have_what_pre_commit_wants(self, hooks: dict[str, dict[str, Any]]) -> None:
        """Installed as Python, called without the names of files, the sync after git has changed the files."""
        assert set(hooks) == {"modelsync-lock", "modelsync-sync"}
        assert all(hook["language"] == "python" and not hook["pass_filenames"] for hook in hooks.values())
        assert {"post-checkout", "post-merge"} <= set(hooks["modelsync-sync"]["stages"])
        assert "stages" not in hooks["modelsync-lock"]

    def test_the_guide_names_them(self, hooks: dict[str, dict[str, Any]]) -> None:
        """Its hooks by `repo` are ours, and its local ones run what ours run."""
        guide = (ROOT / "docs/guides/ci.md").read_text("utf-8").partition("## Before a commit")[2]
        ours, local = (
            yaml.safe_load(text)["repos"][0]["hooks"]
            for text in re.findall(r"```yaml[^\n]*\n(.*?)```", guide, re.DOTALL)
        )
        assert [hook["id"] for hook in ours] == [hook["id"] for hook in local] == list(hooks)
        for hook in local:
            mine = hooks[hook["id"]]
            assert (hook["entry"], hook["pass_filenames"]) == (mine["entry"], mine["pass_filenames"])
            assert hook.get("files") == mine.get("files")
            assert set(hook.get("stages", ())) <= set(mine.get("stages", ()))

    def test_the_lock_is_checked_when_it_or_the_manifest_changes(
        self, hooks: dict[str, dict[str, Any]], runner: Runner
    ) -> None:
        """And a stale one ends the commit."""
        hook = hooks["modelsync-lock"]
        names = ("models.toml", "models.lock", "src/models.py", "models.toml.example")
        assert [bool(re.search(hook["files"], name)) for name in names] == [True, True, False, False]
        assert runner.one(hook["entry"]).status == 0
        (runner.checkout / "models.lock").unlink()
        assert runner.one(hook["entry"]).status == 1

    def test_the_sync_brings_what_was_checked_out(
        self, hooks: dict[str, dict[str, Any]], runner: Runner
    ) -> None:
        """Without writing the lock."""
        store = str(runner.folder / "store")
        entry = hooks["modelsync-sync"]["entry"]
        assert "--locked" in shlex.split(entry)
        assert runner.one(entry, MODELSYNC_STORE=store).status == 0
        path = runner.one("modelsync --offline path llama3", MODELSYNC_STORE=store)
        assert Path(path.out.strip()).read_bytes() == DATA
