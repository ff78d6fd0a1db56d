"""Manifests and indexes of registries: what is broken or hostile, what an index means, what a push gave. Pure."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelsync.errors import ModelsyncError, NotFoundError, RefusedError
from modelsync.registry import documents, manifests, texts
from modelsync.registry.arrange import chosen
from modelsync.registry.artifact import LOCK_ANNOTATION, Artifact, Layer, text_layers
from modelsync.registry.contents import Contents
from modelsync.registry.formats.pushed import NOTE
from modelsync.registry.image import image
from modelsync.registry.indexes import index_choice
from modelsync.registry.modelpack import modelpack
from modelsync.registry.repository import INDEX, MANIFEST
from modelsync.spec.lock.model import LockedFile, LockedModel
from modelsync.spec.names import clash, path_fault
from tests.registry.makers import (
    CNCF,
    DOCKER_AI,
    contents,
    digest,
    layer,
    manifest,
    roles,
)
from tests.support.artifacts import FILEPATH, OLLAMA, OLLAMA_CONFIG, TITLE

RAW = f"{CNCF}weight.v1.raw"
MODELPACK = f"{CNCF}config.v1+json"


def read(data: bytes, media_type: str = MANIFEST) -> Contents:
    return manifests.contents(data, media_type, None, "a/m", "v1")


def plain(**changes: Any) -> bytes:
    """A good manifest with other values."""
    made = manifest(MODELPACK, layer(RAW, "m.gguf")) | changes
    return json.dumps({key: value for key, value in made.items() if key != "_config"}).encode()


# --- documents --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b" " * (4 << 20) + plain(), "larger than 4 MiB"),
        (b"[]", "no JSON object"),
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (plain()[:-1], "no JSON"),
        (plain()[:-1] + b', "layers": []}', "no JSON that readers agree about"),
        (plain().decode().encode("utf-16"), "no JSON"),
        (plain(annotations=float("nan")), "no JSON"),
        (b'{"a": ' * 70 + b"1" + b"}" * 70, "nested more than 64 deep"),
        (b"[" * 100_000, "nested more than"),
        (b'{"schemaVersion": ' + b"9" * 5000 + b"}", "no JSON"),
        (plain(schemaVersion=3), "schemaVersion is not 2"),
        (plain(schemaVersion=True), "schemaVersion is not 2"),
        (plain(layers={}), "`layers` is no list"),
        (plain(layers=["x"]), "`layers` is no list"),
        (plain(layers=[layer(RAW, str(number)) for number in range(10_001)]), "more than 10000"),
        (plain(config=None), "names no configuration"),
        (plain(config={"digest": digest("x"), "size": 1}), "the configuration has no media type"),
    ],
)
def test_a_broken_manifest_is_refused(data: bytes, words: str) -> None:
    """In words, with the exit status of what a person must look at."""
    with pytest.raises(RefusedError, match=words) as error:
        read(data)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("size", [-1, 1.0, "5", None, True, 10**20, [1], (1 << 50) + 1])
def test_a_size_that_is_none_is_refused(size: object) -> None:
    """Of a layer and of the configuration."""
    bad = layer(RAW, "m.gguf") | {"size": size}
    with pytest.raises(RefusedError, match="the size of layer 1"):
        read(plain(layers=[bad]))
    with pytest.raises(RefusedError, match="the size of the configuration"):
        manifests.config_of(plain(config=bad))


@pytest.mark.parametrize(
    "bad", ["", "sha256:", "sha256:" + "A" * 64, "sha512:" + "a" * 128, "a" * 64, 5, None, f"{digest('x')}\n"]
)
def test_a_digest_that_is_none_is_refused(bad: object) -> None:
    """Only sha256 in small letters is one."""
    with pytest.raises(RefusedError, match="for a sha256 digest"):
        read(plain(layers=[layer(RAW, "m.gguf") | {"digest": bad}]))


@pytest.mark.parametrize(
    ("data", "media_type", "words"),
    [
        (b'{"schemaVersion": 1, "name": "a", "fsLayers": []}', "text/plain", "schema 1"),
        (b'{"schemaVersion": 2}', "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        (plain(mediaType="application/vnd.oci.artifact.manifest.v1+json"), "", "withdrawn"),
        (b'{"schemaVersion": 2}', "application/json", "unknown type `application/json`"),
        (b'{"schemaVersion": 2, "manifests": []}', INDEX, "an index of manifests"),
        (plain(layers=[]), "", "no file of a model"),
    ],
)
def test_other_kinds_of_manifests_are_told(data: bytes, media_type: str, words: str) -> None:
    """Schema 1, what OCI withdrew, an index, and one that holds nothing."""
    with pytest.raises(NotFoundError, match=words):
        read(data, media_type)


def test_a_broken_configuration_is_refused() -> None:
    """It is none of the manifest's own words, and as little trusted."""
    for data in (b"", b"[]", b'{"a": 1, "a": 2}', b"\xff"):
        with pytest.raises(RefusedError, match="the configuration"):
            manifests.contents(plain(), MANIFEST, data, "a/m", "v1")


def test_the_configuration_that_is_read_first() -> None:
    """That of a format that says something in it; an empty one is not fetched, and an endless one is refused."""
    made = manifest(MODELPACK, layer(RAW, "m.gguf"))
    blob = manifests.config_of(plain())
    assert blob is not None
    assert blob.digest == made["config"]["digest"]
    empty = made["config"] | {"mediaType": "application/vnd.oci.empty.v1+json"}
    assert manifests.config_of(plain(config=empty)) is None
    assert manifests.config_of(plain(config=empty, artifactType=f"{CNCF}manifest.v1+json")) is None
    with pytest.raises(NotFoundError, match="larger than 4 MiB"):
        manifests.config_of(plain(config=made["config"] | {"size": (4 << 20) + 1}))


# --- indexes ----------------------------------------------------------------------------------------


def listed(number: int, platform: str = "", **other: Any) -> dict[str, Any]:
    system, _, architecture = platform.partition("/")
    found = {"mediaType": MANIFEST, "digest": digest(str(number)), "size": number} | other
    return found | ({"platform": {"os": system, "architecture": architecture}} if platform else {})


def index(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}).encode()


def test_an_index_of_one_manifest_is_that() -> None:
    """Without a note; attestations, signatures and other documents in it do not count, nor one that is there twice."""
    attestation = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    choice = index_choice(
        index(
            listed(1, "unknown/unknown", **attestation),
            listed(2, "linux/arm64"),
            listed(2, "linux/arm"),
            listed(3, artifactType="application/vnd.dev.sigstore.bundle.v0.3+json"),
            listed(4, mediaType="text/plain"),
        )
    )
    assert (choice.manifest.digest, choice.note) == (digest("2"), None)


@pytest.mark.parametrize(
    ("platforms", "taken"),
    [
        (("linux/arm64", "linux/amd64"), "linux/amd64"),
        (("windows/amd64", "linux/s390x"), "linux/s390x"),
        (("windows/amd64", "darwin/arm64"), "darwin/arm64"),
        (("windows/amd64", ""), "the manifest without a platform"),
    ],
)
def test_an_index_chooses_by_platform_and_says_so(platforms: tuple[str, str], taken: str) -> None:
    """The same on every machine, whatever the order in the index."""
    entries = [listed(number, platform) for number, platform in enumerate(platforms, 1)]
    choices = [index_choice(index(*entries)), index_choice(index(*reversed(entries)))]
    assert choices[0] == choices[1]
    assert str(choices[0].note).startswith(f"took {taken} of the index; it has ")


def test_what_nothing_tells_apart_is_not_guessed() -> None:
    """The hint has what to write instead."""
    with pytest.raises(NotFoundError, match="nothing tells which") as error:
        index_choice(index(listed(1, "linux/amd64"), listed(2, "linux/amd64")))
    assert digest("1") in str(error.value.hint)


def test_an_index_is_bounded() -> None:
    """10,000 entries are refused; a circle has an end; one without a model, or that is none, is told."""
    with pytest.raises(RefusedError, match="more than 1000"):
        index_choice(index(*(listed(number) for number in range(10_000))))
    circle = index(listed(1, mediaType=INDEX))
    assert [index_choice(circle, depth=depth).manifest.digest for depth in range(4)] == [digest("1")] * 4
    with pytest.raises(RefusedError, match="without an end"):
        index_choice(circle, depth=4)
    with pytest.raises(NotFoundError, match="no manifest of a model"):
        index_choice(index())
    with pytest.raises(NotFoundError, match="no index"):
        index_choice(plain())
    with pytest.raises(RefusedError, match="digest"):
        index_choice(index(listed(1, digest="x")))


def test_an_index_is_told_from_a_manifest() -> None:
    """By its own word, else by what it lists; what is broken is read, and told, as a manifest."""
    assert documents.is_index(index(), "text/plain")
    assert documents.is_index(b'{"schemaVersion": 2, "manifests": []}')
    assert not documents.is_index(plain(), INDEX)
    assert not documents.is_index(b"<html>", "text/html")


# --- our own push -----------------------------------------------------------------------------------


def locked(*files: LockedFile) -> LockedModel:
    commit, repo = "a" * 40, "u/m"
    url = f"https://huggingface.co/{repo}/resolve/{commit}/"
    found = tuple(file._replace(url=url + file.path) for file in files)
    request: dict[str, Any] = {"uri": f"hf:{repo}"}
    if files[0].role == "file":
        request["include"] = ["*"]
    if any(file.role == "mmproj" for file in files):
        request["mmproj"] = f"hf:{repo}/projector.gguf"
    return LockedModel("m", request, found, revision=commit, license="apache-2.0")


def one(role: Any, path: str, size: int = 5) -> LockedFile:
    return LockedFile(role, path, size, digest(path).removeprefix("sha256:"))


MODELS = (
    locked(
        one("model", "q/m-00001-of-00002.gguf"),
        one("model", "q/m-00002-of-00002.gguf"),
        one("mmproj", "projector.gguf"),
    ),
    locked(one("file", "1_Pooling/config.json"), one("file", "model.safetensors")),
    locked(one("model", "whisper.bin")),
)


def made_by(model: LockedModel, form: str) -> Artifact:
    if form == "modelpack":
        return modelpack(model)
    layers = [Layer(file, file.path, digest(f"tar {file.path}"), 2048) for file in model.files]
    return image(model, layers)


@pytest.mark.parametrize("model", MODELS, ids=["split", "folder", "any file"])
@pytest.mark.parametrize("form", ["modelpack", "image"])
def test_what_was_pushed_comes_back_whole(model: LockedModel, form: str) -> None:
    """Roles, order and license are those of the lock entry, in whatever order the layers are."""
    artifact = made_by(model, form)
    [sent, *_] = artifact.parts or (artifact.manifest,)
    turned = json.loads(sent.data)
    turned["layers"].reverse()
    for data in (sent.data, json.dumps(turned).encode()):
        found = read(data)
        assert (found.format, found.entry, found.license, found.notes) == (
            "modelsync",
            model,
            "apache-2.0",
            (),
        )
        assert [file.role for file in found.files] == [file.role for file in model.files]
        if form == "modelpack":
            assert [(file.path, file.digest, file.size) for file in found.files] == [
                (file.path, f"sha256:{file.sha256}", file.size) for file in model.files
            ]
        else:
            assert [file.digest for file in found.files] == [
                digest(f"tar {file.path}") for file in model.files
            ]
            assert all(file.packed and file.inside == "models" for file in found.files)


def test_license_files_that_were_sent_along_are_no_files_of_the_entry() -> None:
    """They are beside it in the registry, and not in a lock: of a model as of a folder model."""
    for model in MODELS:
        sent = modelpack(model, text_layers(model, {"LICENSE": b"MIT", "u/adapter/NOTICE.txt": b"x"}))
        found = read(sent.manifest.data)
        assert (found.entry, found.notes) == (model, ())
        assert [file.path for file in found.files] == [file.path for file in model.files]


@pytest.mark.parametrize("form", ["modelpack", "image"])
def test_an_entry_that_is_not_of_these_layers_is_left_out(form: str) -> None:
    """Another digest, size or path, one layer less or more, no entry: it is read as if it had none, with a note."""
    artifact = made_by(MODELS[0], form)
    [sent, *_] = artifact.parts or (artifact.manifest,)
    good = json.loads(sent.data)
    extra = layer(good["layers"][0]["mediaType"], "x.gguf")
    other = [dict(each) for each in good["layers"]]
    other[0]["annotations"] = {
        key: value.replace("m-00001", "n-00001").replace("0", "1")
        for key, value in other[0]["annotations"].items()
    }
    for change in (
        {"layers": good["layers"][1:]},
        {"layers": [*good["layers"], extra]},
        {"layers": other},
        {"annotations": {LOCK_ANNOTATION: "version = 1"}},
        {"annotations": {LOCK_ANNOTATION: "version = 99"}},
        {"annotations": {LOCK_ANNOTATION: "not TOML"}},
    ):
        found = read(json.dumps(good | change).encode())
        assert found.entry is None
        assert found.format == form
        assert found.notes[0] == NOTE


# --- whatever comes ---------------------------------------------------------------------------------

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(
        [
            RAW,
            MODELPACK,
            MANIFEST,
            INDEX,
            f"{DOCKER_AI}gguf.v3",
            f"{OLLAMA}model",
            OLLAMA_CONFIG,
            digest("x"),
            "m.gguf",
        ]
    ),
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                (
                    *("schemaVersion", "mediaType", "config", "layers", "manifests", "digest", "size"),
                    *(FILEPATH, TITLE, LOCK_ANNOTATION, "annotations", "artifactType", "platform"),
                    *("descriptor", "licenses", "model"),
                )
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)
_TYPES = st.sampled_from(
    [RAW, f"{CNCF}weight.v1.tar", f"{CNCF}doc.v1.raw", "application/octet-stream"]
    + [
        f"{DOCKER_AI}{kind}"
        for kind in ("gguf.v3", "mmproj", "safetensors", "license", "dir.tar", "model.file")
    ]
    + [f"{OLLAMA}{kind}" for kind in ("model", "projector", "license", "params", "tensor")]
    + ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.kitops.modelkit.model.v1.tar"]
)
_CONFIGS = st.sampled_from(
    [
        *(
            MODELPACK,
            f"{DOCKER_AI}model.config.v0.1+json",
            OLLAMA_CONFIG,
            "application/vnd.oci.empty.v1+json",
        ),
        *("application/vnd.kitops.modelkit.config.v1+json", "application/vnd.oci.image.config.v1+json"),
    ]
)
_PATHS = st.one_of(
    st.sampled_from(
        ["m.gguf", "M.gguf", "m-00001-of-00002.gguf", "mmproj.gguf", "../x", "/x", "a/b", "LICENSE", ""]
    ),
    st.text(max_size=12),
)


def check(found: Contents) -> None:
    """What holds of all contents: paths stay in the model, and each has a place of its own."""
    own = [file.path for file in found.files if not file.packed]
    assert not [path for path in own if path_fault(path)]
    assert clash(own) is None
    assert not [file for file in found.files if file.packed and file.path and path_fault(file.path)]
    assert all(0 <= file.size <= 1 << 50 and file.digest.startswith("sha256:") for file in found.files)
    assert all(text.isprintable() for text in (*found.notes, found.license or ""))


@settings(deadline=None)
@given(_JSON, _JSON)
def test_any_json_gives_contents_or_an_error_of_ours(value: object, config: object) -> None:
    """Never another exception."""
    for data in (json.dumps(value).encode(), json.dumps({"schemaVersion": 2, "layers": [value]}).encode()):
        with contextlib.suppress(ModelsyncError):
            manifests.config_of(data)
        with contextlib.suppress(ModelsyncError):
            check(manifests.contents(data, "", json.dumps(config).encode(), "a/m", "v1"))
        with contextlib.suppress(ModelsyncError):
            index_choice(data)


@settings(deadline=None)
@given(
    _CONFIGS,
    st.lists(st.tuples(_TYPES, _PATHS, st.integers(-1, 5), _JSON), max_size=5),
    _JSON,
    st.text(max_size=8),
    st.text(max_size=8),
    st.binary(max_size=40),
)
def test_paths_never_leave_the_model(
    config: str, layers: list[tuple[str, str, int, Any]], said: Any, name: str, tag: str, text: bytes
) -> None:
    """Whatever layers say in whichever format, and whatever repository and tag are called."""
    described = [
        layer(kind, path, size) | ({"annotations": other} if isinstance(other, dict) else {})
        for kind, path, size, other in layers
    ]
    made = manifest(config, *described, config=said if isinstance(said, dict) else {})
    with contextlib.suppress(ModelsyncError):
        found = contents(made, name, tag)
        check(found)
        check(texts.with_texts(found, {blob.digest: text for blob in found.small}))
        chosen(found.files)


@given(st.dictionaries(st.sampled_from(["num_ctx", "seed", "use_mmap", "stop", "x\x1b"]), _JSON, max_size=4))
def test_any_parameters_of_ollama_are_told(said: dict[str, Any]) -> None:
    """What is no setting of a load is shown as it is, in characters that a terminal may get."""
    found = contents(manifest(OLLAMA_CONFIG, layer(f"{OLLAMA}model"), layer(f"{OLLAMA}params")))
    told = texts.with_texts(found, {found.small[0].digest: json.dumps(said).encode()})
    check(told)
    assert bool(told.notes) == bool(said)


def test_the_name_of_a_repository_names_a_file() -> None:
    """Its last part and the tag, in characters that every file system takes."""
    made = manifest(OLLAMA_CONFIG, layer(f"{OLLAMA}model"))
    assert roles(contents(made, "a/B_1.5", "sha256:ab")) == [("B_1.5-sha256-ab.gguf", "model")]
    assert roles(contents(made, "", "")) == [("model.gguf", "model")]
