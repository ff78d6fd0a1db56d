"""`action.yml`: each script in it is run as a runner runs it, against the hub on loopback."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.hub import Hub
from tests.support.ci_scripts import Ran, pairs, run_script, write_command, write_modelsync
from tests.support.project import MANIFEST, QUANTS, REPO

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
FILE = ROOT / "action.yml"
PYTHON = f"""#!{sys.executable}
import os, pathlib, subprocess, sys
words = sys.argv[1:]
isolated = words[:1] == ["-I"]
words = words[isolated:]
if words[:2] == ["-m", "venv"]:
    there = pathlib.Path(words[-1], "bin")
    there.mkdir(parents=True)
    (there / "python").symlink_to(__file__)
elif words[:3] == ["-m", "pip", "install"]:
    assert words[-1] == os.environ["GITHUB_ACTION_PATH"], words
    command = pathlib.Path(sys.argv[0]).parent / "modelsync"
    command.write_text('#!/bin/sh\\nexec "{sys.executable}" -P -m modelsync "$@"\\n')
    command.chmod(0o755)
else:
    sys.exit(subprocess.run(["{sys.executable}", *["-I"][:isolated], *words]).returncode)
"""

pytestmark = [
    pytest.mark.skipif(not FILE.is_file(), reason="there is no action beside these tests"),
    pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for commands are scripts of a shell"),
]


class Job(NamedTuple):
    """A job with a checkout of a project.

    Attributes:
        folder: Its folders: `checkout`, `temp`, `bin`.
        hub: What HF_ENDPOINT names.
        outputs: The outputs of each step that has run, by its ID.
    """

    folder: Path
    hub: Hub
    outputs: dict[str, Mapping[str, str]]

    @property
    def checkout(self) -> Path:
        """The project."""
        return self.folder / "checkout"

    def step(self, key: str, **inputs: str) -> Ran:
        """Runs the step of that ID or name, with these inputs and the defaults of the others."""
        action = yaml.safe_load(FILE.read_text("utf-8"))
        [step] = [each for each in action["runs"]["steps"] if key in (each.get("id"), each.get("name"))]
        assert step["shell"] == "bash"
        values = {name: str(each["default"]) for name, each in action["inputs"].items()} | {
            name.replace("_", "-"): value for name, value in inputs.items()
        }
        given = {name: self.filled(text, values) for name, text in step.get("env", {}).items()}
        files = {name: str(self.folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")}
        added = (
            (self.folder / "GITHUB_PATH").read_text().split() if Path(files["GITHUB_PATH"]).exists() else []
        )
        ran = run_script(
            step["run"],
            self.checkout / self.filled(step.get("working-directory", "."), values),
            Path(added[-1] if added else self.folder / "bin"),
            {
                "HF_ENDPOINT": self.hub.endpoint,
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(ROOT),
                "GITHUB_WORKSPACE": str(self.checkout),
                "RUNNER_TEMP": str(self.folder / "temp"),
                "RUNNER_OS": "Linux",
                **files,
                **pairs(Path(files["GITHUB_ENV"])),
                **given,
            },
        )
        self.outputs[key] = ran.outputs
        return ran

    def filled(self, text: str, inputs: Mapping[str, str]) -> str:
        """A value of the action with what GitHub puts in the place of its expressions."""

        def value(found: re.Match[str]) -> str:
            match found[1].split("."):
                case ["inputs", name]:
                    return inputs[name]
                case ["steps", step, "outputs", name]:
                    return self.outputs[step][name]
            raise AssertionError(found[0])

        return re.sub(r"\$\{\{ (.*?) \}\}", value, text)


@pytest.fixture
def job(tmp_path: Path, hub: Hub) -> Job:
    """A job whose checkout has a locked project."""
    hub.repo(REPO).commit(QUANTS)
    made = Job(tmp_path, hub, {})
    for name in ("checkout", "temp"):
        (tmp_path / name).mkdir()
    write_modelsync(tmp_path / "bin")
    write_command(tmp_path / "bin", "python3", PYTHON)
    (made.checkout / "models.toml").write_text(MANIFEST)
    done = run_script("modelsync lock", made.checkout, tmp_path / "bin", {"HF_ENDPOINT": hub.endpoint})
    assert done.status == 0, done
    hub.clear()
    made.outputs["install"] = {"python": sys.executable}
    return made


def test_installs_itself_and_puts_nothing_but_its_command_on_the_path(job: Job) -> None:
    """From the folder of the action; the job's own Python and pip stay what they are. pip is a stand-in."""
    ran = job.step("install")
    assert ran.status == 0, ran
    [folder] = (job.folder / "GITHUB_PATH").read_text().split()
    assert [path.name for path in Path(folder).iterdir()] == ["modelsync"]
    assert Path(ran.outputs["python"]).exists()
    assert job.step("prepare").status == 0  # with the command that was put there


def test_an_old_python_is_told_what_to_set(job: Job) -> None:
    """As an annotation, before anything is made."""
    write_command(job.folder / "bin", "python3", "#!/bin/sh\nexit 1\n")
    ran = job.step("install")
    assert ran.status == 1
    assert ran.out.startswith("::error title=modelsync::modelsync needs Python 3.11")
    assert list((job.folder / "temp").iterdir()) == []


def test_syncs_into_the_store_and_tells_each_path(job: Job) -> None:
    """Prepare, sync, prune: later steps find the same store, and the store is to be saved."""
    ran = job.step("prepare", store="kept/store")
    assert ran.outputs["store"] == str(job.checkout / "kept" / "store")
    assert pairs(job.folder / "GITHUB_ENV") == {"MODELSYNC_STORE": ran.outputs["store"]}
    ran = job.step("sync", store="kept/store")
    assert ran.status == 0, ran
    paths = json.loads(ran.outputs["paths"])
    assert list(paths) == ["tiny"]
    assert Path(paths["tiny"]).read_bytes() in QUANTS.values()
    assert Path(paths["tiny"]).is_relative_to(job.checkout / "kept" / "store")
    assert job.step("prune").outputs == {"save": "true"}


def test_a_store_over_the_limit_is_not_saved(job: Job) -> None:
    """What the lock needs stays, so nothing helps: a warning says so, and the job goes on."""
    job.step("prepare", store="store")
    job.step("sync")
    ran = job.step("prune", max_size="10B")
    assert (ran.status, dict(ran.outputs)) == (0, {"save": "false"}), ran
    assert ran.out.startswith("::warning title=modelsync::the store is not saved: ")


def test_the_key_says_what_is_in_the_store(job: Job) -> None:
    """Another lock or another choice has another key; the prefixes lead from the same choice to any store."""
    first = job.step("prepare").outputs
    assert first["key"].startswith(first["same-choice"])
    assert first["same-choice"].startswith(first["any"])
    assert job.step("prepare").outputs.get("key", first["key"]) == first["key"]
    other = job.step("prepare", only_groups="chat").outputs
    assert not other["key"].startswith(first["same-choice"])
    (job.checkout / "models.lock").write_text("version = 1\n")
    changed = job.step("prepare").outputs
    assert changed["key"] != first["key"]
    assert changed["key"].startswith(first["same-choice"])


def test_a_stale_lock_fails_with_an_annotation(job: Job) -> None:
    """`--locked`: a job writes no lock."""
    lock = (job.checkout / "models.lock").read_bytes()
    (job.checkout / "models.toml").write_text(f'{MANIFEST}\n[models.more]\nuri = "hf:{REPO}:Q8_0"\n')
    ran = job.step("sync")
    assert ran.status == 1
    assert "::error file=models.toml,line=" in ran.err
    assert (job.checkout / "models.lock").read_bytes() == lock


def test_verify_asks_upstream_about_the_lock(job: Job) -> None:
    """A true lock passes; one with another digest does not."""
    assert job.step("Verify", mode="verify").status == 0
    lock = job.checkout / "models.lock"
    lock.write_text(re.sub(r'sha256 = "[0-9a-f]{64}"', f'sha256 = "{"0" * 64}"', lock.read_text()))
    ran = job.step("Verify", mode="verify")
    assert ran.status == 1
    assert "::error file=models.toml,line=" in ran.err


def test_inputs_are_words_and_no_code(job: Job) -> None:
    """What a shell would run or expand is a name like any other; a token goes to the hub alone."""
    evil = "$(touch${IFS}made) * `touch made`"
    ran = job.step("sync", models=evil, token="hf_secret")
    assert ran.status != 0
    assert "hf_secret" not in ran.out + ran.err
    assert job.step("prepare", manifest=evil, variant=evil, groups=evil).status == 0
    assert job.step("prune", max_size=evil).status == 2
    assert job.step("prepare", mode="; touch made").status == 2
    assert not (job.checkout / "made").exists()


def test_no_python_of_a_pull_request_is_run(job: Job) -> None:
    """What the checkout has beside its manifest is imported by none of the action's own calls of Python."""
    for name in ("venv", "pip", "json", "sys", "os", "sitecustomize"):
        (job.checkout / f"{name}.py").write_text(f"open('{job.folder}/run', 'w')\n")
    action = yaml.safe_load(FILE.read_text("utf-8"))
    scripts = "\n".join(step.get("run", "") for step in action["runs"]["steps"])
    calls = re.findall(r'"\$(?:python|PYTHON|bin/python)" (-\S+)', scripts)
    assert calls == ["-I"] * 5
    job.step("prepare", store="store")
    assert job.step("sync").status == 0
    assert job.step("prune").status == 0
    assert not (job.folder / "run").exists()


def test_no_script_has_an_expression_in_it() -> None:
    """Inputs reach a shell through its environment; each has words, and a default."""
    action = yaml.safe_load(FILE.read_text("utf-8"))
    scripts = [step["run"] for step in action["runs"]["steps"] if "run" in step]
    assert len(scripts) == 5
    assert not [script for script in scripts if "${{" in script]
    assert all(set(each) == {"description", "default"} for each in action["inputs"].values())
