"""Logins of registries, as docker and podman leave them."""

import base64
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import ConfigError
from modelsync.net.logins import Login, Logins

HUB = "https://index.docker.io/v1/"


def coded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def write(path: Path, **said: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said))
    return path


def helper(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential helper on the PATH; it notes what it was asked in `asked`."""
    folder.mkdir(exist_ok=True)
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!{sys.executable}\nimport json, sys\nasked = sys.stdin.read()\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_dockers_file_is_read(home: Path) -> None:
    """A password, an identity token and a registry token, each for its host; an empty entry is none."""
    write(
        home / ".docker" / "config.json",
        auths={
            "r.example": {"auth": coded("me", "pa:ss")},
            "https://old.example/v1/": {"username": "me", "password": "pw"},
            "azure.example": {"auth": coded("00000000", ""), "identitytoken": "id"},
            "token.example:5000": {"registrytoken": "bearer"},
            "empty.example": {},
            HUB: {"auth": coded("hubber", "pw")},
        },
    )
    logins = Logins()
    source = str(home / ".docker" / "config.json")
    assert logins.find("r.example", "team/models") == Login(source, "me", "pa:ss")
    assert logins.find("old.example") == Login(source, "me", "pw")
    assert logins.find("azure.example") == Login(source, "00000000", identity="id")
    assert logins.find("token.example:5000") == Login(source, bearer="bearer")
    assert logins.find("empty.example") is None
    assert logins.find("token.example") is None
    for name in ("docker.io", "registry-1.docker.io", "index.docker.io"):
        found = logins.find(name, "ai/gemma")
        assert found is not None
        assert found.user == "hubber"


def test_what_docker_reads_is_read(home: Path) -> None:
    """An entry that is null is none, and lines in base64 are one: neither costs the other logins of the file."""
    auth = coded("me", "pw")
    wrapped = f"{auth[:4]}\r\n{auth[4:]}\n"
    write(home / ".docker" / "config.json", auths={"a.example": None, "b.example": {"auth": wrapped}})
    assert Logins().find("a.example") is None
    found = Logins().find("b.example")
    assert found is not None
    assert (found.user, found.password) == ("me", "pw")


def test_variables_name_other_files(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`DOCKER_AUTH_CONFIG` comes first, then `REGISTRY_AUTH_FILE`, docker's, and podman's files."""
    entry = {"r.example": {"auth": coded("podman-config", "pw")}}
    write(home / ".config" / "containers" / "auth.json", auths=entry)
    steps = ["podman-config"]

    def user() -> str:
        found = Logins().find("r.example")
        assert found is not None
        return found.user

    assert user() == "podman-config"
    for name, variable, value in (
        ("podman-run", "XDG_RUNTIME_DIR", tmp_path / "run"),
        ("docker", "DOCKER_CONFIG", tmp_path / "docker"),
        ("named", "REGISTRY_AUTH_FILE", tmp_path / "named.json"),
    ):
        ending = {"podman-run": "containers/auth.json", "docker": "config.json", "named": ""}[name]
        write(value / ending if ending else value, auths={"r.example": {"auth": coded(name, "pw")}})
        monkeypatch.setenv(variable, str(value))
        steps.append(user())
    said = json.dumps({"auths": {"r.example": {"auth": coded("variable", "pw")}}})
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", said)
    assert [*steps, user()] == ["podman-config", "podman-run", "docker", "named", "variable"]


def test_the_longest_namespace_wins(home: Path) -> None:
    """Podman keeps logins for parts of a registry."""
    users = {"r.example": "all", "r.example/team": "team", "r.example/team/models": "models"}
    write(
        home / ".config" / "containers" / "auth.json",
        auths={key: {"auth": coded(user, "pw")} for key, user in users.items()},
    )
    found = [Logins().find("r.example", name) for name in ("other", "team/x", "team/models", "teams/x")]
    assert [each.user for each in found if each] == ["all", "team", "models", "all"]


def test_a_helper_is_asked(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`credHelpers` beats `credsStore` beats `auths`; what a helper says is asked for once, and kept nowhere."""
    log = tmp_path / "log"
    helper(
        tmp_path / "bin",
        "mine",
        f"open({str(log)!r}, 'a').write(asked + '\\n')\n"
        "user = '<token>' if 'token' in asked else 'helped'\n"
        "print(json.dumps({'ServerURL': asked, 'Username': user, 'Secret': 's3cret'}))",
        monkeypatch,
    )
    helper(
        tmp_path / "bin",
        "store",
        "print('credentials not found in native keychain') or sys.exit(1)",
        monkeypatch,
    )
    path = write(
        home / ".docker" / "config.json",
        credHelpers={"r.example": "mine", "token.example": "mine", "docker.io": "mine"},
        credsStore="store",
        auths={"r.example": {"auth": coded("me", "pw")}, "other.example": {"auth": coded("me", "pw")}},
    )
    before = path.read_bytes()
    logins = Logins()
    for _ in range(2):
        found = logins.find("r.example", "a/b")
        assert found is not None
        assert (found.user, found.password) == ("helped", "s3cret")
        assert "docker-credential-mine" in found.source
    token, hub, other = (logins.find(name) for name in ("token.example", "docker.io", "other.example"))
    assert (token and token.identity, other and other.user) == ("s3cret", "me")
    assert hub is not None
    assert log.read_text().split() == ["r.example", "token.example", HUB]
    assert path.read_bytes() == before


def test_a_helper_that_is_not_here_has_nothing(home: Path) -> None:
    """A configuration that was brought from another machine forbids no public repository; `known` says so."""
    write(home / ".docker" / "config.json", credsStore="desktop", auths={"r.example": {}})
    logins = Logins()
    assert logins.find("r.example") is None
    assert [(each.how, each.fault) for each in logins.known()] == [
        ("docker-credential-desktop", "it is not on the PATH")
    ]


@pytest.mark.parametrize("script", ["sys.exit('locked')", "print('nonsense')", "print('[]')"])
def test_a_helper_that_fails_is_told(
    script: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its name, and the file that names it."""
    helper(tmp_path / "bin", "bad", script, monkeypatch)
    write(home / ".docker" / "config.json", credHelpers={"r.example": "bad"})
    with pytest.raises(ConfigError, match="docker-credential-bad") as error:
        Logins().find("r.example")
    assert "config.json" in str(error.value.hint)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"auths": [1]}', '{"auths": {"x": 3}}', '{"credHelpers": {"x": 3}}']
)
def test_a_file_that_makes_no_sense_is_told(content: str, home: Path) -> None:
    """By its path; none of what is in it is shown."""
    path = write(home / ".docker" / "config.json")
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"config\.json is no docker configuration"):
        Logins().find("r.example")


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_repr_shows_no_secret(user: str, secret: str) -> None:
    """Neither of a login nor of what doctor shows."""
    assert repr(Login("file", user, secret, secret, secret)) == "<Login from file>"


def test_what_is_known_names_no_secret(home: Path) -> None:
    """Each registry, and what there is for it."""
    write(
        home / ".docker" / "config.json",
        auths={"a.example": {"auth": coded("me", "s3cret")}, "b.example": {"identitytoken": "s3cret"}},
    )
    found = list(Logins().known())
    assert [(each.registry, each.how) for each in found] == [
        ("a.example", "password"),
        ("b.example", "identity token"),
    ]
    assert "s3cret" not in str(found)
