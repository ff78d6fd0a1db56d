"""`run -- CMD…`: sync, then the command in our stead."""

import json
import sys
from pathlib import Path

from tests.support.command_line import Cli
from tests.support.content import gguf
from tests.support.project import MANIFEST, REPO

SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], {k: v for k, v in os.environ.items() if '_PATH_' in k}]))"


def test_the_command_gets_the_paths_its_words_and_stdout(cli: Cli) -> None:
    """Synced first; then stdout, the words after `--` and the exit status are the command's own."""
    cli.write(MANIFEST + f'"with.dots" = "hf:{REPO}:Q8_0"\n')
    done = cli("run", "--", sys.executable, "-c", SHOW, "--format", "json", "-q")
    words, paths = json.loads(done.out)
    assert words == ["--format", "json", "-q"]
    assert Path(paths["MODELSYNC_PATH_TINY"]).read_bytes() == gguf("q4")
    assert Path(paths["MODELSYNC_PATH_WITH_DOTS"]).read_bytes() == gguf("q8", 5000)
    assert " + tiny       Q4_K_M  2.9 KiB" in done.err
    again = cli("run", sys.executable, "-c", "import sys; sys.exit(7)", status=7)
    assert (again.out, again.err) == ("", "")


def test_groups_variant_and_no_sync(cli: Cli) -> None:
    """The flags of a sync select what is set; `--no-sync` fetches nothing, and fails where something is missing."""
    cli.write(
        f'{MANIFEST}[models.chat]\nuri = "hf:{REPO}:Q4_K_M"\ngroups = ["chat"]\n'
        f'variants = {{ big = {{ uri = "hf:{REPO}:Q8_0" }} }}\n'
    )
    cli("lock", "-q")
    missing = cli("run", "--no-sync", "--", sys.executable, "-c", SHOW, status=1)
    assert missing.err.splitlines()[-1] == "hint: run `modelsync sync`"
    assert cli.hub.seen("cdn") == []
    done = cli(
        "run", "--only-group", "chat", "--variant", "big", "--locked", "--", sys.executable, "-c", SHOW
    )
    _, paths = json.loads(done.out)
    assert list(paths) == ["MODELSYNC_PATH_CHAT"]
    assert Path(paths["MODELSYNC_PATH_CHAT"]).read_bytes() == gguf("q8", 5000)


def test_a_command_that_is_not_there_is_127_and_one_that_cannot_run_126(synced: Cli) -> None:
    """As a shell would say it."""
    assert synced("run", "--", "no-such-program", status=127).err == (
        "error: there is no command `no-such-program`\nhint: what stands after `--` is run as it is\n"
    )
    (synced.folder / "plain.txt").write_text("no program")
    assert "cannot run" in synced("run", "--", "./plain.txt", status=126).err
    value = synced("--format", "json", "run", "no-such-program", status=127).json
    assert value["error"]["code"] == "not-found"
    assert "there is no command to run" in synced("run", status=2).err
