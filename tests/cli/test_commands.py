"""`path`, `list`, `verify`, `pull`, `cache`: data on stdout, words on stderr."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelsync.spec.blocks import SIZE
from tests.support.command_line import COMMAND, Cli
from tests.support.content import damage, gguf
from tests.support.project import MANIFEST, REPO

GONE = f" - {REPO}:Q4_K_M  2.9 KiB\nremoved 1 file, 2.9 KiB\n"


def test_path_prints_one_path_and_nothing_else(synced: Cli) -> None:
    """By name and by URI; whatever else there is to say goes to stderr."""
    done = synced("path", "tiny")
    assert (done.err, done.out.count("\n")) == ("", 1)
    assert Path(done.out.strip()).read_bytes() == gguf("q4")
    fetched = synced("path", f"hf:{REPO}:Q8_0")
    assert Path(fetched.out.strip()).read_bytes() == gguf("q8", 5000)
    assert synced("path", f"hf:{REPO}:Q8_0", "--offline").out == fetched.out
    assert "did you mean `tiny`?" in synced("path", "tinny", status=1).err


def test_path_all_prints_every_file(cli: Cli) -> None:
    """Parts in order, then the projector, one a line."""
    cli.repo.commit(
        {
            "big-F16-00001-of-00002.gguf": gguf("p1"),
            "big-F16-00002-of-00002.gguf": gguf("p2"),
            "mmproj-F16.gguf": gguf("mm"),
        }
    )
    cli.write(f'[models.big]\nuri = "hf:{REPO}/big-F16-00001-of-00002.gguf"\nmmproj = true\n')
    cli("-q", "sync")
    names = [Path(line).name for line in cli("path", "big", "--all").out.splitlines()]
    assert names == ["big-F16-00001-of-00002.gguf", "big-F16-00002-of-00002.gguf", "mmproj-F16.gguf"]
    assert cli("path", "big").out.strip().endswith("/big-F16-00001-of-00002.gguf")
    files = cli("path", "big", "--format", "json").json["files"]
    assert [Path(part).name for part in files["parts"]] == names[:2]
    assert (Path(files["mmproj"]).name, files["loras"]) == ("mmproj-F16.gguf", [])


def test_path_answers_with_the_variable_before_every_other_place(empty: Cli, tmp_path: Path) -> None:
    """`MODELSYNC_PATH_<NAME>` needs neither a manifest nor a store."""
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(gguf("mine"))
    assert empty("path", "tiny", MODELSYNC_PATH_TINY=str(mine)).out == f"{mine}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names files with any bytes")
def test_path_prints_the_bytes_of_the_file_system(cli: Cli) -> None:
    """A folder whose name is no text comes out byte for byte, and escaped in JSON."""
    folder = Path(os.fsdecode(os.fsencode(cli.folder) + b"/od\xffd"))
    folder.mkdir()
    cli.folder = folder
    cli.write(f'[modelsync]\ndir = "models"\n{MANIFEST}')
    cli("-q", "sync")
    out = subprocess.run([*COMMAND, "path", "tiny"], cwd=folder, capture_output=True, check=True).stdout
    assert out == os.fsencode(folder) + b"/models/tiny/tiny-Q4_K_M.gguf\n"
    assert cli("path", "tiny", "--format", "json").json["path"] == os.fsdecode(out[:-1])


def test_list_shows_what_is_wanted_locked_and_here(synced: Cli) -> None:
    """A table on stdout: empty columns left out, numbers right; the same as rows."""
    synced.write(
        f'{MANIFEST}[models.server]\nuri = "hf:{REPO}:Q8_0"\ngroups = ["b", "a"]\n'
        f'[models.tiny2]\nuri = "hf:{REPO}:Q4_K_M"\n[models.tiny2.variants.big]\nuri = "hf:{REPO}:Q8_0"\n'
    )
    commit = synced.commit[:7]
    assert synced("list").out.splitlines() == [
        "NAME    VARIANT  QUANT      SIZE  REVISION  GROUPS  STATE",
        f"tiny             Q4_K_M  2.9 KiB  {commit}           here",
        "server                                      b,a     unlocked",
        "tiny2                                               unlocked",
        "tiny2   big                                         unlocked",
    ]
    rows = synced("list", "--format", "json").json["rows"]
    assert [(row["name"], row["state"], row["size"]) for row in rows[:2]] == [
        ("tiny", "here", 3000),
        ("server", "unlocked", None),
    ]
    assert f"hf:{REPO}:Q8_0" in synced("list", "-v").out


def test_verify_finds_damage_and_sync_mends_it(synced: Cli, store_root: Path) -> None:
    """A row for each file; status 1 when one is damaged; the same as rows with the error beside them."""
    good = synced("verify")
    assert good.out.splitlines()[1].split() == ["tiny", "tiny-Q4_K_M.gguf", "2.9", "KiB", "ok"]
    assert good.err.startswith("all is well: 1 file, 2.9 KiB checked in ")
    assert synced("verify", "tiny", "--full", "--format", "json").json["rows"][0]["status"] == "ok"
    (blob,) = (store_root / "blobs-v1").glob("*/*")
    blob.chmod(0o644)
    blob.write_bytes(gguf("rotten"))
    bad = synced("verify", status=1)
    assert bad.out.split()[-1] == "damaged"
    assert bad.err == (
        "error: 1 file is damaged\nhint: `modelsync verify --repair` fetches what is damaged\n"
    )
    value = synced("verify", "--format", "json", status=1).json
    assert (value["rows"][0]["status"], value["error"]["code"]) == ("damaged", "hash-mismatch")
    synced("sync")
    synced("verify", "--full")


def test_verify_says_which_blocks_are_damaged_and_repairs_them(cli: Cli, store_root: Path) -> None:
    """In words and in JSON; what was fetched and what was reused; status 0 when all is repaired, else the error's."""
    data = gguf("big", 2 * SIZE + 100)
    cli.repo.commit({"tiny-Q4_K_M.gguf": data})
    cli("-q", "sync")
    (blob,) = (store_root / "blobs-v1").glob("*/*")
    damage(blob, SIZE)
    bad = cli("verify", status=1)
    assert bad.out.splitlines()[0].split()[-1] == "DAMAGED"
    assert bad.out.splitlines()[1].endswith("damaged  1 of 3 blocks (16 to 32 MiB)")
    (row,) = cli("verify", "--format", "json", status=1).json["rows"]
    assert row["damaged"] == [{"start": SIZE, "end": 2 * SIZE}]
    offline = cli("verify", "--repair", "--offline", status=1)
    assert "the network is ruled out" in offline.err
    value = cli("verify", "--repair", "--format", "json").json
    assert (value["rows"][0]["status"], value["bytes_fetched"], value["bytes_reused"]) == (
        "repaired",
        SIZE,
        SIZE + 100,
    )
    damage(blob, 5)
    done = cli("verify", "--repair", "--no-progress")
    assert done.out.splitlines()[1].endswith("repaired  1 of 3 blocks (0 to 16 MiB)")
    assert done.err.startswith("1 file is repaired: 16.0 MiB fetched, 16.0 MiB reused, ")
    assert blob.read_bytes() == data


def test_pull_fetches_without_a_manifest(empty: Cli) -> None:
    """Into the store, or as plain files; paths on stdout; what is here is not fetched again."""
    uris = [f"hf:{REPO}:Q4_K_M", f"hf:{REPO}:Q8_0"]
    done = empty("pull", *uris, "--no-progress")
    assert [Path(line).name for line in done.out.splitlines()] == ["tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"]
    assert done.err.splitlines()[:2] == [
        f" + hf:{REPO}:Q4_K_M  2.9 KiB",
        f" + hf:{REPO}:Q8_0    4.9 KiB",
    ]
    placed = empty("pull", *uris, "--dir", "out", "--no-progress")
    assert placed.out.splitlines() == [
        str(empty.folder / "out" / REPO / name) for name in ("tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf")
    ]
    assert (empty.folder / "out" / REPO / "tiny-Q8_0.gguf").read_bytes() == gguf("q8", 5000)
    again = empty("pull", *uris, "--dir", "out", "--format", "json")
    assert again.err == "nothing to do: everything is here\n"
    assert [one["action"] for one in again.json["pulled"]] == ["unchanged", "unchanged"]
    assert again.json["bytes_fetched"] == 0


def test_a_header_goes_to_the_servers_of_its_uris_alone(empty: Cli) -> None:
    """`--header` is sent to the origin of each URI that it is given with, and not to where that redirects."""
    url = empty.hub.file("/files/x.gguf", gguf("plain"))
    empty("pull", url, f"hf:{REPO}:Q4_K_M", "--header", "X-Team: red")
    sent = {
        server: [seen.headers.get("x-team") for seen in empty.hub.seen(server)] for server in ("hub", "plain")
    }
    assert sent["hub"]
    assert sent["plain"]
    assert {*sent["hub"], *sent["plain"]} == {"red"}
    assert {seen.headers.get("x-team") for seen in empty.hub.seen("cdn")} <= {None}
    empty.hub.clear()
    empty("pull", url, "--header", "X-Team: blue")
    assert {seen.headers.get("x-team") for seen in empty.hub.seen("plain")} == {"blue"}


def test_the_store_is_shown_pruned_and_emptied(synced: Cli, store_root: Path) -> None:
    """`cache dir|size|list|rm|prune|clean`, in models; `clean` asks first, and does nothing where nobody can answer."""
    assert synced("cache", "dir").out == f"{store_root}\n"
    assert synced("cache", "size").out.splitlines()[0].split() == ["files", "1", "2.9", "KiB"]
    listed = synced("cache", "list").out.splitlines()
    assert listed[0].split() == ["MODEL", "SIZE", "USED", "NEEDED", "BY"]
    assert listed[1].split()[:3] == [f"{REPO}:Q4_K_M", "2.9", "KiB"]
    assert listed[1].endswith(f"{synced.folder} (tiny)")
    every = synced("cache", "list", "-v").out
    assert f"needed by {synced.lock} (tiny)" in every
    assert "  tiny-Q4_K_M.gguf\n" in every
    assert synced("cache", "prune", "--now").err == "nothing to remove\n"
    refused = synced("cache", "clean", status=2)
    assert refused.err == "error: cache clean asks first, and stdin is not a terminal\nhint: --yes answers\n"
    assert "would remove 1 file" in synced("cache", "clean", "--dry-run").err
    assert synced("cache", "clean", "--dry-run").out == GONE.splitlines(keepends=True)[0]
    assert synced("cache", "size", "--format", "json").json["blobs"] == 1
    synced.lock.unlink()
    assert synced("cache", "prune", "--now").err == GONE
    synced("-q", "sync")
    (root,) = (store_root / "roots-v1").iterdir()
    root.write_text(root.read_text().replace('"place": "', '"place": "another'))
    synced.lock.unlink()
    assert synced("cache", "prune", "--now").err == "nothing to remove\n"
    assert synced("cache", "prune", "--all").err == GONE
    synced("-q", "sync")
    root.write_text("{")
    kept = synced("cache", "prune", "--now")
    assert "all files stay" in kept.err
    assert kept.err.endswith("nothing to remove\n")
    synced("-q", "sync")
    assert "\nremoved 1 file, " in synced("cache", "clean", "--yes").err
    empty = synced("cache", "list")
    assert (empty.out, empty.err) == ("", "the store is empty\n")
    assert synced("cache", "clean").err == "nothing to remove\n"
