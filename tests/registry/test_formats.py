"""How models are stored in registries: each format to its letter, and what is refused. Pure."""

import pytest

from modelsync.errors import NotFoundError, RefusedError
from modelsync.registry import texts
from modelsync.registry.arrange import chosen
from tests.registry.makers import (
    CNCF,
    DOCKER_AI,
    contents,
    digest,
    layer,
    manifest,
    model_of,
    roles,
)
from tests.support.artifacts import FILEPATH, OLLAMA, OLLAMA_CONFIG

MODELPACK = f"{CNCF}config.v1+json"
DOCKER = f"{DOCKER_AI}model.config.v0.1+json"
DOCKER_2 = f"{DOCKER_AI}model.config.v0.2+json"
KIT = "application/vnd.kitops.modelkit."
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
RAW = f"{CNCF}weight.v1.raw"
ANY = "application/octet-stream"


# --- ModelPack --------------------------------------------------------------------------------------


def test_a_modelpack_of_raw_layers() -> None:
    """The blob is the file; projector and adapter are told by their names, the rest is beside the model."""
    made = manifest(
        MODELPACK,
        layer(f"{CNCF}doc.v1.raw", "README.md"),
        layer(RAW, "m-Q4_K_M.gguf", 9000),
        layer(RAW, "mmproj-m-f16.gguf"),
        layer(RAW, "m-lora.gguf"),
        layer(f"{CNCF}weight.config.v1.raw", "tokenizer.json"),
        config={"descriptor": {"licenses": ["Apache-2.0", "MIT"]}, "config": {"format": "gguf"}},
        artifactType=f"{CNCF}manifest.v1+json",
    )
    found = contents(made)
    assert (found.format, found.license, found.notes) == ("modelpack", "Apache-2.0, MIT", ())
    assert roles(found) == [
        ("m-Q4_K_M.gguf", "model"),
        ("mmproj-m-f16.gguf", "mmproj"),
        ("m-lora.gguf", "lora"),
        ("README.md", "file"),
        ("tokenizer.json", "file"),
    ]
    [model, *_] = found.files
    assert model[1:6] == (made["layers"][1]["digest"], 9000, "model", False, RAW)
    whole = chosen(found.files)
    assert [file.path for file in whole.files] == ["m-Q4_K_M.gguf", "mmproj-m-f16.gguf", "m-lora.gguf"]
    assert whole.note == "left out beside the model: README.md, tokenizer.json"


def test_a_modelpack_without_a_gguf_file_is_a_folder_model() -> None:
    """All its files at their own paths, sorted; code and data sets are left out, and that is told."""
    made = manifest(
        MODELPACK,
        layer(RAW, "model.safetensors"),
        layer(f"{CNCF}weight.config.v1.raw", "1_Pooling/config.json"),
        layer(f"{CNCF}code.v1.raw", "modeling.py"),
        layer(f"{CNCF}dataset.v1.tar", "data"),
    )
    assert model_of(made) == [("1_Pooling/config.json", "file"), ("model.safetensors", "file")]
    assert contents(made).notes == ("left out: code, dataset",)


def test_tars_of_a_modelpack_name_their_own_files() -> None:
    """Plain and gzip; the path of such a layer is the tar's own business."""
    made = manifest(MODELPACK, layer(f"{CNCF}weight.v1.tar+gzip", "m"), layer(f"{CNCF}doc.v1.tar", "docs"))
    assert [file[:1] + file[3:5] for file in contents(made).files] == [("", "file", True)] * 2


def test_older_and_odd_modelpacks_are_read() -> None:
    """Types and annotation of the time before CNCF; an artifact type without a configuration, as podman makes it."""
    old = layer("application/vnd.cnai.model.weight.v1.raw", annotations={"org.cnai.model.filepath": "m.gguf"})
    assert roles(manifest("application/vnd.cnai.model.config.v1+json", old)) == [("m.gguf", "model")]
    podman = manifest(EMPTY, layer(ANY, "m.gguf"), artifactType=f"{CNCF}manifest.v1+json")
    assert (contents(podman).format, roles(podman)) == ("modelpack", [("m.gguf", "model")])


def test_a_weight_without_a_name() -> None:
    """The only one of a GGUF model is called as the repository and the tag; any other could be anything."""
    bare = layer(RAW)
    assert roles(manifest(MODELPACK, bare, config={"config": {"format": "gguf"}})) == [
        ("llama3.2-3b.gguf", "model")
    ]
    for layers, config in (((bare,), {}), ((bare, bare), {"config": {"format": "gguf"}})):
        with pytest.raises(RefusedError, match="no name"):
            contents(manifest(MODELPACK, *layers, config=config))


# --- Docker Model Runner ----------------------------------------------------------------------------


def test_docker_models_without_names() -> None:
    """Version 0.1: types say what a layer is, and the order which part; license and template are beside it."""
    made = manifest(
        DOCKER,
        layer(f"{DOCKER_AI}gguf.v3", size=5),
        layer(f"{DOCKER_AI}license"),
        layer(f"{DOCKER_AI}gguf.v3", size=4),
        layer(f"{DOCKER_AI}mmproj"),
        layer(f"{DOCKER_AI}chat.template.jinja"),
        config={"config": {"format": "gguf", "context_size": 8192}},
    )
    found = contents(made, "ai/gemma3", "4B-Q4_K_M")
    assert roles(found) == [
        ("gemma3-4B-Q4_K_M-00001-of-00002.gguf", "model"),
        ("gemma3-4B-Q4_K_M-00002-of-00002.gguf", "model"),
        ("mmproj-gemma3-4B-Q4_K_M.gguf", "mmproj"),
        ("LICENSE", "file"),
        ("template.jinja", "file"),
    ]
    assert [file.size for file in found.files[:2]] == [5, 4]
    assert "n_ctx = 8192" in found.notes[0]
    assert roles(manifest(DOCKER, layer(f"{DOCKER_AI}gguf.v3"))) == [("llama3.2-3b.gguf", "model")]


def test_docker_models_with_paths() -> None:
    """Version 0.2, and newer artifacts of 0.1: parts are in the order of their numbers, whatever that of the layers."""
    made = manifest(
        DOCKER_2,
        layer(f"{DOCKER_AI}gguf.v3", "m-00002-of-00002.gguf"),
        layer(f"{DOCKER_AI}gguf.v3", "m-00001-of-00002.gguf"),
        layer(f"{DOCKER_AI}gguf.v3.lora", "adapter.gguf"),
    )
    assert model_of(made) == [
        ("m-00001-of-00002.gguf", "model"),
        ("m-00002-of-00002.gguf", "model"),
        ("adapter.gguf", "lora"),
    ]


def test_a_docker_model_of_safetensors_is_a_folder_model() -> None:
    """With its configuration in tars, or file by file with their paths."""
    tars = manifest(
        DOCKER,
        layer(f"{DOCKER_AI}safetensors", size=1),
        layer(f"{DOCKER_AI}safetensors", size=2),
        layer(f"{DOCKER_AI}vllm.config.tar"),
        layer(f"{DOCKER_AI}dir.tar"),
    )
    assert [(file.path, file.packed) for file in contents(tars).files] == [
        ("model-00001-of-00002.safetensors", False),
        ("model-00002-of-00002.safetensors", False),
        ("", True),
        ("", True),
    ]
    files = manifest(
        DOCKER_2,
        layer(f"{DOCKER_AI}safetensors", "text_encoder/model.safetensors"),
        layer(f"{DOCKER_AI}model.file", "text_encoder/config.json"),
        layer(f"{DOCKER_AI}dduf", "m.dduf"),
    )
    assert [path for path, _ in model_of(files)] == [
        "m.dduf",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
    ]


# --- Ollama -----------------------------------------------------------------------------------------


def ollama(*kinds: str, **config: object) -> dict[str, object]:
    return manifest(
        OLLAMA_CONFIG,
        *(layer(f"{OLLAMA}{kind}", size=number) for number, kind in enumerate(kinds, 1)),
        config=config,
    )


def test_an_ollama_model() -> None:
    """Its files have names of the repository and the tag; params, template and system are to be read, not files."""
    found = contents(
        ollama(
            "model", "projector", "adapter", "adapter", "draft", "template", "license", "params", "messages"
        )
    )
    assert found.format == "ollama"
    assert roles(found) == [
        ("llama3.2-3b.gguf", "model"),
        ("mmproj-llama3.2-3b.gguf", "mmproj"),
        ("adapter-llama3.2-3b.gguf", "lora"),
        ("adapter-llama3.2-3b-2.gguf", "lora"),
        ("draft-llama3.2-3b.gguf", "draft"),
        ("LICENSE", "file"),
    ]
    assert found.notes == ("left out: messages",)
    assert [blob.media_type.removeprefix(OLLAMA) for blob in found.small] == ["template", "params", "license"]


def test_what_ollamas_texts_tell() -> None:
    """A license by its text; parameters of a load as they stand in a manifest, the others by their names."""
    found = contents(ollama("model", "license", "params", "template"))
    said = {blob.media_type.removeprefix(OLLAMA): blob.digest for blob in found.small}
    told = texts.with_texts(
        found,
        {
            said["license"]: b"LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\nLlama 3.2 Version Release Date: ...",
            said["params"]: b'{"num_ctx": 8192, "num_gpu": 99, "stop": ["<|eot_id|>"], "temperature": 0.6}',
            said["template"]: b"{{ if .System }}<|start_header_id|>system<|end_header_id|>",
        },
    )
    assert told.license == "llama3.2"
    load, calls, template = told.notes
    assert "`load = { n_ctx = 8192, n_gpu_layers = 99 }`" in load
    assert 'stop = ["<|eot_id|>"], temperature = 0.6' in calls
    assert 'chat_format = "llama-3"' in template


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Apache License\n                           Version 2.0, January 2004", "apache-2.0"),
        ("MIT License\n\nCopyright (c) 2024", "mit"),
        ("LLAMA 2 COMMUNITY LICENSE AGREEMENT", "llama2"),
        ("Meta Llama 3 Community License Agreement".upper(), "llama3"),
        ("Gemma Terms of Use\nLast modified", "gemma"),
        ("All rights reserved.", None),
    ],
)
def test_licenses_by_their_text(text: str, name: str | None) -> None:
    """As hubs name them; a text that is not known has no name."""
    assert texts.license_of(text.encode()) == name


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (ollama("tensor", "tensor", "json"), "single tensors"),
        (ollama("template", remote_host="https://ollama.com:443"), "cloud model"),
        (ollama("model", remote_host="https://ollama.com:443"), "cloud model"),
        (ollama("license"), "no model"),
        (ollama("model", "model"), "2 models"),
    ],
)
def test_ollama_models_that_are_refused(made: dict[str, object], words: str) -> None:
    """Tensors for MLX, and what runs in the cloud: each with its reason."""
    with pytest.raises(NotFoundError, match=words):
        contents(made)


# --- KitOps, oras, images ---------------------------------------------------------------------------


def test_a_modelkit() -> None:
    """Model, its parts and documents are tars of the project's own paths; code and data sets are left out."""
    made = manifest(
        f"{KIT}config.v1+json",
        layer(f"{KIT}model.v1.tar"),
        layer(f"{KIT}modelpart.v1.tar+gzip"),
        layer(f"{KIT}docs.v1.tar"),
        layer(f"{KIT}code.v1.tar"),
        layer(f"{KIT}dataset.v1.tar+gzip"),
        config={"model": {"path": "m.gguf", "license": "Apache-2.0"}, "package": {"license": "MIT"}},
    )
    found = contents(made)
    assert (found.format, found.license) == ("kitops", "Apache-2.0")
    assert [(file.path, file.packed) for file in found.files] == [("", True)] * 3
    assert found.notes == ("left out: code, dataset",)


def test_a_modelkit_whose_model_is_another_modelkit() -> None:
    """It is told which one."""
    config = {"model": {"path": "ghcr.io/jozu/llama3:8b"}}
    with pytest.raises(NotFoundError, match=r"ghcr\.io/jozu/llama3:8b"):
        contents(manifest(f"{KIT}config.v1+json", layer(f"{KIT}code.v1.tar"), config=config))


@pytest.mark.parametrize("config", [EMPTY, "application/vnd.unknown.config.v1+json"])
def test_an_artifact_of_oras(config: str) -> None:
    """Files by title whatever their type says; a folder is a tar; a license is in the manifest."""
    made = manifest(
        config,
        layer("application/vnd.oci.image.layer.v1.tar", "m-Q4_0.gguf", 9000),
        layer(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "docs",
            annotations={"io.deis.oras.content.unpack": "true"},
        ),
        layer(ANY),
        annotations={"org.opencontainers.image.licenses": "MIT"},
    )
    found = contents(made)
    assert (found.format, found.license) == ("oras", "MIT")
    assert [(file.path, file.role, file.packed) for file in found.files] == [
        ("m-Q4_0.gguf", "model", False),
        ("docs", "file", True),
    ]
    assert found.notes == ("left out: a layer without a name",)


def test_a_folder_of_oras_is_told_from_an_archive() -> None:
    """By its annotation, else by its type, as oras-py has it; an archive by its name stays one."""
    tar, unpack = "application/vnd.oci.image.layer.v1.tar+gzip", "io.deis.oras.content.unpack"
    made = manifest(
        EMPTY,
        layer(tar, "a"),
        layer(tar, "b.tar.gz"),
        layer(tar, "c", annotations={unpack: "false"}),
        layer(ANY, "d.tgz", annotations={unpack: "true"}),
    )
    assert {file.path: file.packed for file in contents(made).files} == {
        "a": True,
        "b.tar.gz": False,
        "c": False,
        "d.tgz": True,
    }


def test_an_artifact_without_names() -> None:
    """Nothing tells which file it is."""
    with pytest.raises(NotFoundError, match="no layer of this artifact has a name"):
        contents(manifest(EMPTY, layer(ANY)))


@pytest.mark.parametrize("config", [OCI_CONFIG, OLLAMA_CONFIG])
def test_an_image(config: str) -> None:
    """Its layers in their order, of whichever compression; files are those below /models."""
    made = manifest(
        config,
        layer("application/vnd.oci.image.layer.v1.tar+gzip", size=2),
        layer("application/vnd.docker.image.rootfs.diff.tar.gzip", size=1),
        config={"config": {"Labels": {"org.opencontainers.image.licenses": "MIT"}}},
    )
    found = contents(made)
    assert (found.format, found.license) == ("image", "MIT")
    assert [(file.size, file.packed, file.inside) for file in found.files] == [
        (2, True, "models"),
        (1, True, "models"),
    ]


# --- roles ------------------------------------------------------------------------------------------


def test_several_models_are_told() -> None:
    """A tag is of one model; a split one is one, and whole or not at all."""
    two = manifest(MODELPACK, layer(RAW, "m-Q4_0.gguf"), layer(RAW, "m-Q8_0.gguf"))
    with pytest.raises(NotFoundError, match=r"2 models: m-Q4_0\.gguf, m-Q8_0\.gguf"):
        model_of(two)
    part = manifest(MODELPACK, layer(RAW, "m-00002-of-00003.gguf"), layer(RAW, "m-00001-of-00003.gguf"))
    with pytest.raises(NotFoundError, match=r"m-00003-of-00003\.gguf is missing"):
        model_of(part)
    piece = manifest(MODELPACK, layer(RAW, "m.gguf.part1of2"), layer(RAW, "m.gguf.part2of2"))
    with pytest.raises(NotFoundError, match="piece"):
        model_of(piece)


def test_a_draft_head_is_no_second_model() -> None:
    """As in a repo of a hub."""
    made = manifest(MODELPACK, layer(RAW, "m-Q4_0.gguf", 9000), layer(RAW, "mtp-m-Q4_0.gguf"))
    assert model_of(made) == [("m-Q4_0.gguf", "model"), ("mtp-m-Q4_0.gguf", "draft")]


# --- refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../m.gguf",
        "/m.gguf",
        "a/../../m.gguf",
        "a\\..\\m.gguf",
        "C:m.gguf",
        "a\x1b[2J.gguf",
        "con",
        "a//b",
        ".",
    ],
)
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    """Whichever annotation has it, in each format that has paths."""
    for config, kind in ((MODELPACK, RAW), (DOCKER_2, f"{DOCKER_AI}gguf.v3"), (EMPTY, ANY)):
        with pytest.raises(RefusedError, match="is refused"):
            contents(manifest(config, layer(kind, path)))
    folder = layer(ANY, path, annotations={"io.deis.oras.content.unpack": "true"})
    with pytest.raises(RefusedError, match="is refused"):
        contents(manifest(EMPTY, folder))


@pytest.mark.parametrize("other", ["m.gguf", "M.GGUF", "m.gguf/x"])
def test_two_layers_of_one_name_are_refused(other: str) -> None:
    """Whatever the case; and one that is the folder of another."""
    with pytest.raises(RefusedError, match=r"twice|cannot both be"):
        contents(manifest(MODELPACK, layer(RAW, "m.gguf"), layer(RAW, other, 5)))


@pytest.mark.parametrize(
    ("media_type", "what"),
    [
        ("application/vnd.dev.cosign.simplesigning.v1+json", "a signature"),
        ("application/vnd.dev.sigstore.bundle.v0.3+json", "a signature"),
        ("application/vnd.cncf.notary.signature", "a signature"),
        ("application/vnd.in-toto+json", "an attestation"),
        ("application/spdx+json", "a list of components"),
        ("application/vnd.cyclonedx+json", "a list of components"),
        ("application/vnd.cncf.helm.config.v1+json", "a Helm chart"),
        ("application/vnd.wasm.config.v0+json", "a WebAssembly module"),
    ],
)
def test_what_is_no_model_is_named(media_type: str, what: str) -> None:
    """A signature where a model should be: by the type of the artifact, its configuration or a layer."""
    for made in (
        manifest(OCI_CONFIG, layer(media_type)),
        manifest(media_type, layer(ANY, "x")),
        manifest(EMPTY, layer(ANY, "x"), artifactType=media_type),
    ):
        with pytest.raises(NotFoundError, match=what):
            contents(made)


def test_an_unknown_configuration_is_refused() -> None:
    """By its type, though a layer has a name; a later version of a known format too."""
    for config in ("application/vnd.acme.thing+json", f"{DOCKER_AI}model.config.v9.0+json"):
        with pytest.raises(NotFoundError, match="of a type that no model has"):
            contents(manifest(config, layer(ANY, "m.gguf")))


@pytest.mark.parametrize(
    ("config", "media_type"),
    [
        (MODELPACK, f"{CNCF}weight.v1.tar+zstd"),
        (OCI_CONFIG, "application/vnd.oci.image.layer.v1.tar+zstd"),
        (OLLAMA_CONFIG, "application/vnd.docker.image.rootfs.diff.tar.zstd"),
        (OCI_CONFIG, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
    ],
)
def test_what_cannot_be_unpacked_is_told_before_it_is_fetched(config: str, media_type: str) -> None:
    """Zstandard and encryption, by the type of a layer."""
    with pytest.raises(NotFoundError, match=r"Zstandard|encrypted"):
        contents(manifest(config, layer(media_type)))


def test_an_image_of_other_layers_is_refused() -> None:
    """What is no tar of an image is none of its layers."""
    with pytest.raises(NotFoundError, match="of a kind that no model has"):
        contents(manifest(OCI_CONFIG, layer("application/json")))


def test_a_license_beside_the_model_is_to_be_read() -> None:
    """Where nothing else names the license, its text may; a long one is not asked for."""
    made = manifest(MODELPACK, layer(RAW, "m.gguf"), layer(f"{CNCF}doc.v1.raw", "LICENSE", 900))
    found = contents(made)
    assert [blob.size for blob in found.small] == [900]
    told = texts.with_texts(found, {found.small[0].digest: b"MIT License"})
    assert told.license == "mit"
    assert texts.with_texts(found, {digest("other"): b"MIT License"}).license is None
    assert not contents(
        manifest(MODELPACK, layer(RAW, "m.gguf"), layer(f"{CNCF}doc.v1.raw", "LICENSE", 9 << 20))
    ).small


def test_the_name_of_a_layer_is_its_filepath() -> None:
    """Before its title; a leading `./` is none of it."""
    made = layer(RAW, annotations={FILEPATH: "./a/m.gguf", "org.opencontainers.image.title": "t.gguf"})
    assert roles(manifest(MODELPACK, made)) == [("a/m.gguf", "model")]
