"""Completion: the scripts, in a real shell where there is one, and what is offered."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import Cli
from tests.support.project import REPO

MANIFEST = f"""[models]
tiny = "hf:{REPO}:Q4_K_M"
[models.llama3]
uri = "hf:{REPO}:Q8_0"
groups = ["chat", "big"]
[models.llama3.variants.server]
uri = "hf:{REPO}:Q8_0"
[models.llava]
uri = "hf:{REPO}:Q8_0"
groups = ["vision"]
"""


@pytest.fixture
def offered(empty: Cli) -> "Offered":
    """A project with three models."""
    empty.write(MANIFEST)
    return Offered(empty)


class Offered:
    """What is offered at the end of a line."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli

    def __call__(self, line: str) -> list[str]:
        return [word for word, _ in self.entries(line)]

    def entries(self, line: str) -> list[tuple[str, str]]:
        """Each word with its description."""
        parts = [entry.split(",", 1)[1].partition("\t") for entry in self._lines(line)]
        return [(word, words) for word, _, words in parts]

    def kinds(self, line: str) -> set[str]:
        """What the shell is told to complete with."""
        return {entry.split(",", 1)[0] for entry in self._lines(line)}

    def _lines(self, line: str) -> list[str]:
        words = shlex.split(line) + ([""] if line.endswith(" ") else [])
        done = self.cli(
            _MODELSYNC_COMPLETE="fish_complete",
            COMP_WORDS=line,
            COMP_CWORD=words[-1],
        )
        return [entry for entry in done.out.splitlines() if entry]


def test_names_groups_variants_and_commands_are_offered(offered: Offered) -> None:
    """Of the nearest manifest, sorted; a name that is on the line already is not offered again."""
    assert offered("modelsync path ll") == ["llama3", "llava"]
    assert offered("modelsync sync ") == ["llama3", "llava", "tiny"]
    assert offered("modelsync sync tiny ll") == ["llama3", "llava"]
    assert offered("modelsync remove tiny ") == ["llama3", "llava"]
    assert offered("modelsync lock -P t") == ["tiny"]
    assert offered("modelsync sync --group ") == ["big", "chat", "vision"]
    assert offered("modelsync sync --variant s") == ["server"]
    assert offered("modelsync sync --variant llama3=") == ["llama3=auto", "llama3=server"]
    assert offered("modelsync sync --variant llama3=s") == ["llama3=server"]
    assert offered("modelsync sync --variant tiny=") == offered("modelsync sync --variant none=") == []
    assert offered("modelsync ca") == ["cache"]
    assert offered("modelsync cache ") == ["dir", "size", "list", "rm", "prune", "clean", "adopt"]
    assert "--link-mode" in offered("modelsync sync --li")


def test_the_manifest_that_the_line_names_is_read(offered: Offered) -> None:
    """`--manifest` and `--directory` count, before the command and after it."""
    offered.cli.folder = offered.cli.folder.parent
    assert offered("modelsync path ") == []
    assert offered("modelsync --manifest project/models.toml path t") == ["tiny"]
    assert offered("modelsync path --directory project t") == ["tiny"]


@pytest.mark.parametrize("manifest", ["[models", "models = 1", '[models]\n"\\u001b[31mx" = 1\nxy = 2'])
def test_a_manifest_that_is_wrong_is_no_error(offered: Offered, manifest: str) -> None:
    """What can be read is offered, but nothing that a terminal would obey; nothing is said."""
    offered.cli.write(manifest)
    assert offered("modelsync path x") in ([], ["xy"])
    assert offered("modelsync path ") in ([], ["xy"])


def test_completion_imports_nothing_heavy(offered: Offered) -> None:
    """It runs at every key press."""
    code = (
        "import os, sys, atexit; sys.argv = ['modelsync']\n"
        "os.environ |= {'_MODELSYNC_COMPLETE': 'zsh_complete', 'COMP_WORDS': 'modelsync path ', 'COMP_CWORD': '2'}\n"
        "heavy = {'rich', 'httpx2', 'tomlkit', 'filelock', 'blake3', 'platformdirs'}\n"
        "atexit.register(lambda: print(heavy & sys.modules.keys()))\n"
        "from modelsync.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=offered.cli.folder, capture_output=True, text=True, check=True
    )
    assert "tiny" in done.stdout
    assert done.stdout.splitlines()[-1] == "set()"


def test_paths_are_offered_where_one_is_typed(offered: Offered) -> None:
    """For `inspect`, `estimate`, `pull` and what `run` runs; names come first, and nothing is said of URIs."""
    assert offered("modelsync inspect ll") == ["llama3", "llava"]
    for line in ("inspect ./x", "estimate a/b", "pull ./", "run -- ./se", "run -- python ap", "inspect zz"):
        assert offered.kinds(f"modelsync {line}") == {"file"}, line
    assert offered("modelsync pull hf:user/") == []


def test_descriptions_are_whole(offered: Offered) -> None:
    """Of commands, in the words of the help page, commas and all."""
    shown = dict(offered.entries("modelsync "))
    assert shown["list"] == "Show what is wanted, locked and here."
    assert shown["estimate"] == "Say what memory a model will need, and whether it fits here."


def test_powershell_gets_kind_word_and_description(offered: Offered) -> None:
    """Between tabs, for the line as it is typed so far."""
    done = offered.cli(
        _MODELSYNC_COMPLETE="powershell_complete", COMP_WORDS="modelsync path ll", COMP_CWORD="ll"
    )
    assert done.out.splitlines() == ["plain\tllama3\tllama3", "plain\tllava\tllava"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_has_its_script(empty: Cli, shell: str) -> None:
    """It names the program and asks it back; it is data, so it goes to stdout, or into an object."""
    script = empty("completion", shell)
    assert re.search(rf"_MODELSYNC_COMPLETE ?= ?'?{shell}_complete", script.out)
    assert script.err == ""
    assert empty("completion", shell, "--format", "json").json["script"] == script.out
    assert empty("completion", "tcsh", status=2).err.startswith(
        "error: SHELL takes bash, zsh, fish or powershell, "
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_model_names(offered: Offered) -> None:
    """The script, read by a real bash, offers what the program offers."""
    program = Path(sys.executable).parent
    lines = f"""
        PATH={shlex.quote(str(program))}:$PATH
        eval "$(modelsync completion bash)"
        complete -p modelsync
        COMP_WORDS=(modelsync path ll) COMP_CWORD=2
        _modelsync_completion modelsync
        printf '%s\\n' "${{COMPREPLY[@]}}"
        COMPREPLY=() COMP_WORDS=(modelsync sync --variant llama3 = s) COMP_CWORD=5
        _modelsync_completion modelsync
        printf '%s\\n' "${{COMPREPLY[@]}}"
        COMPREPLY=() COMP_WORDS=(modelsync sync --variant llama3 =) COMP_CWORD=4
        _modelsync_completion modelsync
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", lines], cwd=offered.cli.folder, capture_output=True, text=True, check=True
    )
    first, *names = done.stdout.splitlines()
    assert first.endswith("-F _modelsync_completion modelsync")
    assert names == ["llama3", "llava", "server", "auto", "server"]  # bash divides words at `=`


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish_completes_words_descriptions_and_paths(offered: Offered) -> None:
    """The script, read by a real fish: commands with whole descriptions, names, values behind `=`, files."""
    (offered.cli.folder / "my models").mkdir()
    lines = {
        "modelsync est": ["estimate\tSay what memory a model will need, and whether it fits here."],
        "modelsync path ll": ["llama3", "llava"],
        "modelsync sync --variant llama3=": ["llama3=auto", "llama3=server"],
        "modelsync sync --variant=llama3=s": ["--variant=llama3=server"],
        "modelsync sync --link-mode=c": ["--link-mode=copy"],
        "modelsync inspect ./m": ["./models.toml", "./my models/"],
    }
    script = "modelsync completion fish | source\n" + "".join(
        f"complete -C {shlex.quote(line)}; echo end\n" for line in lines
    )
    done = _with_program(["fish", "--no-config", "-c", script], offered.cli.folder)
    answers = [answer.strip("\n").split("\n") for answer in done.split("end\n")[:-1]]
    assert dict(zip(lines, answers, strict=True)) == lines


def _with_program(words: list[str], folder: Path) -> str:
    """What a shell prints that finds `modelsync` on its path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    home = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / ".share"),
        "XDG_CONFIG_HOME": str(folder / ".config"),
    }
    environment = {**os.environ, **home, "PATH": path}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_zsh_completes_what_is_typed(offered: Offered) -> None:
    """The script, read by a real zsh on a terminal: a tab completes the word, and what stands there then is run."""
    terminal = pytest.importorskip("tests.support.terminal", reason="this system has no pseudo terminals")
    folder = offered.cli.folder
    (folder / ".zshrc").write_text(
        f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH\n"
        "autoload -Uz compinit && compinit -u -D\n"
        "source <(modelsync completion zsh)\n"
        'modelsync() { print -r -- "line<$*>" }\n'
        "PROMPT='ready> '\n"
    )
    with terminal.Terminal(
        ["zsh", "-d", "-i"], folder, width=200, stdout=True, variables={"ZDOTDIR": str(folder)}
    ) as shown:
        shown.wait_for(lambda text: "ready> " in text)
        for typed, line in (
            ("modelsync esti\t", "estimate"),
            ("modelsync path llam\t", "path llama3"),
            ("modelsync sync --variant llama3=s\t", "sync --variant llama3=server"),
            ("modelsync sync --variant=llama3=s\t", "sync --variant=llama3=server"),
            ("modelsync inspect ./mod\t", "inspect ./models.toml"),
        ):
            shown.type(f"{typed}\n")
            shown.wait_for(lambda text, line=line: f"\nline<{line}>" in text.replace("\r", ""))
