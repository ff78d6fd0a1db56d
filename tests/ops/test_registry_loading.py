"""Models of every format, out of a registry into llama.cpp."""

import json
from contextlib import closing
from pathlib import Path

import pytest

import modelsync
from modelsync.spec.lock.read import parse
from tests.support import artifacts
from tests.support.artifacts import (
    Layer,
    Stored,
    artifact,
    descriptor,
    docker_model,
    modelpack,
    ollama_model,
    store,
)
from tests.support.content import sha256
from tests.support.ollama_registry import OllamaRegistry
from tests.support.project import Place
from tests.support.registries import needs_registry

pytestmark = needs_registry

LICENSE = b"MIT License\n\nPermission is hereby granted, free of charge"
PARAMS = json.dumps({"num_ctx": 64}).encode()


def _indexed(target: str, model: Stored) -> Stored:
    store(target, model)
    listed = [
        {
            **descriptor(model.media_type, model.data),
            "platform": {"os": "linux", "architecture": architecture},
        }
        for architecture in ("arm64", "amd64")
    ]
    value = {"schemaVersion": 2, "mediaType": artifacts.INDEX, "manifests": listed}
    return Stored(json.dumps(value).encode(), artifacts.INDEX, {})


def _made(form: str, data: bytes, target: str) -> Stored:
    """A model of that format."""
    name = {artifacts.TITLE: "tiny-Q4_K_M.gguf"}
    path = {artifacts.FILEPATH: "tiny-Q4_K_M.gguf"}
    match form:
        case "modelpack":
            return modelpack({"tiny-Q4_K_M.gguf": data})
        case "modelpack of one that has no name":
            config = {"config": {"format": "gguf"}}
            return artifact(artifacts.MODELPACK_CONFIG, config, [Layer(artifacts.RAW_WEIGHT, data)])
        case "docker v0.1":
            return docker_model(
                [Layer(artifacts.DOCKER_GGUF, data), Layer(artifacts.DOCKER_LICENSE, LICENSE)]
            )
        case "docker v0.2":
            return docker_model([Layer(artifacts.DOCKER_GGUF, data, path)], artifacts.DOCKER_CONFIG_2)
        case "oras":
            return artifact(
                "application/vnd.oci.empty.v1+json", {}, [Layer("application/octet-stream", data, name)]
            )
        case "kitops":
            packed = artifacts.tar({"tiny-Q4_K_M.gguf": data}, "w:gz")
            return artifact(artifacts.KIT_CONFIG, {}, [Layer(artifacts.KIT_MODEL, packed)])
        case "image":
            return artifacts.image(artifacts.tar({"models/tiny-Q4_K_M.gguf": data}))
    assert form == "index"
    return _indexed(target, modelpack({"tiny-Q4_K_M.gguf": data}))


@pytest.mark.parametrize(
    "form",
    [
        "modelpack",
        "modelpack of one that has no name",
        "docker v0.1",
        "docker v0.2",
        "oras",
        "kitops",
        "image",
        "index",
        "ollama",
    ],
)
def test_a_model_of_each_format_loads(
    form: str, place: Place, target: str, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked with the file's own sha256, synced, inspected, and loaded by llama-cpp-python."""
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    monkeypatch.chdir(place.folder)
    data = tiny_gguf.read_bytes()
    with OllamaRegistry().running() as ollama:
        if form == "ollama":
            layers = {"model": data, "template": b"{{ .Prompt }}", "params": PARAMS, "license": LICENSE}
            uri = ollama.put("library/tiny", "1b", ollama_model(layers))
        else:
            store(target, _made(form, data, target), "v1")
            uri = f"{target}:v1"
        place.write(f'[models]\ntiny = "{uri}"\n')
        modelsync.sync()
        (model,) = parse(place.lock_text).models
        assert [(file.role, file.sha256) for file in model.files] == [("model", sha256(data))]
        assert modelsync.inspect("tiny").architecture == "llama"
        with closing(modelsync.load("tiny", verbose=False, n_ctx=64)) as llm:
            assert llm.n_vocab() > 0
        assert not modelsync.sync().changes
