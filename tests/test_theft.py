"""Manifests, locks and servers that were made to steal get nothing, and are told why."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import modelsync
from modelsync.errors import ManifestError, ModelsyncError, RefusedError
from tests.hub import Headers, Hub, Redirect
from tests.support.command_line import Here
from tests.support.content import gguf, sha256
from tests.support.project import REPO

SECRET = "hf_the_users_own_token"


@pytest.fixture
def project(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to put a manifest into, and a user with a token for a hub that is not the manifest's."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.chdir(folder)
    hub.repo(REPO).commit({"tiny-Q4_K_M.gguf": gguf("q4")})
    hub.tokens.add(SECRET)
    return folder


def told(hub: Hub) -> str:
    """Everything that the hub, its CDN and the plain server were told."""
    return " ".join(f"{seen.path} {seen.query} {dict(seen.headers)}" for seen in hub.requests)


def test_a_url_of_the_manifest_gets_no_token(project: Path, hub: Hub) -> None:
    """`uri = "https://evil…"` beside an `HF_TOKEN`: the server sees a request, and no credential."""
    url = hub.file("/evil.gguf", gguf("evil"))
    (project / "models.toml").write_text(f'[models]\nevil = "{url}"\n')
    modelsync.sync()
    assert hub.requests
    assert SECRET not in told(hub)


@pytest.mark.parametrize("where", ["project", "model"])
def test_an_endpoint_of_the_manifest_gets_no_token(project: Path, hub: Hub, where: str) -> None:
    """An `endpoint` that the manifest names is asked without the token, which belongs to another hub."""
    text = f'[models.tiny]\nuri = "hf:{REPO}:Q4_K_M"\n'
    if where == "project":
        text = f'[modelsync]\nendpoint = "{hub.endpoint}"\n' + text
    else:
        text += f'endpoint = "{hub.endpoint}"\n'
    (project / "models.toml").write_text(text)
    modelsync.sync()
    assert hub.seen("hub")
    assert SECRET not in told(hub)


def test_a_redirect_takes_no_token_along(project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token goes to its own hub, and to no host that the hub redirects to."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    (project / "models.toml").write_text(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    modelsync.sync()
    assert any(SECRET in str(dict(seen.headers)) for seen in hub.seen("hub"))
    assert not any(SECRET in str(dict(seen.headers)) for seen in hub.seen("cdn"))
    for written in (project / "models.lock", project / "models.toml"):
        assert SECRET not in written.read_text()


def test_a_lock_whose_url_was_edited_is_refused(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that leads elsewhere than its request is refused before anything is asked, by every way in."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    (project / "models.toml").write_text(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    modelsync.lock()
    lock = project / "models.lock"
    evil = hub.file("/evil.gguf", gguf("evil"))
    text = lock.read_text()
    start = text.index('url = "') + len('url = "')
    lock.write_text(text[:start] + evil + text[text.index('"', start) :])
    hub.clear()
    for call in (
        lambda: modelsync.sync(frozen=True),
        lambda: modelsync.sync(locked=True),
        lambda: modelsync.path("tiny"),
    ):
        with pytest.raises(RefusedError, match="the request gives"):
            call()
    assert hub.requests == []


@pytest.mark.parametrize("name", ["../evil", "..", "a/b", "con", "A", "a\x1b[31m", ""])
def test_a_name_that_would_leave_its_folder(project: Path, name: str) -> None:
    """A name with `../`, of a device, or with a control character is an error that names the line."""
    (project / "models.toml").write_text(f'[models]\n"{name.encode("unicode_escape").decode()}" = "hf:u/m"\n')
    with pytest.raises(ManifestError) as refused:
        modelsync.sync()
    assert "models.toml:2" in refused.value.message
    assert "\x1b" not in refused.value.message


@pytest.mark.parametrize("folder", ["../elsewhere", "/tmp/elsewhere", "a/../../b"])
def test_a_dir_that_would_leave_the_project(project: Path, folder: str) -> None:
    """`dir` stays inside the project."""
    (project / "models.toml").write_text(f'[modelsync]\ndir = "{folder}"\n[models]\na = "hf:u/m"\n')
    with pytest.raises(ManifestError, match="dir"):
        modelsync.sync()


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
def test_a_dir_that_leads_out_through_a_link(
    project: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `dir` that is a symbolic link out of the project is not written through."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    outside = tmp_path / "outside"
    outside.mkdir()
    (project / "models").symlink_to(outside)
    (project / "models.toml").write_text(
        f'[modelsync]\ndir = "models"\n[models]\ntiny = "hf:{REPO}:Q4_K_M"\n'
    )
    with pytest.raises(RefusedError):
        modelsync.sync()
    assert list(outside.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="devices are files only on POSIX")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty", "pipe", "folder"])
def test_a_file_that_is_no_regular_file(project: Path, device: str) -> None:
    """A `file:` that is a device, a pipe or a folder is refused, and not read."""
    os.mkfifo(project / "pipe")
    (project / "folder").mkdir()
    (project / "models.toml").write_text(f'[models]\nx = "file:{device}"\n')
    with pytest.raises(ModelsyncError, match=r"regular|cannot|no file|not there"):
        modelsync.sync()


@pytest.mark.parametrize("times", ["kept", "new"])
def test_a_record_that_vouches_for_other_bytes_is_found(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, times: str
) -> None:
    """A record that came along vouches for a file: new times give it away, and where they were kept, verify does."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    (project / "models.toml").write_text(
        f'[modelsync]\ndir = "models"\n[models]\ntiny = "hf:{REPO}:Q4_K_M"\n'
    )
    modelsync.lock()
    file = project / "models" / "tiny" / "tiny-Q4_K_M.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(gguf("zz"))
    seen = file.stat()
    item = {"sha256": sha256(gguf("q4")), "size": seen.st_size, "mtime_ns": seen.st_mtime_ns, "mode": "copy"}
    record = {"version": 1, "files": {"tiny/tiny-Q4_K_M.gguf": item}}
    (project / "models" / ".modelsync.json").write_text(json.dumps(record))
    if times == "new":
        os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns + 60 * 10**9))
        with pytest.raises(ModelsyncError):
            modelsync.path("tiny", download=False)
    else:
        assert [row.status for row in modelsync.verify()] == ["damaged"]
        modelsync.sync()
    assert modelsync.path("tiny").read_bytes() == gguf("q4")


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
def test_a_file_of_the_user_is_no_model(project: Path, tmp_path: Path) -> None:
    """`file:` of a private key: it is not taken for a model, no copy of it stays, and nothing is asked for it."""
    key = tmp_path / "id_ed25519"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nVerySecretLine\n")
    (project / "models.toml").write_text(f'[modelsync]\ndir = "models"\n[models]\nx = "file:{key}"\n')
    with pytest.raises(ModelsyncError) as refused:
        modelsync.sync()
    assert "VerySecret" not in f"{refused.value.message} {refused.value.hint}"
    holders = [path for path in tmp_path.rglob("*") if path.is_file() and b"VerySecret" in path.read_bytes()]
    assert holders == [key]
    assert not (project / "models.lock").exists()


def test_a_forged_digest_of_what_is_here_is_found(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that names the digest of another file of the store gets that file; `lock --verify` tells."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    other = gguf("other")
    hub.repo("user/other").commit({"other.gguf": other})
    modelsync.pull("hf:user/other/other.gguf")
    (project / "models.toml").write_text(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    modelsync.lock()
    lock = project / "models.lock"
    assert len(other) == len(gguf("q4"))
    lock.write_text(lock.read_text().replace(sha256(gguf("q4")), sha256(other)))
    assert modelsync.path("tiny").read_bytes() == other
    done = subprocess.run(
        [sys.executable, "-m", "modelsync", "lock", "--verify"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "sha256" in done.stderr


def test_a_load_setting_that_names_a_path_or_code(project: Path) -> None:
    """What would make llama.cpp read another file, or Python run code, is no setting of a manifest."""
    for setting in ('lora_path = "/etc/passwd"', 'chat_handler = "x"', 'chat_format = "../../x"'):
        (project / "models.toml").write_text(f'[models.a]\nuri = "hf:u/m"\nload = {{ {setting} }}\n')
        with pytest.raises(ManifestError, match="load"):
            modelsync.sync()


def test_a_redirect_to_another_scheme_or_in_circles(
    project: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect to a file, or one without an end, is an error, and nothing is read."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    (project / "models.toml").write_text(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    modelsync.lock()
    for target in ("file:///etc/passwd", None):
        trigger = hub.misbehave(Redirect(target), where="hub", match="*/resolve/*", times=None)
        with pytest.raises(ModelsyncError):
            modelsync.sync()
        assert trigger.fired
        hub.behave()


def test_no_secret_reaches_the_terminal(
    project: Path, hub: Hub, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the token nor a signed URL is printed, by an error or under -v."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    (project / "models.toml").write_text(f'[models]\ntiny = "hf:{REPO}:Q4_K_M"\n')
    modelsync.lock()
    hub.misbehave(Headers({"content-encoding": "gzip"}), where="cdn", times=None)
    done = here("-v", "sync")
    assert done.status != 0
    for seen in hub.seen("cdn"):
        for value in str(seen.query).replace("=", " ").replace("&", " ").split():
            assert len(value) < 16 or value not in done.err
    assert SECRET not in done.out + done.err
