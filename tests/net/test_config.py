"""The user's config.toml: what it says of hosts, and where it is wrong."""

import os
from pathlib import Path

import platformdirs
import pytest

from modelsync.errors import ConfigError
from modelsync.net.config import UserConfig, load

GOOD = """\
insecure-hosts = ["files.lan", "Files.lan:8080", "[fd00::1]:80"]

[hosts."Files.Corp.example"]
headers = { Authorization = "Bearer ${TEAM_TOKEN}", X-Team = "red" }

[hosts."127.0.0.1:8080".headers]
PRIVATE-TOKEN = "abc"
"""


def test_hosts_and_their_headers_are_read(tmp_path: Path) -> None:
    """Hosts in any case, with a port or without; variables are left as they stand until they are sent."""
    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    assert load(path) == UserConfig(
        headers={
            "files.corp.example": {"Authorization": "Bearer ${TEAM_TOKEN}", "X-Team": "red"},
            "127.0.0.1:8080": {"PRIVATE-TOKEN": "abc"},
        },
        insecure_hosts=frozenset({"files.lan", "files.lan:8080", "[fd00::1]:80"}),
        path=path,
    )


def test_folders_to_look_through_are_whole_paths(tmp_path: Path, home: Path) -> None:
    """`~` is the user's home."""
    path = tmp_path / "config.toml"
    path.write_text(f'extra-caches = ["{tmp_path.as_posix()}", "~/models"]\n')
    assert load(path).extra_caches == (tmp_path, home / "models")


def test_it_is_looked_for_where_the_platform_keeps_such_files(home: Path) -> None:
    """Without a path it is the one in the user's config folder, and no file is no setting."""
    assert load(None) == UserConfig()
    folder = Path(platformdirs.user_config_dir("modelsync", appauthor=False))
    assert folder.is_relative_to(home)
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(GOOD)
    assert "files.lan" in load(None).insecure_hosts


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    """A wrong MODELSYNC_CONFIG is not passed over."""
    with pytest.raises(ConfigError, match="not there") as error:
        load(tmp_path / "nothing.toml")
    assert "MODELSYNC_CONFIG" in str(error.value.hint)
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x = [", 1, "the list that begins here is not closed"),
        ("\ninsecure-host = []", 2, "did you mean `insecure-hosts`"),
        ('insecure-hosts = "files.lan"', 1, "insecure-hosts: a list is expected"),
        ('insecure-hosts = ["http://files.lan"]', 1, "a host or host:port"),
        ('insecure-hosts = ["me@files.lan"]', 1, "a host or host:port"),
        ("insecure-hosts = [3]", 1, "a host or host:port"),
        ('extra-caches = "/data"', 1, "extra-caches: a list is expected"),
        ("extra-caches = [3]", 1, "text in quotes is expected"),
        ('extra-caches = ["models"]', 1, "the whole path of a folder is expected"),
        ("hosts = 3", 1, "hosts: a table is expected"),
        ('[hosts."a.example"]\nheader = {}', 2, "did you mean `headers`"),
        ('[hosts."a.example"]\nheaders = 3', 2, "a table is expected"),
        ('[hosts."a.example"]\nheaders = { A = 3 }', 2, "text in quotes is expected"),
        ('[hosts."a.example"]\nheaders = { "A B" = "secret" }', 2, "characters"),
        ('[hosts."a.example"]\nheaders = { A = "secret\\n" }', 2, "characters"),
        ('[hosts."a.example"]\nheaders = { Host = "secret" }', 2, "set by modelsync itself"),
        ('[hosts."a.example/x"]\nheaders = {}', 1, "a host or host:port"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    """An error names the file, the line, the key and what would be right; never a header's value."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load(path)
    assert f"{path}:{line}: " in str(error.value)
    assert words in str(error.value)
    assert "secret" not in f"{error.value} {error.value.hint}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name")
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    """It is refused by its name."""
    path = tmp_path / "config.toml"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match=r"config\.toml cannot be read: it is no regular file"):
        load(path)


def test_a_file_is_read_no_further_than_its_bound(tmp_path: Path) -> None:
    """A gigabyte is refused without being read; what is within the bound is read, in characters of any width."""
    path = tmp_path / "config.toml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(3 << 20)
        file.write(b"\xff")  # no text: whoever reads this far says so
    with pytest.raises(ConfigError) as error:
        load(path)
    assert "utf-8" not in str(error.value)
    path.write_text("#" + "\N{BLACK STAR}" * ((1 << 20) - 1), "utf-8")
    assert load(path) == UserConfig(path=path)


def test_the_null_device_is_a_file_with_nothing_in_it() -> None:
    """MODELSYNC_CONFIG=/dev/null is how to have no settings."""
    assert load(Path(os.devnull)).insecure_hosts == frozenset()
