"""`export --to cyclonedx`: an SBOM that the library's own validator accepts."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from modelsync.context import Context
from modelsync.errors import ConfigError, ExtraMissingError
from modelsync.ops import lock
from modelsync.ops.export import FORMATS, models
from tests.support.content import gguf, sha256
from tests.support.project import REPO, Place

MANIFEST = f"""
[models.tiny]
uri = "hf:{REPO}:Q4_K_M"
loras = ["hf:user/lora/a.gguf"]
[models.mine]
uri = "file:mine.gguf"
license = "LicenseRef-contract-7"
[models.web]
uri = "URL"
license = "mit"
"""


@pytest.fixture
def project(place: Place, context: Context) -> Place:
    """Models of a hub, with an adapter of another repo, of a URL and of this machine; locked, and not here."""
    pytest.importorskip("cyclonedx")
    place.hub.repo("user/lora", license="llama3.1").commit({"a.gguf": gguf("lora")})
    (place.folder / "mine.gguf").write_bytes(gguf("mine"))
    url = place.hub.file("/web.gguf", gguf("web"))
    lock.lock(context, place.write(MANIFEST.replace("URL", url)))
    return place


def exported(context: Context, place: Place) -> str:
    """The text of the SBOM."""
    chosen = models.models(context, place.project, missing=True)
    (made,) = FORMATS["cyclonedx"].write(chosen, place.folder)
    return made.text


def components(context: Context, place: Place) -> dict[str, Any]:
    """Its components by their references."""
    return {each["bom-ref"]: each for each in json.loads(exported(context, place))["components"]}


def test_the_librarys_validator_accepts_it(project: Place, context: Context) -> None:
    """Strictly, as CycloneDX 1.6."""
    pytest.importorskip("jsonschema")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = exported(context, project)
    assert json.loads(text)["specVersion"] == "1.6"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    broken = text.replace('"machine-learning-model"', '"model"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


def test_a_model_of_a_hub(project: Place, context: Context) -> None:
    """Its commit, its package URL, its SPDX license, and its files; an adapter of another repo is one of its own."""
    found = components(context, project)
    tiny, adapter = found["model:tiny"], found["model:tiny#1"]
    user, name = REPO.split("/")
    assert tiny["type"] == "machine-learning-model"
    assert (tiny["group"], tiny["name"], tiny["version"]) == (user, name, project.commit)
    assert tiny["purl"] == f"pkg:huggingface/{REPO}@{project.commit}"
    assert tiny["licenses"] == [{"license": {"id": "Apache-2.0", "acknowledgement": "declared"}}]
    (file,) = tiny["components"]
    assert (file["type"], file["name"]) == ("file", "tiny-Q4_K_M.gguf")
    assert file["hashes"] == [{"alg": "SHA-256", "content": sha256(gguf("q4"))}]
    assert adapter["purl"].startswith("pkg:huggingface/user/lora@")
    assert adapter["licenses"] == [{"license": {"name": "llama3.1", "acknowledgement": "declared"}}]
    dependencies = {
        each["ref"]: each.get("dependsOn") for each in json.loads(exported(context, project))["dependencies"]
    }
    assert dependencies["model:tiny"] == ["model:tiny#1"]


def test_models_from_elsewhere(project: Place, context: Context) -> None:
    """A URL and a local file are generic packages with their digest; what a person states is a conclusion."""
    found = components(context, project)
    web, mine = found["model:web"], found["model:mine"]
    assert web["purl"].startswith(
        f"pkg:generic/web.gguf?checksum=sha256:{sha256(gguf('web'))}&download_url=http"
    )
    assert web["licenses"] == [{"license": {"id": "MIT", "acknowledgement": "concluded"}}]
    assert mine["purl"] == f"pkg:generic/mine.gguf?checksum=sha256:{sha256(gguf('mine'))}"
    assert mine["licenses"] == [
        {"license": {"name": "LicenseRef-contract-7", "acknowledgement": "concluded"}}
    ]


def test_the_same_lock_gives_the_same_bytes(
    project: Place, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No clock and no chance; a time is written where the environment has one, and has to be one."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    first = exported(context, project)
    assert first == exported(context, project)
    assert "timestamp" not in json.loads(first)["metadata"]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert json.loads(exported(context, project))["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "now")
    with pytest.raises(ConfigError, match="SOURCE_DATE_EPOCH is no number of seconds"):
        exported(context, project)


def test_a_model_of_a_registry(place: Place, context: Context) -> None:
    """`pkg:oci` with the manifest's digest, where it is, and its tag."""
    pytest.importorskip("cyclonedx")
    digest, blob, uri = "a" * 64, "b" * 64, "oci://registry.example.com/team/models"
    (place.folder / "models.lock").write_text(
        f"""version = 2

[[model]]
name = "ours"
request = {{ uri = "{uri}:llama3" }}
revision = "sha256:{digest}"
files = [
  {{ role = "model", path = "m.gguf", url = "{uri}@sha256:{blob}", size = 9, sha256 = "{blob}" }},
]
"""
    )
    place.write('[models]\nours = "oci://registry.example.com/team/models:llama3"\n')
    ours = components(context, place)["model:ours"]
    assert ours["purl"] == (
        f"pkg:oci/models@sha256:{digest}?repository_url=registry.example.com/team/models&tag=llama3"
    )
    assert (ours["group"], ours["name"]) == ("registry.example.com/team", "models")
    assert "licenses" not in ours


def test_what_to_install_is_named(
    place: Place, context: Context, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the extra it is an error that says so."""
    monkeypatch.setitem(sys.modules, "cyclonedx.model.bom", None)
    lock.lock(context, place.write(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n'))
    with pytest.raises(ExtraMissingError) as raised:
        exported(context, place)
    assert 'pip install "modelsync[sbom]"' in str(raised.value.hint)
