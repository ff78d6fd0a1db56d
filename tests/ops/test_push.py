"""Pushes to real registries: what is there afterwards, what is sent again, and what other clients make of it."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

import modelsync
from modelsync.errors import (
    GatedError,
    LicenseRefusedError,
    ModelsyncError,
    NotSyncedError,
    StaleLockError,
    UsageError,
)
from modelsync.registry.artifact import LOCK_ANNOTATION, SHA256_ANNOTATION, digest_tag, entry_text
from modelsync.registry.modelpack import ARTIFACT_TYPE, FILEPATH, TITLE
from modelsync.registry.repository import INDEX, MANIFEST
from modelsync.spec.lock.read import parse
from tests.hub.wire import Reply, Request, text
from tests.support.content import gguf
from tests.support.project import REPO, Place
from tests.support.registries import (
    Registry,
    TokenServer,
    asked,
    fetched,
    htpasswd,
    log_in,
    manifest,
    needs_registry,
    needs_skopeo,
    needs_umoci,
    registry,
    url,
)
from tests.support.servers import answering

pytestmark = needs_registry

SPLIT = {f"split/big-0000{n}-of-00002.gguf": gguf(f"part {n}") for n in (1, 2)}
WHOLE = f"""
[models.tiny]
uri = "hf:{REPO}:Q4_K_M"
mmproj = "hf:user/extra/mmproj-F16.gguf"
loras = ["hf:user/extra/adapter.gguf"]
[models.tiny.variants.large]
uri = "hf:{REPO}:Q8_0"
[models.big]
uri = "hf:user/extra/split/big-00001-of-00002.gguf"
"""


@pytest.fixture
def project(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A project with a split model, a projector, an adapter and a variant; all of it is here."""
    more = {"mmproj-F16.gguf": gguf("eyes"), "adapter.gguf": gguf("adapter"), **SPLIT}
    place.hub.repo("user/extra").commit(more)
    place.write(WHOLE)
    monkeypatch.chdir(place.folder)
    modelsync.sync()
    modelsync.sync("tiny", variant="large")
    place.hub.clear()
    return place


def test_a_push_sends_each_file_as_it_is(project: Place, target: str) -> None:
    """Each file is a raw layer with both names and the lock's digest; a manifest alone restores the entry."""
    report = modelsync.push(target)
    assert [(each.title, each.changed) for each in report.pushed] == [
        ("big", True),
        ("tiny", True),
        ("tiny [large]", True),
    ]
    for model in parse(project.lock_text).models:
        found = manifest(target, digest_tag(model, "modelpack"))
        assert (found["artifactType"], found["mediaType"]) == (ARTIFACT_TYPE, MANIFEST)
        assert [layer["digest"] for layer in found["layers"]] == [f"sha256:{f.sha256}" for f in model.files]
        assert [layer["annotations"] for layer in found["layers"]] == [
            {FILEPATH: file.path, TITLE: file.path} for file in model.files
        ]
        assert found["annotations"][LOCK_ANNOTATION] == entry_text(model)
        assert parse(found["annotations"][LOCK_ANNOTATION]).models == (model,)
        config = json.loads(fetched(url(target, "blobs", found["config"]["digest"])))
        assert set(config) == {"descriptor", "config", "modelfs"}
        assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in found["layers"]]
        assert "created" not in json.dumps([found, config]).lower()
        for file in model.files:
            data = fetched(url(target, "blobs", f"sha256:{file.sha256}"))
            assert hashlib.sha256(data).hexdigest() == file.sha256


def test_the_same_lock_gives_the_same_digest(project: Place, target: str, tmp_path: Path) -> None:
    """Another push, also into another repository, has the same manifests; the tag is that of the entry's text."""
    first = modelsync.push(target)
    second = modelsync.push(f"{target}/other")
    assert [one.reference.partition("@")[2] for one in first.pushed] == [
        one.reference.partition("@")[2] for one in second.pushed
    ]
    for one, model in zip(first.pushed, parse(project.lock_text).models, strict=True):
        assert one.tags == (hashlib.sha256(entry_text(model).encode()).hexdigest()[:12],)


def test_what_is_there_is_not_sent_again(project: Place, target: str, running: Registry) -> None:
    """A second push asks for the manifests alone; one after a change sends what is new."""
    modelsync.push(target)
    before = len(running.requests)
    report = modelsync.push(target)
    assert (report.bytes_sent, [each.changed for each in report.pushed]) == (0, [False] * 3)
    assert {method for method, *_ in asked(running, before)} == {"GET"}
    assert len(asked(running, before)) == 3

    project.hub.repo("user/extra").commit({"adapter.gguf": gguf("a better one")})
    modelsync.sync(upgrade=True)
    before = len(running.requests)
    report = modelsync.push(target, "tiny")
    assert [(each.title, each.changed) for each in report.pushed] == [("tiny", True)]
    sent = [path for method, path, _ in asked(running, before) if method == "PUT" and "/uploads/" in path]
    assert len(sent) == 2  # the adapter, and the configuration
    assert report.bytes_there >= len(gguf("eyes"))


def test_a_sibling_repository_gives_what_it_has(project: Place, target: str, running: Registry) -> None:
    """What this machine pushed into another repository of the registry is taken over there, and not sent."""
    modelsync.push(target)
    before = len(running.requests)
    report = modelsync.push(f"{target}-sibling")
    mounts = [(path, status) for method, path, status in asked(running, before) if "mount=" in path]
    assert len(mounts) == 6
    assert {status for _, status in mounts} == {201}
    small = sum(each.bytes_sent for each in report.pushed)
    assert report.bytes_sent == small < 5000  # configurations


def test_names_are_tags_only_when_asked(project: Place, target: str) -> None:
    """`tag` adds NAME and NAME.VARIANT; a later push moves them, and one with nothing to send adds what is lacking."""
    modelsync.push(target)
    assert len(json.loads(fetched(url(target, "tags/list")))["tags"]) == 3
    report = modelsync.push(target, "tiny", tag=True)
    assert [each.tags[1] for each in report.pushed] == ["tiny", "tiny.large"]
    assert [each.bytes_sent for each in report.pushed] == [0, 0]
    tags = json.loads(fetched(url(target, "tags/list")))["tags"]
    assert {"tiny", "tiny.large"} < set(tags)
    assert manifest(target, "tiny.large") == manifest(target, report.pushed[1].tags[0])


def test_two_models_of_one_tag_are_told(project: Place, target: str) -> None:
    """A model called as another's variant is tagged cannot have that tag too; nothing is sent."""
    project.write(WHOLE + f'[models."tiny.large"]\nuri = "hf:{REPO}:Q8_0"\n')
    modelsync.sync()
    with pytest.raises(UsageError, match=r"tiny\.large"):
        modelsync.push(target, tag=True)


def test_a_dry_run_sends_nothing(project: Place, target: str, running: Registry) -> None:
    """It says what would be sent, by asking; then the same is sent."""
    before = len(running.requests)
    planned = modelsync.push(target, dry_run=True)
    assert {method for method, *_ in asked(running, before)} == {"GET", "HEAD"}
    done = modelsync.push(target)
    assert planned.pushed == done.pushed
    assert planned.bytes_sent == done.bytes_sent > 0


def test_what_is_not_here_is_left_out_or_told(
    place: Place, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all models those that are here go; a named one that is not here is an error, and a stale lock."""
    monkeypatch.chdir(place.folder)
    place.write(f'[models]\none = "hf:{REPO}:Q4_K_M"\ntwo = "hf:{REPO}:Q8_0"\n')
    modelsync.lock()
    with pytest.raises(NotSyncedError):
        modelsync.push(target)
    modelsync.sync("one", frozen=True)
    report = modelsync.push(target)
    assert [each.name for each in report.pushed] == ["one"]
    assert [note.split()[0] for note in report.notes] == ["two"]
    with pytest.raises(NotSyncedError, match="two"):
        modelsync.push(target, "two")
    place.write(f'[models]\none = "hf:{REPO}:Q8_0"\n')
    with pytest.raises(StaleLockError):
        modelsync.push(target)


@pytest.mark.parametrize(
    "wrong", ["hf:a/b", "oci://r.example/x:v1", f"oci://r.example/x@sha256:{'0' * 64}", "x"]
)
def test_a_target_is_a_repository(wrong: str, project: Place) -> None:
    """A tag, a digest, or something else is told before anything is asked."""
    with pytest.raises(UsageError):
        modelsync.push(wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("r.example/a/b", "did you mean oci://r.example/a/b"),
        ("localhost:5000/a", "did you mean oci://localhost:5000/a"),
        ("oci://me:s3cret@r.example/a", "holds a user or a password"),
        ("oci://r.example:99999/a", "has the port `99999`"),
        ("oci://r.example/A", "did you mean oci://r.example/a"),
        ("oci://r.example/a//b", "names no model"),
    ],
)
def test_a_target_that_is_misspelt_is_told(wrong: str, words: str, project: Place) -> None:
    """With what is right, for a push; a password is not repeated."""
    with pytest.raises(UsageError, match=re.escape(words)) as error:
        modelsync.push(wrong)
    assert "modelsync push oci://" in str(error.value.hint)
    assert "s3cret" not in str(error.value)


@needs_skopeo
def test_skopeo_takes_what_was_pushed(project: Place, target: str, tmp_path: Path) -> None:
    """It hashes what it copies, and finds everything right."""
    report = modelsync.push(target, "big")
    _, _, digest = report.pushed[0].reference.partition("@")
    there = f"docker://{target.removeprefix('oci://')}@{digest}"
    skopeo("copy", "--src-tls-verify=false", "--preserve-digests", there, f"dir:{tmp_path / 'out'}")
    for data in SPLIT.values():
        assert (tmp_path / "out" / hashlib.sha256(data).hexdigest()).read_bytes() == data


def test_oras_takes_what_was_pushed(project: Place, target: str, tmp_path: Path) -> None:
    """It writes the files under their own paths."""
    client = pytest.importorskip("oras.client")
    modelsync.push(target, "big", tag=True)
    host, _, name = target.removeprefix("oci://").partition("/")
    made = client.OrasClient(hostname=host, insecure=True)
    made.pull(target=f"{host}/{name}:big", outdir=str(tmp_path / "out"))
    assert {
        str(path.relative_to(tmp_path / "out")): path.read_bytes()
        for path in (tmp_path / "out").rglob("*.gguf")
    } == SPLIT


@needs_skopeo
@needs_umoci
def test_an_image_is_unpacked_by_others(project: Place, target: str, tmp_path: Path) -> None:
    """Each file is a layer under /models, with its own digest beside; the same lock gives the same image."""
    report = modelsync.push(target, "big", form="image", tag=True)
    again = modelsync.push(f"{target}-again", "big", form="image")
    assert report.pushed[0].reference.partition("@")[2] == again.pushed[0].reference.partition("@")[2]
    assert report.pushed[0].tags[0].endswith("-image")
    index = manifest(target, "big", INDEX)
    assert {each["platform"]["architecture"] for each in index["manifests"]} == {"amd64", "arm64"}
    for each in index["manifests"]:
        found = manifest(target, each["digest"])
        said = {layer["annotations"][SHA256_ANNOTATION] for layer in found["layers"]}
        assert said == {hashlib.sha256(data).hexdigest() for data in SPLIT.values()}
        config = json.loads(fetched(url(target, "blobs", found["config"]["digest"])))
        assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in found["layers"]]
    there = f"docker://{target.removeprefix('oci://')}:big"
    skopeo("copy", "--src-tls-verify=false", "--preserve-digests", there, f"oci:{tmp_path / 'layout'}:big")
    run("umoci", "unpack", "--rootless", "--image", f"{tmp_path / 'layout'}:big", str(tmp_path / "bundle"))
    for path, data in SPLIT.items():
        assert (tmp_path / "bundle/rootfs/models" / path).read_bytes() == data


def test_a_login_and_tls(project: Place, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that wants a user and a password over https gets those of docker's configuration."""
    with registry(tmp_path / "r", auth=htpasswd(tmp_path / "r"), tls=True) as there:
        monkeypatch.setenv("SSL_CERT_FILE", str(there.ca))
        target = f"oci://{there.host}/team/models"
        with pytest.raises(ModelsyncError) as error:
            modelsync.push(target, "big")
        assert "docker login" in str(error.value.hint)
        log_in(home, there.host)
        assert modelsync.push(target, "big").pushed[0].changed
        assert not modelsync.push(target, "big").pushed[0].changed


def test_tokens_are_asked_for_once_and_renewed(project: Place, tmp_path: Path, home: Path) -> None:
    """A token serves all requests of its repository; one whose life is over is renewed before it is used."""
    tokens = TokenServer(tmp_path / "tokens")
    with tokens.running() as auth, registry(tmp_path / "r", auth=auth) as there:
        target = f"oci://{there.host}/team/models"
        with pytest.raises(GatedError, match="wants a login"):
            modelsync.push(target, "big")
        log_in(home, there.host)
        tokens.asked.clear()
        assert modelsync.push(target, "big").pushed[0].changed
        scopes = [each["scope"] for each in tokens.asked]
        assert [set(scope.rpartition(":")[2].split(",")) for scope in scopes] == [{"pull"}, {"pull", "push"}]
        refused = [status for *_, status in there.requests if status == 401]
        assert len(refused) <= 2 + 4 + 1  # several requests may be under way when the first is refused

        tokens.asked.clear()
        tokens.said = 0.01
        before = len(there.requests)
        assert modelsync.push(target, "tiny").pushed[0].changed
        assert len(tokens.asked) > 6
        later = [status for _, path, status in there.requests[before:] if "manifests" not in path]
        assert later.count(401) <= 6 < len(later) / 2  # four streams may meet the first refusal side by side


def test_a_password_that_is_wrong_is_told(project: Place, tmp_path: Path, home: Path) -> None:
    """With where it comes from, and without it."""
    tokens = TokenServer(tmp_path / "tokens")
    with tokens.running() as auth, registry(tmp_path / "r", auth=auth) as there:
        log_in(home, there.host, username="me", password="s3cret-of-me")
        with pytest.raises(GatedError) as error:
            modelsync.push(f"oci://{there.host}/x", "big")
    assert ".docker/config.json" in str(error.value)
    assert "s3cret" not in f"{error.value} {error.value.hint}"


def test_progress_is_told(project: Place, target: str) -> None:
    """Each file is heard of while it is sent, and at its end; the sums are right."""
    board = modelsync.Board()
    events: list[modelsync.Event] = []

    def hear(event: modelsync.Event) -> None:
        events.append(event)
        board.hear(event, float(len(events)))

    modelsync.push(target, "big", on_progress=hear)
    assert {event.phase for event in events} == {"waiting", "sending", "done"}
    every = board.all(float(len(events)))
    assert (every.files, every.ended, every.failed) == (3, 3, 0)
    assert every.done == every.total


def skopeo(*words: str) -> None:
    run("skopeo", *words)


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done


def test_the_command(project: Place, target: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It prints where each model is, as lines or as one object; `--tag`, `--as` and `--dry-run` are the keywords."""
    from modelsync.cli.app import work
    from modelsync.cli.invocation import Invocation

    def said(*words: str) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["modelsync", "push", target, *words])
            work(Invocation())
        return capfd.readouterr().out

    value = json.loads(said("big", "--tag", "--format", "json"))
    [one] = value["pushed"]
    assert (one["name"], one["action"], one["tags"][1]) == ("big", "added", "big")
    assert one["bytes"] == sum(map(len, SPLIT.values()))
    assert value["bytes_sent"] == one["bytes_sent"]
    assert said("big", "-q") == one["reference"] + "\n"
    events = project.folder / "events"
    value = json.loads(said("big", "--as", "image", "--dry-run", "--format", "json", "--events", str(events)))
    phases = {json.loads(line)["phase"] for line in events.read_text().splitlines()}
    assert phases == {"checking", "done"}  # an image's layers are hashed to know what is there
    assert value["pushed"][0]["action"] == "added"
    assert value["bytes_sent"] > one["bytes"]


def test_a_registry_that_says_it_has_what_it_has_not(project: Place) -> None:
    """Once it refuses the manifest for a lack of blobs, all of them are sent, and the manifest again."""
    stored: set[str] = set()

    def serve(request: Request) -> Reply:
        if request.method == "HEAD":
            return (
                text(200, "", {})
                if request.path == "/v2/"
                else text(307, "", {"Location": "http://127.0.0.1:9/"})
            )
        if request.method == "POST":
            return text(202, "", {"Location": "/v2/a/blobs/uploads/1"})
        if "/manifests/" in request.path and request.method == "PUT":
            digests = {layer["digest"] for layer in json.loads(request.body)["layers"]}
            words = '{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown"}]}'
            return text(201, "") if digests <= stored else text(400, words)
        if request.method == "PUT":
            stored.add(request.query["digest"])
            return text(201, "")
        return text(404, "")

    with answering(serve) as server:
        report = modelsync.push(f"oci://{server.url.partition('//')[2]}/a", "big")
    assert report.pushed[0].changed
    assert report.pushed[0].bytes_sent >= sum(map(len, SPLIT.values()))


def test_a_push_hands_on_none_that_is_not_allowed(project: Place, target: str) -> None:
    """A model whose license the project does not allow is no layer in the registry; the others are sent."""
    project.hub.repo("user/gpl", license="gpl-3.0").commit({"m-Q4_K_M.gguf": gguf("m")})
    models = f'{WHOLE}[models.gpl]\nuri = "hf:user/gpl:Q4_K_M"\n'
    project.write(models)
    modelsync.sync("gpl")
    project.write(f'[modelsync]\nallowed-licenses = ["apache-2.0"]\n{models}')
    with pytest.raises(LicenseRefusedError, match=r"gpl: its license is gpl-3\.0") as raised:
        modelsync.push(target, "gpl")
    assert raised.value.exit_code == 1
    with pytest.raises(LicenseRefusedError) as raised:
        modelsync.push(target)
    assert [error.model for error in raised.value.errors] == ["gpl"]
    report = raised.value.report
    assert isinstance(report, modelsync.PushReport)
    assert [each.title for each in report.pushed] == ["big", "tiny", "tiny [large]"]
    tags = set(json.loads(fetched(url(target, "tags", "list")))["tags"])
    assert tags == {
        digest_tag(model, "modelpack") for model in parse(project.lock_text).models if model.name != "gpl"
    }
