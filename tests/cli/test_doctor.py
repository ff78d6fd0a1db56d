"""What modelsync sees on a machine, and what is wrong with it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import modelsync
from tests.hub import Headers, Status
from tests.hub.wire import Reply, Request, text
from tests.support.command_line import Cli, Run
from tests.support.content import sha256
from tests.support.fork_server import WITHOUT
from tests.support.mirrors import Odd, registry_mirror, web_mirror
from tests.support.project import MANIFEST, QUANTS, REPO

REFUSES: Odd = lambda _, __: text(401, "who are you?")  # noqa: E731
posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


def findings(run: Run) -> dict[str, dict[str, Any]]:
    """The findings of a report, by name."""
    return {each["name"]: each for group in run.json["groups"] for each in group["findings"]}


def look(cli: Cli, *words: str, status: int = 0, **variables: str) -> dict[str, dict[str, Any]]:
    """The findings; without llama-cpp-python, which two processes would import to inspect it."""
    variables[WITHOUT] = "llama_cpp"
    return findings(cli("doctor", "--format", "json", *words, status=status, variables=variables))


def test_a_machine_that_is_well_is_told_so(synced: Cli, store_root: Path) -> None:
    """Everything in its group, in lines of 80 columns, without colour; nothing stays behind; one request."""
    before = sorted(path for path in store_root.rglob("*"))
    done = synced("doctor")
    assert done.out.endswith("\nall is well\n")
    for words in ("modelsync", "Python", "RAM", "llama-cpp-python", "endpoint", "models.lock is up to date"):
        assert words in done.out
    assert f"{store_root} (MODELSYNC_STORE)" in " ".join(done.out.split())
    paths = (str(store_root.parent), str(synced.folder), sys.executable)
    assert all(len(line) <= 80 for line in done.out.splitlines() if not any(path in line for path in paths))
    assert "\033" not in done.out
    assert [seen.path for seen in synced.hub.seen()] == ["/api/whoami-v2"]
    assert sorted(path for path in store_root.rglob("*")) == before
    assert synced("-q", "doctor").out == ""


def test_quiet_says_what_is_wrong_alone_and_twice_quiet_nothing(cli: Cli) -> None:
    """The status tells it still."""
    assert cli("-q", "doctor", status=1).out.startswith("1 thing is wrong")
    assert cli("-qq", "doctor", status=1).out == ""


def test_programs_get_the_same(synced: Cli) -> None:
    """Each finding has a name, a text, a state and a hint."""
    value = synced("doctor", "--format", "json").json
    assert value["well"] is True
    assert [group["name"] for group in value["groups"]] == [
        "versions",
        "machine",
        "store",
        "network",
        "project",
    ]
    for group in value["groups"]:
        for each in group["findings"]:
            assert set(each) == {"name", "text", "state", "hint"}
            assert each["state"] in ("fine", "note", "warning")


def test_offline_asks_nobody(synced: Cli) -> None:
    """And that is no fault."""
    assert look(synced, "--offline")["request"]["state"] == "note"
    assert synced.hub.seen() == []


def test_a_folder_without_a_project_is_well_too(empty: Cli, store_root: Path) -> None:
    """There is no store yet either, and none is made."""
    found = look(empty)
    assert found["manifest"]["text"] == "no models.toml here or above"
    assert found["path"]["text"].endswith("not made yet")
    assert found["writable"]["state"] == "fine"
    assert not store_root.exists()


# --- the hub and its token -----------------------------------------------------------------------------


def test_a_token_is_tried_and_never_told(synced: Cli) -> None:
    """Where it comes from, and whose it is; the token itself is nowhere, a bad one is wrong."""
    synced.hub.tokens.add("hf_good_secret")
    done = synced("doctor", HF_TOKEN="hf_good_secret")
    assert "from HF_TOKEN" in done.out
    assert "knows the token of tester" in " ".join(done.out.split())
    assert "hf_good_secret" not in done.out + done.err
    bad = synced("doctor", status=1, HF_TOKEN="hf_bad_secret")
    assert "does not accept the token" in bad.out
    assert "/settings/tokens" in bad.out
    assert "hf_bad_secret" not in bad.out + bad.err


@posix
def test_a_token_file_that_others_can_read_is_warned_of(synced: Cli, home: Path) -> None:
    """With the command that mends it; a warning is no failure."""
    synced.hub.tokens.add("hf_stored")
    token = home / ".cache" / "huggingface" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("hf_stored\n")
    token.chmod(0o644)
    found = look(synced)
    assert found["token"]["text"] == f"from {token}"
    assert found["token file"]["state"] == "warning"
    assert found["token file"]["hint"] == f"`chmod 600 {token}`"
    token.chmod(0o600)
    assert "token file" not in look(synced)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_token_file_that_tells_none_is_warned_of(
    synced: Cli, tmp_path: Path, content: bytes | None
) -> None:
    """A folder, an empty file, no text: other commands go on as if it were not there."""
    token = tmp_path / "token"
    token.mkdir() if content is None else token.write_bytes(content)
    found = look(synced, HF_TOKEN_PATH=str(token))
    assert found["token"]["text"] == "none: public models alone"
    assert found["token file"]["state"] == "warning"
    assert str(token) in found["token file"]["text"]
    assert "token file" not in look(synced, HF_TOKEN_PATH=str(tmp_path / "none"))


def test_a_token_of_a_netrc_is_found(synced: Cli, home: Path) -> None:
    """It is sent to the host that it is for, and named by its file."""
    netrc = home / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hidden\n")
    netrc.chmod(0o600)
    found = look(synced, NETRC=str(netrc), status=1)
    assert found["token"]["text"] == f"from {netrc}"
    assert "hidden" not in json.dumps(found)


def test_a_token_belongs_to_one_hub(synced: Cli) -> None:
    """One that is asked by a flag does not get it, and the report says whose it is."""
    found = look(synced, "--endpoint", synced.hub.endpoint.replace("127.0.0.1", "localhost"), HF_TOKEN="hf_x")
    assert found["token"]["text"] == (
        f"none: public models alone; the one that is here belongs to {synced.hub.endpoint}"
    )
    assert found["endpoint"]["text"].endswith("(--endpoint)")


def test_a_hub_that_is_not_there_is_a_finding(synced: Cli) -> None:
    """The whole report comes all the same, with a hint; status 1."""
    found = look(synced, HF_ENDPOINT="http://127.0.0.1:9", status=1)
    assert found["request"]["state"] == "wrong"
    assert "127.0.0.1:9" in found["request"]["text"]
    assert found["request"]["hint"]
    assert found["lock"]["state"] == "fine"


def test_what_is_no_endpoint_is_one_finding(synced: Cli) -> None:
    """With who says so and what one looks like; nothing else is wrong for it."""
    found = look(synced, HF_ENDPOINT="ftp://hub.example", status=1)
    assert [name for name, each in found.items() if each["state"] == "wrong"] == ["endpoint"]
    assert found["endpoint"]["text"].endswith("(HF_ENDPOINT)")
    assert "https://huggingface.co" in found["endpoint"]["hint"]


@pytest.mark.parametrize(("status", "state"), [(404, "fine"), (502, "warning"), (429, "warning")])
def test_what_a_hub_answers_has_a_meaning(synced: Cli, status: int, state: str) -> None:
    """A mirror that knows no such question is well; one that is ill for now is not; each is asked once."""
    synced.hub.misbehave(Status(status), where="hub", match="/api/whoami-v2", times=None)
    assert look(synced)["request"]["state"] == state
    assert len(synced.hub.seen()) == 1


def test_a_login_page_is_no_hub(synced: Cli) -> None:
    """What answers with something else than JSON is told of."""
    synced.hub.file("/page/api/whoami-v2", b"<html>please log in</html>")
    url = synced.hub.file("/page/x", b"").rpartition("/")[0]
    assert "not as a hub does" in look(synced, HF_ENDPOINT=url, status=1)["request"]["text"]


def test_proxies_and_certificates_are_told_without_their_secrets(synced: Cli) -> None:
    """The proxy of the endpoint, without user and password; certificates that are not there are wrong."""
    hub, way = "https://hub.invalid", "http://me:hidden@127.0.0.1:9"
    found = look(synced, "--offline", HF_ENDPOINT=hub, HTTPS_PROXY=way)
    assert found["proxy"]["text"] == "http://127.0.0.1:9"
    assert "hidden" not in json.dumps(found)
    found = look(synced, "--offline", HF_ENDPOINT=hub, SSL_CERT_FILE="/nowhere.pem", status=1)
    assert found["certificates"]["state"] == "wrong"
    assert look(synced, "--offline", REQUESTS_CA_BUNDLE="/x.pem")["REQUESTS_CA_BUNDLE"]["state"] == "note"


def test_the_users_configuration_is_read(synced: Cli, tmp_path: Path) -> None:
    """How much is in it, and what is wrong with it, with its line."""
    config = tmp_path / "config.toml"
    config.write_text('insecure-hosts = ["files.lan"]\n')
    assert look(synced, MODELSYNC_CONFIG=str(config))["config.toml"]["state"] == "fine"
    config.write_text('insecure-host = ["files.lan"]\n')
    found = look(synced, MODELSYNC_CONFIG=str(config), status=1)
    assert "did you mean `insecure-hosts`" in found["config.toml"]["text"]


# --- variables -----------------------------------------------------------------------------------------


def test_variables_that_nobody_reads_are_named(synced: Cli) -> None:
    """With the one that was meant; what is an option's, or another tool's, is no mistake."""
    found = look(
        synced,
        MODELSYNC_STORES="/x",
        HF_TOKN="x",
        HF_HUB_ENABLE_HF_TRANSFER="1",
        MODELSYNC_NO_PROGRESS="1",
        MODELSYNC_LINK_MODE="copy",
        MODELSYNC_QUIET="",
        MODELSYNC_XYZZY="x",
    )
    assert found.pop("MODELSYNC_XYZZY")["hint"] == "unset it"
    assert found["MODELSYNC_STORES"]["hint"] == "did you mean MODELSYNC_STORE?"
    assert found["HF_TOKN"]["hint"] == "did you mean HF_TOKEN?"
    assert {name for name in found if name.isupper() and "_" in name} == {"MODELSYNC_STORES", "HF_TOKN"}


def test_a_variable_that_cannot_be_is_a_finding(synced: Cli) -> None:
    """Where every other command ends, the doctor goes on and says so."""
    synced("sync", status=2, MODELSYNC_HTTP_TIMEOUT="soon")
    found = look(synced, MODELSYNC_HTTP_TIMEOUT="soon", MODELSYNC_MAX_RATE="much", status=1)
    assert found["MODELSYNC_HTTP_TIMEOUT"]["state"] == found["MODELSYNC_MAX_RATE"]["state"] == "wrong"
    assert found["request"]["state"] == "fine"


def test_an_endpoint_with_a_login_is_asked_without_it_and_never_shown(synced: Cli) -> None:
    """The token goes to no other hub for it; other commands end."""
    ill = synced.hub.endpoint.replace("://", "://me:hidden@")
    found = look(synced, HF_ENDPOINT=ill, status=1)
    assert found["HF_ENDPOINT"]["state"] == "wrong"
    assert found["endpoint"]["text"] == f"{synced.hub.endpoint} (HF_ENDPOINT)"
    assert found["request"]["state"] == "fine"
    for words, variables in (
        (("path", f"hf:{REPO}:F16"), {"HF_ENDPOINT": ill}),
        (("sync", "--endpoint", ill), {}),
    ):
        done = synced(*words, status=2, variables=variables)
        assert "holds a user or a password" in done.err
        assert "hidden" not in json.dumps(found) + done.err


@posix
def test_a_user_without_a_home(synced: Cli, tmp_path: Path) -> None:
    """In a container that runs as some number, it needs to name its store; a folder called `~` is not its own."""
    own = synced.folder / "~" / ".config" / "modelsync"
    own.mkdir(parents=True)
    (own / "config.toml").write_text("broken")
    script = tmp_path / "homeless.py"
    script.write_text(
        "import os, pwd, sys\n"
        "os.environ.pop('HOME')\n"
        "def nobody(_): raise KeyError\n"
        "pwd.getpwuid = nobody\n"
        "from modelsync.__main__ import main\n"
        "main()\n"
    )

    def run(*words: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in {**os.environ, **variables}.items() if value is not None}
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            kept.pop(name, None)
        kept["PYTHONPATH"] = str(Path(modelsync.__file__).parents[1])
        return subprocess.run(
            [sys.executable, str(script), *words],
            cwd=synced.folder,
            env=kept,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("path", f"hf:{REPO}:Q8_0", HF_HOME=None)
    assert done.returncode == 0, done.stderr
    done = run("path", "tiny", MODELSYNC_STORE=None)
    assert done.returncode == 2
    assert "no home folder to keep the store in" in done.stderr
    assert "set MODELSYNC_STORE" in done.stderr
    done = run("doctor", MODELSYNC_STORE=None)
    assert done.returncode == 1
    assert "no home folder to keep the store in" in done.stdout
    assert "answers in" in done.stdout


def test_a_path_variable_is_held_against_the_disk_and_the_manifest(synced: Cli) -> None:
    """A file that is not there is wrong, a name that no model has is worth a note."""
    found = look(synced, MODELSYNC_PATH_TINY="/nowhere.gguf", status=1)
    assert found["MODELSYNC_PATH_TINY"]["state"] == "wrong"
    found = look(synced, MODELSYNC_LORA_TINY_2="/nowhere.gguf", MODELSYNC_DRAFT_TINY=__file__, status=1)
    assert found["MODELSYNC_LORA_TINY_2"]["state"] == "wrong"
    assert found["MODELSYNC_DRAFT_TINY"]["hint"] is None
    found = look(synced, MODELSYNC_MMPROJ_TINI=__file__)
    assert found["MODELSYNC_MMPROJ_TINI"]["hint"] == "did you mean MODELSYNC_MMPROJ_TINY?"
    found = look(synced, MODELSYNC_PATH_TINI=__file__)
    assert found["MODELSYNC_PATH_TINI"]["hint"] == "did you mean MODELSYNC_PATH_TINY?"
    found = look(synced, MODELSYNC_PATH_TINY=str(synced.folder))
    assert found["MODELSYNC_PATH_TINY"]["state"] == "note"  # a folder model's


# --- the project and the store -------------------------------------------------------------------------


def test_the_states_of_a_project(cli: Cli) -> None:
    """Not locked and stale are wrong, not synced is a warning, and a bad manifest is told with its line."""
    assert look(cli, status=1)["lock"]["text"] == "there is no models.lock"
    cli("lock")
    assert look(cli)["models here"]["text"] == "0 of 1; not as the lock says: tiny"
    cli.write(f'[models]\ntiny = "hf:{REPO}:Q8_0"\n')
    assert "is stale" in look(cli, status=1)["lock"]["text"]
    cli.write("[models]\ntiny = 5\n")
    assert "models.toml:2" in look(cli, status=1)["manifest"]["text"]
    cli.write(MANIFEST)
    cli.lock.write_text("version = 99\n")
    assert look(cli, status=1)["lock"]["state"] == "wrong"


def test_a_variant_that_no_model_has_is_told(synced: Cli) -> None:
    """Every sync warns of it; `auto` is always one."""
    found = look(synced, MODELSYNC_VARIANT="nope")["variant"]
    assert (found["state"], found["hint"]) == ("warning", "variants in the manifest: none")
    assert "variant" not in look(synced, MODELSYNC_VARIANT="auto")


def test_a_folder_of_the_project_is_tried(cli: Cli) -> None:
    """How its files come there; nothing is left in it."""
    cli.write('[modelsync]\ndir = "models"\n' + MANIFEST)
    cli("-q", "sync")
    before = sorted((cli.folder / "models").iterdir())
    found = look(cli)["links to project"]
    assert found["state"] == "fine"
    assert "links, in" in found["text"]
    assert sorted((cli.folder / "models").iterdir()) == before


def test_a_store_that_cannot_be_written_is_wrong(synced: Cli, tmp_path: Path) -> None:
    """With the variable that mends it."""
    (tmp_path / "file").write_text("")
    found = look(synced, MODELSYNC_STORE=str(tmp_path / "file" / "store"), status=1)
    assert found["writable"]["state"] == "wrong"
    assert "MODELSYNC_STORE" in found["writable"]["hint"]


def test_readonly_stores_are_looked_at(synced: Cli, tmp_path: Path, store_root: Path) -> None:
    """One that is not there is a warning, an empty one a note, a good one is well."""
    (tmp_path / "empty").mkdir()
    places = [store_root, tmp_path / "empty", tmp_path / "gone"]
    run = synced("doctor", "--format", "json", MODELSYNC_READONLY_STORES=os.pathsep.join(map(str, places)))
    (store,) = (group for group in run.json["groups"] if group["name"] == "store")
    states = [each["state"] for each in store["findings"] if each["name"] == "read-only store"]
    assert states == ["fine", "note", "warning"]


def test_what_a_hub_says_reaches_no_terminal_as_it_is(synced: Cli) -> None:
    """A name with an escape in it is written out."""
    synced.hub.misbehave(Headers({"X-Error-Message": "\x1b[31mred"}), where="hub", times=None)
    assert "\x1b" not in synced("doctor").out


def test_the_logins_of_registries_are_told(synced: Cli, home: Path) -> None:
    """Which registry has what, and where from, without its secret; a helper that is not here is warned of."""
    path = home / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text(
        '{"auths": {"r.example": {"username": "me", "password": "s3cret"}}, "credHelpers": {"h.example": "nobody-has"}}'
    )
    found = look(synced)
    assert found["r.example"]["text"] == f"password ({path})"
    assert found["h.example"]["state"] == "warning"
    assert "docker-credential-nobody-has" in found["h.example"]["text"]
    assert "s3cret" not in str(found)


def test_mirrors_are_asked_for_one_file_each(synced: Cli, tmp_path: Path) -> None:
    """Who named each, whether it answers, and whether it has what is locked; without a network, folders alone."""
    data = QUANTS["tiny-Q4_K_M.gguf"]
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / sha256(data)).write_bytes(data)
    with web_mirror([data]) as mine, registry_mirror() as theirs, web_mirror([], REFUSES) as shut:
        synced.write(f'[modelsync]\nmirrors = ["{theirs.url}"]\n{MANIFEST}')
        named = f"{mine.url} {folder} {shut.url} http://127.0.0.1:9/x"
        found = look(synced, MODELSYNC_MIRRORS=named)
        assert found[mine.url]["text"].startswith("yours; answers in ")
        assert found[mine.url]["text"].endswith(", has tiny-Q4_K_M.gguf")
        assert found[theirs.url]["text"].startswith(
            "the manifest's, used for what the hub lists; answers in "
        )
        assert found[theirs.url]["text"].endswith(", does not have tiny-Q4_K_M.gguf")
        assert found[str(folder)]["text"] == "yours; a folder of this machine, has tiny-Q4_K_M.gguf"
        assert found[shut.url]["state"] == "warning"
        assert "401" in found[shut.url]["text"]
        assert found["http://127.0.0.1:9/x"]["state"] == "warning"
        assert [method for method, _, _ in mine.asked] == ["HEAD"]
        found = look(synced, "--offline", MODELSYNC_MIRRORS=named)
        assert "the network is ruled out" in found[mine.url]["text"]
        assert found[str(folder)]["state"] == "fine"
        assert len(mine.asked) == 1


def test_a_mirror_with_other_bytes_is_warned_of(synced: Cli) -> None:
    """A login page for every digest; without a lock, what is refused shows no digest that no person knows."""

    def page(_: Request, __: bytes) -> Reply:
        return text(200, "<html>please log in")

    with web_mirror([], page) as odd, web_mirror([], REFUSES) as shut:
        found = look(synced, MODELSYNC_MIRRORS=f"{odd.url} {shut.url}")
        assert found[odd.url]["state"] == "warning"
        assert "but with 19 B for tiny-Q4_K_M.gguf" in found[odd.url]["text"]
        synced.lock.unlink()
        found = look(synced, status=1, MODELSYNC_MIRRORS=f"{odd.url} {shut.url}")
        assert found[odd.url]["state"] == "warning"
        assert f"{shut.url} answered 401" in found[shut.url]["text"]


def test_mirrors_that_are_ruled_out_or_alone_are_told(synced: Cli) -> None:
    """`MODELSYNC_NO_MIRRORS` asks none; with `MODELSYNC_MIRROR_ONLY` the hub is not asked."""
    assert "MODELSYNC_NO_MIRRORS" in look(synced, MODELSYNC_NO_MIRRORS="1")["mirrors"]["text"]
    found = look(synced, MODELSYNC_MIRROR_ONLY="1")
    assert (found["mirrors"]["state"], found["request"]["state"]) == ("warning", "note")
    assert "config.toml" in found["mirrors"]["hint"]
    assert [seen.path for seen in synced.hub.seen()] == ["/api/whoami-v2"]  # of the first


def test_where_the_users_file_would_be_is_told(synced: Cli, tmp_path: Path) -> None:
    """Where there is none yet, its place is what a person looks for."""
    text = look(synced, XDG_CONFIG_HOME=str(tmp_path / "config"))["config.toml"]["text"]
    assert text.startswith("none; it would be ")
    assert text.endswith("config.toml")
