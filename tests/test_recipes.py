"""Each recipe is read, and the commands in it are run, against a registry that wants a login."""

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from modelsync.registry.repository import INDEX, MANIFEST
from tests.hub import Hub
from tests.support.content import gguf
from tests.support.registries import (
    BASIC,
    PASSWORD,
    USER,
    fetched,
    htpasswd,
    needs_registry,
    registry,
    url,
)

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "recipes"
REPO = "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF"
FILE = "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf"
DATA = gguf("a small llama")
EXAMPLE = "registry.example.com"
DOCKER = f"""#!{sys.executable}
import base64, json, os, pathlib, sys
assert sys.argv[1] == "login" and sys.argv[3] == "--username" and sys.argv[5] == "--password-stdin", sys.argv
login = base64.b64encode(f"{{sys.argv[4]}}:{{sys.stdin.read().strip()}}".encode()).decode()
path = pathlib.Path(os.environ["HOME"], ".docker", "config.json")
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps({{"auths": {{sys.argv[2]: {{"auth": login}}}}}}))
"""

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="there are no recipes beside these tests")


def recipe(name: str) -> str:
    """The text of one."""
    return (FOLDER / name).read_text("utf-8")


def parsed(name: str) -> Any:
    """A recipe that is YAML."""
    return yaml.safe_load(recipe(name))


def fence(kind: str) -> str:
    """The first code of that kind in the page about them."""
    found = re.search(rf"```{kind}\n(.*?)```", recipe("README.md"), re.DOTALL)
    assert found is not None
    return found[1]


class Site(NamedTuple):
    """A project that was pushed as the page about the recipes says.

    Attributes:
        project: Its folder.
        host: The registry.
        hub: Where the models come from.
        folder: For the machines of a test.
        commands: A folder of commands: `modelsync`, and a `docker` that only logs in.
        login: A folder with docker's configuration.
    """

    project: Path
    host: str
    hub: Hub
    folder: Path
    commands: Path
    login: Path

    def run(self, command: str, home: Path, cwd: Path | None = None, **variables: str) -> str:
        """Runs a command line of a shell to its end, on a machine of that home; gives what it printed."""
        home.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", self.here(command)],
            cwd=cwd or self.project,
            env={
                "PATH": f"{self.commands}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(home),
                "HF_ENDPOINT": self.hub.endpoint,
                **{name: self.here(value) for name, value in variables.items()},
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done
        return done.stdout

    def here(self, words: str) -> str:
        """With the registry of this test in the place of the example's and of GitHub's."""
        return words.replace(EXAMPLE, self.host).replace("ghcr.io", self.host)

    def blob(self, name: str, *rest: str, accept: str = "*/*") -> bytes:
        """What is at an address of a repository."""
        return fetched(url(f"oci://{self.host}/{name}", *rest), accept, BASIC)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The project of the page about the recipes, pushed by its commands."""
    folder = tmp_path_factory.mktemp("recipes")
    project, commands, login = (folder / name for name in ("project", "bin", ".docker"))
    for each in (project, commands, login):
        each.mkdir()
    command(commands / "modelsync", f'#!/bin/sh\nexec "{sys.executable}" -m modelsync "$@"\n')
    command(commands / "docker", DOCKER)
    (project / "models.toml").write_text(fence("toml"))
    with Hub() as hub, registry(folder / "registry", auth=htpasswd(folder / "auth")) as there:
        hub.repo(REPO).commit({FILE: DATA})
        auth = BASIC.partition(" ")[2]
        (login / "config.json").write_text(json.dumps({"auths": {there.host: {"auth": auth}}}))
        made = Site(project, there.host, hub, folder, commands, login)
        made.run(fence("sh"), folder, MODELSYNC_STORE=str(folder / "store"))
        assert (project / "models.lock").is_file()
        yield made


def command(path: Path, text: str) -> None:
    """Writes an executable."""
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def machine(site: Site, tmp_path: Path) -> Iterator[Path]:
    """A machine with nothing on it, which asks the hub for nothing."""
    site.hub.clear()
    yield tmp_path
    assert site.hub.seen() == []


def with_places(words: str, places: Mapping[str, Path]) -> str:
    """Absolute paths of a container as they are on this machine."""
    for place, here in places.items():
        words = re.sub(rf"(?<![\w/.-]){re.escape(place)}(?=/|\b)", str(here), words)
    return words


def mounted_config(site: Site, folder: Path) -> Path:
    """A folder as Kubernetes mounts a ConfigMap: links to links."""
    data = folder / "..2026_11_29"
    data.mkdir(parents=True)
    (folder / "..data").symlink_to(data.name)
    for name in ("models.toml", "models.lock"):
        (data / name).write_bytes((site.project / name).read_bytes())
        (folder / name).symlink_to(f"..data/{name}")
    return folder


@needs_registry
def test_the_init_container_brings_what_the_server_loads(site: Site, machine: Path) -> None:
    """With the project from a ConfigMap, the login from a secret, and the store beside the links."""
    spec = parsed("kubernetes/sync.yaml")["spec"]["template"]["spec"]
    [first], [server] = spec["initContainers"], spec["containers"]
    assert {mount["name"] for each in (first, server) for mount in each["volumeMounts"]} == {
        volume["name"] for volume in spec["volumes"]
    }
    places = {
        "/models": machine / "models",
        "/project/llama": mounted_config(site, machine / "project"),
        "/login": site.login,
    }
    variables = {each["name"]: with_places(each["value"], places) for each in first["env"]}
    words = with_places(shlex.join([*first["command"], *first["args"]]), places)
    site.run(words, machine / "home", cwd=machine, **variables)
    brought = Path(with_places(server["args"][1], places))
    assert brought.read_bytes() == DATA
    assert {path.name for path in (machine / "models").iterdir()} == {"llama", "store"}
    site.run(f"{words} --check", machine / "home", cwd=machine, **variables)  # a restart has nothing to do

    other = mounted_config(site, machine / "other")  # another deployment on the same node
    for path in (other / "models.toml", other / "models.lock"):
        path.write_text(path.read_text().replace("llama3", "other"))
    words = words.replace(str(places["/project/llama"]), str(other)).replace("/llama", "/other")
    site.run(words, machine / "home", cwd=machine, **variables)
    assert (machine / "models" / "other" / "other" / brought.name).read_bytes() == DATA
    assert brought.read_bytes() == DATA


def test_the_init_container_is_pulled_with_the_login_that_it_syncs_with() -> None:
    """Its image is in the registry, which is none that lets everyone in."""
    spec = parsed("kubernetes/sync.yaml")["spec"]["template"]["spec"]
    [login] = [volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume]
    assert [each["name"] for each in spec["imagePullSecrets"]] == [login]


def test_the_kustomization_names_what_is_there() -> None:
    """Its resource is beside it, and its ConfigMap is the one that the deployment mounts."""
    found = parsed("kubernetes/kustomization.yaml")
    assert [(FOLDER / "kubernetes" / name).is_file() for name in found["resources"]] == [True]
    [config] = found["configMapGenerator"]
    assert config["files"] == ["models.toml", "models.lock"]
    spec = parsed("kubernetes/sync.yaml")["spec"]["template"]["spec"]
    assert [v["configMap"]["name"] for v in spec["volumes"] if "configMap" in v] == [config["name"]]


@needs_registry
def test_the_image_volume_has_the_file_that_the_server_loads(site: Site, tmp_path: Path) -> None:
    """The push in the recipe's comment makes the image that the volume names, with the file at that path."""
    pod = parsed("kubernetes/image-volume.yaml")["spec"]
    [words] = re.findall(r"^#\s+(modelsync push .*)$", recipe("kubernetes/image-volume.yaml"), re.MULTILINE)
    site.run(words, site.folder, MODELSYNC_STORE=str(site.folder / "store"))
    name, _, tag = pod["volumes"][0]["image"]["reference"].removeprefix(f"{EXAMPLE}/").rpartition(":")
    index = json.loads(site.blob(name, "manifests", tag, accept=INDEX))
    found = json.loads(site.blob(name, "manifests", index["manifests"][0]["digest"], accept=MANIFEST))
    files = {}
    for layer in found["layers"]:
        with tarfile.open(fileobj=BytesIO(site.blob(name, "blobs", layer["digest"]))) as tar:
            for member in tar:
                source = tar.extractfile(member)
                files[member.name] = source.read() if source is not None else None
    [server] = pod["containers"]
    [mount] = server["volumeMounts"]
    assert files[server["args"][1].removeprefix(f"{mount['mountPath']}/")] == DATA


@needs_registry
def test_the_dockerfile_has_the_models_in_its_image(site: Site, machine: Path) -> None:
    """The build's own command, with its mounts: the files it copies are those that the server loads."""
    lines = re.sub(r"\\\n\s*", "", recipe("docker/Dockerfile")).splitlines()
    steps = [line.partition(" ")[::2] for line in lines if line and not line.startswith("#")]
    assert next(rest for kind, rest in steps if kind == "RUN") == "pip install modelsync"
    [run] = [rest for kind, rest in steps if kind == "RUN" and "modelsync sync" in rest]
    mounts = re.findall(r"--mount=(\S+)", run)
    assert [dict(part.split("=") for part in mount.split(","))["target"] for mount in mounts] == [
        "/root/.docker/config.json",
        "/root/.cache/modelsync",
    ]
    root, places = machine / "root", {"/models": machine / "models"}
    (root / ".docker").mkdir(parents=True)
    (root / ".docker" / "config.json").write_bytes((site.login / "config.json").read_bytes())
    words = with_places(re.sub(r"--mount=\S+\s*", "", run), places)
    site.run(words, root)
    [cmd] = [json.loads(rest) for kind, rest in steps if kind == "CMD"]
    assert ("COPY", "--from=models /models /models") in steps
    brought = Path(with_places(cmd[1], places))
    assert brought.read_bytes() == DATA
    assert brought.stat().st_nlink == 1


@needs_registry
def test_compose_brings_what_the_server_loads(site: Site, machine: Path) -> None:
    """The one-shot service fills the volume that the server mounts."""
    services = parsed("docker/compose.yaml")["services"]
    models, server = services["models"], services["server"]
    assert server["depends_on"] == {"models": {"condition": "service_completed_successfully"}}
    places = {"/models": machine / "models", "/project": site.project, "/login": site.login}
    assert {volume.split(":")[1] for volume in models["volumes"]} == set(places)
    variables = {name: with_places(value, places) for name, value in models["environment"].items()}
    words = with_places(shlex.join(models["command"]), places)
    site.run(words, machine / "home", cwd=machine, **variables)
    assert Path(with_places(server["command"][1], places)).read_bytes() == DATA


class TestGitHub:
    """The workflow."""

    @needs_registry
    def test_runs(self, site: Site, tmp_path: Path) -> None:
        """One job pushes with the token of the workflow; another machine syncs from there, and the hub is not asked."""
        jobs = parsed("github/models.yml")["jobs"]
        for name in ("push", "test"):
            site.hub.clear()
            printed = [
                site.run(step["run"], tmp_path / name, **self.variables(step))
                for step in jobs[name]["steps"]
                if "run" in step and step["name"] != "Install"
            ]
        assert site.hub.seen() == []
        assert Path(printed[-1].strip()).read_bytes() == DATA
        tags = json.loads(site.blob("team/app/models", "tags/list"))["tags"]
        assert len(tags) == 1

    def variables(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Those that GitHub sets, and those of a step with what GitHub puts in the place of expressions."""
        own: dict[str, str] = step.get("env", {})
        assert set(own.values()) <= {"${{ github.token }}"}
        return {"GITHUB_REPOSITORY": "Team/App", "GITHUB_ACTOR": USER, **dict.fromkeys(own, PASSWORD)}

    def test_asks_for_no_more_rights_than_it_needs(self) -> None:
        """None by default; the job that pushes may write packages, the other reads them."""
        workflow = parsed("github/models.yml")
        assert workflow["permissions"] == {}
        assert {name: job["permissions"] for name, job in workflow["jobs"].items()} == {
            "push": {"contents": "read", "packages": "write"},
            "test": {"contents": "read", "packages": "read"},
        }
        installs = [
            step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
        ]
        assert installs.count("pip install modelsync") == 2

    def test_runs_only_actions_that_our_own_workflows_run(self) -> None:
        """By the same commits."""
        uses = re.compile(r"^\s*- uses:\s*(.+)$", re.MULTILINE)
        ours = ROOT / ".github" / "workflows"
        if not ours.is_dir():
            pytest.skip("an sdist has no workflows")
        known = {used for path in ours.glob("*.yml") for used in uses.findall(path.read_text("utf-8"))}
        assert set(uses.findall(recipe("github/models.yml"))) <= known


def test_every_file_is_named_on_the_page() -> None:
    """And the page names no other."""
    named = set(re.findall(r"\]\(((?:kubernetes|docker|github|renovate|ci)/[\w.-]+)\)", recipe("README.md")))
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert named == there - {"README.md"}
