"""Models that other tools put into registries, and our own push: what comes back is what went there."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import modelsync
from modelsync.errors import GatedError, HttpStatusError, ModelsyncError, NotFoundError
from modelsync.ops import lock, outdated
from modelsync.spec.lock.read import parse
from tests.hub.wire import Reply, Request, text
from tests.support import artifacts
from tests.support.any_files import safetensors
from tests.support.artifacts import IMAGE_TAR, Layer, docker_model, image, modelpack, ollama_model, store, tar
from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.ollama_registry import OllamaRegistry
from tests.support.project import REPO, Opened, Place
from tests.support.quant_files import quant
from tests.support.registries import (
    TokenServer,
    htpasswd,
    log_in,
    needs_registry,
    needs_skopeo,
    registry,
)
from tests.support.servers import answering

pytestmark = needs_registry

SPLIT = {f"split/big-0000{n}-of-00002.gguf": gguf(f"part {n}") for n in (1, 2)}
WHOLE = f"""
[models.tiny]
uri = "hf:{REPO}:Q4_K_M"
mmproj = "hf:user/extra/mmproj-F16.gguf"
loras = ["hf:user/extra/adapter.gguf"]
[models.big]
uri = "hf:user/extra/split/big-00001-of-00002.gguf"
"""
PARAMS = json.dumps({"num_ctx": 4096, "stop": ["<|im_end|>"]}).encode()


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project without a manifest; calls find it."""
    monkeypatch.chdir(place.folder)
    return place


@pytest.fixture
def ollama() -> Iterator[OllamaRegistry]:
    """Ollama's registry, with nothing in it."""
    with OllamaRegistry().running() as there:
        yield there


def test_a_pushed_model_comes_back_whole(place: Place, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file in its role, at its path, in its order, with the license: the entry that was pushed."""
    place.hub.repo("user/extra").commit(
        {"mmproj-F16.gguf": gguf("eyes"), "adapter.gguf": gguf("adapter"), **SPLIT}
    )
    place.write(WHOLE)
    monkeypatch.chdir(place.folder)
    modelsync.sync()
    modelsync.push(target, "tiny", "big", tag=True)
    pushed = parse(place.lock_text)
    for name in ("tiny", "big"):
        entry = pushed.find(name)
        assert entry is not None
        place.write(f'[models]\n{name} = "{target}:{name}"\n')
        (place.folder / "models.lock").unlink()
        modelsync.sync()
        back = parse(place.lock_text).find(name)
        assert back is not None
        assert [(f.role, f.path, f.size, f.sha256) for f in back.files] == [
            (f.role, f.path, f.size, f.sha256) for f in entry.files
        ]
        assert back.license == entry.license
        (pulled,) = modelsync.pull(f"{target}:{name}")
        assert pulled == modelsync.files(name)


def test_a_model_of_docker_model_runner_loads(
    project: Place, target: str, tiny_gguf: Path, opened: Opened
) -> None:
    """Its GGUF is inspected by ranges, weighed, and loaded by llama-cpp-python."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    data = tiny_gguf.read_bytes()
    layers = [Layer(artifacts.DOCKER_GGUF, data, {artifacts.FILEPATH: "model.gguf"})]
    store(target, docker_model(layers, artifacts.DOCKER_CONFIG_2), "v2")
    assert modelsync.inspect(f"{target}:v2").architecture == "llama"
    assert modelsync.estimate(f"{target}:v2").estimate.need > 0
    project.write(f'[models]\ntiny = "{target}:v2"\n')
    modelsync.sync()
    with closing(modelsync.load("tiny", verbose=False, n_ctx=64)) as llm:
        assert llm.n_vocab() > 0


def test_a_model_of_ollama_is_synced_and_verified(
    project: Place, ollama: OllamaRegistry, tiny_gguf: Path, opened: Opened
) -> None:
    """No ping, text/plain, no manifest by its digest, blobs at a signed address elsewhere: all of it is taken."""
    data = tiny_gguf.read_bytes()
    uri = ollama.put(
        "library/llama3.2",
        "3b",
        ollama_model(
            {
                "model": data,
                "template": b"{{ .System }}<|im_start|>{{ .Prompt }}",
                "params": PARAMS,
                "license": b"MIT License\n\nPermission is hereby granted, free of charge",
            }
        ),
    )
    project.write(f'[models]\nllama = "{uri}"\n')
    report = modelsync.sync()
    assert any("n_ctx" in note and "4096" in note for note in report.notes)
    assert modelsync.path("llama").name == "llama3.2-3b.gguf"
    assert modelsync.path("llama").read_bytes() == data
    (model,) = parse(project.lock_text).models
    assert model.license == "mit"
    lock.verify(opened(), project.project)
    assert not outdated.outdated(opened(), project.project).models
    assert all(method == "GET" for method, _ in ollama.bytes_asked)
    ollama.put("library/llama3.2", "3b", ollama_model({"model": gguf("newer")}))
    assert [one.change.name for one in outdated.outdated(opened(), project.project).models] == ["llama"]


def test_what_ollama_does_not_keep_as_files_is_refused(project: Place, ollama: OllamaRegistry) -> None:
    """A model of the cloud, or one in tensors, has no file that could be fetched."""
    cloud = ollama.put(
        "library/big", "cloud", ollama_model({"license": b"x"}, remote_host="https://ollama.com")
    )
    tensors = ollama.put("library/mlx", "latest", ollama_model({"tensor": b"x" * 99, "json": b"{}"}))
    for uri, words in ((cloud, "cloud|remote|server"), (tensors, "tensor")):
        with pytest.raises(ModelsyncError, match=words) as caught:
            modelsync.pull(uri)
        assert uri in caught.value.message


def test_what_oras_pushed_is_taken_by_its_titles(project: Place, target: str, tmp_path: Path) -> None:
    """Files are called by their titles; a folder of safetensors and JSON is a folder model."""
    client = pytest.importorskip("oras.client")
    host, _, name = target.removeprefix("oci://").partition("/")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "m-Q8_0.gguf").write_bytes(gguf("oras"))
    made = client.OrasClient(hostname=host, insecure=True)
    made.push(
        target=f"{host}/{name}:v1",
        files=[f"{folder / 'm-Q8_0.gguf'}:application/octet-stream"],
        disable_path_validation=True,
    )
    (one,) = modelsync.pull(f"{target}:v1")
    assert one.model.name == "m-Q8_0.gguf"
    assert one.model.read_bytes() == gguf("oras")


@needs_skopeo
def test_a_copy_by_skopeo_is_the_same_model(project: Place, target: str, tmp_path: Path) -> None:
    """An artifact that was copied to another repository has the same manifest, and so the same revision."""
    import subprocess

    digest = store(target, modelpack({"m.gguf": gguf("m")}), "v1")
    place = f"docker://{target.removeprefix('oci://')}"
    subprocess.run(
        [
            "skopeo",
            "copy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            f"{place}:v1",
            f"{place}/copy:v1",
        ],
        check=True,
        capture_output=True,
        env={"XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    project.write(f'[models]\nm = "{target}/copy:v1"\n')
    modelsync.sync()
    assert parse(project.lock_text).models[0].revision == digest


def test_a_folder_model_comes_with_its_paths(project: Place, target: str) -> None:
    """Weights in safetensors, with their configuration: `path` gives the folder."""
    files = {"config.json": b'{"model_type": "bert"}', "sub/model.safetensors": safetensors()}
    layers = [Layer(artifacts.RAW_WEIGHT, data, {artifacts.FILEPATH: path}) for path, data in files.items()]
    store(
        target,
        artifacts.artifact(
            artifacts.MODELPACK_CONFIG,
            {
                "descriptor": {},
                "config": {"format": "safetensors"},
                "modelfs": {"type": "layers", "diffIds": []},
            },
            layers,
        ),
        "v1",
    )
    project.write(f'[models]\nbert = "{target}:v1"\n')
    modelsync.sync()
    there = modelsync.files("bert")
    assert there.folder is not None
    assert {str(path.relative_to(there.folder)): path.read_bytes() for path in there.files} == files
    assert parse(project.lock_text).models[0].is_folder


def test_a_registry_with_a_login(project: Place, tmp_path: Path, home: Path) -> None:
    """Without one the error says what to run; with one it is used for manifest and layers, and goes nowhere else."""
    with registry(tmp_path / "open") as there:
        target = f"oci://{there.host}/team/m"
        store(target, modelpack({"m.gguf": gguf("m")}), "v1")
        kept, port = there.root, int(there.host.partition(":")[2])
    project.write(f'[models]\nm = "{target}:v1"\n')
    storage = {"filesystem": {"rootdirectory": str(kept)}}
    with registry(tmp_path / "closed", auth=htpasswd(tmp_path), port=port, storage=storage) as there:
        with pytest.raises(GatedError, match=r"wants a login|private") as caught:
            modelsync.sync()
        assert f"docker login {there.host}" in str(caught.value.hint)
        log_in(home, there.host)
        modelsync.sync()
    assert modelsync.path("m").read_bytes() == gguf("m")


def test_tokens_are_asked_for_by_repository(project: Place, tmp_path: Path, home: Path) -> None:
    """A registry with tokens: anonymous where it allows that, else by the login."""
    tokens = TokenServer(tmp_path / "tokens")
    with registry(tmp_path / "open") as there:
        target = f"oci://{there.host}/team/m"
        store(target, modelpack({"m.gguf": gguf("m")}), "v1")
        kept, port = there.root, int(there.host.partition(":")[2])
    storage = {"filesystem": {"rootdirectory": str(kept)}}
    with (
        tokens.running() as auth,
        registry(tmp_path / "closed", auth=auth, port=port, storage=storage) as there,
    ):
        log_in(home, there.host)
        (one,) = modelsync.pull(f"{target}:v1")
        assert one.model.read_bytes() == gguf("m")
        assert {query["scope"] for query in tokens.asked} == {"repository:team/m:pull"}


def test_a_rate_limit_says_what_helps(project: Place) -> None:
    """Docker Hub's 429 says how many pulls it allows; the error says so, and what allows more."""

    def answer(request: Request) -> Reply:
        if request.path == "/v2/":
            return text(200, "{}")
        return text(
            429,
            '{"errors": [{"code": "TOOMANYREQUESTS", "message": "too many"}]}',
            {"ratelimit-limit": "100;w=21600"},
        )

    with answering(answer) as server, pytest.raises(HttpStatusError, match="429") as caught:
        modelsync.pull(f"oci://{server.url.partition('//')[2]}/ai/m:v1")
    assert "100 pulls in 6 hours" in str(caught.value.hint)
    assert "docker login" in str(caught.value.hint)
    assert caught.value.exit_code == 3


def test_an_unknown_repository_may_be_private(project: Place) -> None:
    """Registries answer alike for what is missing and for what is private; the error says both."""

    def answer(request: Request) -> Reply:
        if request.path == "/v2/":
            return text(200, "{}")
        return text(
            403, '{"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}'
        )

    with answering(answer) as server, pytest.raises(GatedError, match="is private") as caught:
        modelsync.pull(f"oci://{server.url.partition('//')[2]}/ai/m:v1")
    assert "docker login" in str(caught.value.hint)


def test_the_command_line_takes_registries(target: str, cli: Cli) -> None:
    """`add`, `list`, `outdated` and `cache` tell of such a model as of any other."""
    store(target, modelpack({"m-Q4_K_M.gguf": gguf("m")}), "v1")
    for words in (
        ("add", "m", f"{target}:v1"),
        ("list",),
        ("outdated", "--exit-code"),
        ("lock", "--verify"),
        ("pull", f"{target}:v1"),
        ("remove", "m"),
        ("cache", "rm", "--force", f"{target}:v1"),
    ):
        cli(*words)
        if words[0] == "add":
            shown = target.removeprefix("oci://")
            assert f"{shown}:Q4_K_M" in cli("cache", "list").out
    assert "m-Q4_K_M" not in cli("cache", "list").out


def test_a_missing_projector_is_no_gguf(project: Place, target: str) -> None:
    """A companion's URI means one file."""
    store(target, modelpack({"m.gguf": gguf("m")}), "m")
    store(
        f"{target}/two",
        modelpack({"a.gguf": gguf("a"), "mmproj-a.gguf": gguf("e"), "mmproj-b.gguf": gguf("f")}),
        "v",
    )
    project.write(f'[models.m]\nuri = "{target}:m"\nmmproj = "{target}/two:v"\n')
    with pytest.raises(NotFoundError, match="projector is one file"):
        modelsync.lock()


def test_tags_that_name_quants_are_a_table(target: str, empty: Cli) -> None:
    """`estimate` of a repository without a tag has a row for each; `add --fit` writes the best tag."""
    for name in ("Q4_K_M", "Q8_0"):
        store(target, docker_model([Layer(artifacts.DOCKER_GGUF, quant(name))]), f"1B-{name}")
    store(target, docker_model([Layer(artifacts.DOCKER_GGUF, quant("Q4_K_M"))]), "latest")
    store(target, artifacts.artifact("application/vnd.x+json", {}, [Layer("text/x", b"x")]), "1B-Q5_0")
    value = empty("estimate", target, "--format", "json").json
    assert [row["title"] for row in value["rows"]] == [f"{target}:1B-Q4_K_M", f"{target}:1B-Q8_0"]
    assert value["best"] == "1B-Q8_0"
    assert any("no model has" in note for note in value["notes"])
    one = empty("estimate", f"{target}:latest", "--format", "json").json
    assert one["title"] == f"{target}:latest"
    empty.write("[modelsync]\n")
    done = empty("add", "tiny", target, "--fit")
    assert "chose 1B-Q8_0, the largest of 2 quants" in done.err
    assert f"{target}:1B-Q8_0" in (empty.folder / "models.toml").read_text()
    assert "names the tag" in empty("add", "more", f"{target}:1B-Q8_0", "--fit", status=2).err


def test_tags_of_images_are_weighed_too(target: str, empty: Cli) -> None:
    """Headers in plain tars are read by ranges; a tag whose layer is compressed is left out with a word."""
    for name in ("Q4_K_M", "Q8_0"):
        store(target, image(tar({f"models/m-{name}.gguf": quant(name)})), f"1B-{name}")
    packed = tar({"models/m-Q5_0.gguf": quant("Q5_0")}, "w:gz")
    store(target, image(packed, media_type=f"{IMAGE_TAR}+gzip"), "1B-Q5_0")
    value = empty("estimate", target, "--format", "json").json
    assert [row["title"] for row in value["rows"]] == [f"{target}:1B-Q4_K_M", f"{target}:1B-Q8_0"]
    assert any("1B-Q5_0: its layer is compressed" in note for note in value["notes"])
    empty.write("[modelsync]\n")
    assert "chose 1B-Q8_0, the largest of 2 quants" in empty("add", "tiny", target, "--fit").err
    assert f"{target}:1B-Q8_0" in (empty.folder / "models.toml").read_text()


def test_a_repository_without_quants_is_its_latest(target: str, empty: Cli) -> None:
    """Where no tag names a quant, `estimate` is of the one model, and `--fit` says that there is no choice."""
    store(target, docker_model([Layer(artifacts.DOCKER_GGUF, quant("Q4_K_M"))]), "latest", "v1")
    assert empty("estimate", target, "--format", "json").json["title"] == f"{target}:latest"
    empty.write("[modelsync]\n")
    assert "no tags that name quants" in empty("add", "tiny", target, "--fit", status=1).err
