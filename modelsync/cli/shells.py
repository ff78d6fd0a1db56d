"""What a shell runs to complete a line, where click's own scripts fall short, and a script for PowerShell.

bash divides words at `=` and `:`, so `--variant llama3=s` comes as four of them: its script puts them together again.
fish cut a description at its first comma. zsh, fish and PowerShell replace the whole of `--variant=s`, so what is
offered for it begins with the option.
"""

import os
from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

NAMES = ("bash", "zsh", "fish", "powershell")

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n'
    local index response completion type value current last prefix
    local -a words=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        if ((index > 0)) && [[ ${COMP_WORDS[index]} == [=:] || ${COMP_WORDS[index - 1]} == [=:] ]]; then
            words[${#words[@]} - 1]+="${COMP_WORDS[index]}"
        else
            words+=("${COMP_WORDS[index]}")
        fi
    done
    current="${words[${#words[@]} - 1]}"
    last="${COMP_WORDS[COMP_CWORD]}"
    [[ $last == [=:] ]] && last=""
    prefix="${current%%"$last"}"
    [[ $prefix == --*=* ]] && prefix="${prefix#*=}"

    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) %(complete_var)s=bash_complete $1)

    for completion in $response; do
        IFS=',' read type value <<< "$completion"
        if [[ $type == 'dir' ]]; then
            COMPREPLY=()
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            COMPREPLY=()
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("${value#"$prefix"}")
        fi
    done

    return 0
}

%(complete_func)s_setup() {
    complete -o nosort -F %(complete_func)s %(prog_name)s
}

%(complete_func)s_setup;
"""

_FISH = """\
function %(complete_func)s;
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \
COMP_CWORD=(commandline -t) %(prog_name)s);

    for completion in $response;
        set -l metadata (string split --max 1 "," -- $completion);

        if test $metadata[1] = "dir";
            __fish_complete_directories $metadata[2];
        else if test $metadata[1] = "file";
            __fish_complete_path $metadata[2];
        else if test $metadata[1] = "plain";
            echo $metadata[2];
        end;
    end;
end;

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)";
"""

_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $line = $commandAst.Extent.Text
    $end = [Math]::Min($line.Length, $cursorPosition - $commandAst.Extent.StartOffset)
    $env:COMP_WORDS = $line.Substring(0, $end)
    $env:COMP_CWORD = $wordToComplete
    $env:%(complete_var)s = 'powershell_complete'
    try {
        %(prog_name)s | ForEach-Object {
            $type, $value, $help = $_ -split "`t", 3
            if ($type -eq 'plain') {
                [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
            }
        }
    } finally {
        Remove-Item Env:COMP_WORDS, Env:COMP_CWORD, Env:%(complete_var)s -ErrorAction SilentlyContinue
    }
}
"""


class _WholeWords(ShellComplete):
    """A shell that takes `--option=value` for one word, which what is offered replaces."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        """What is offered, as whole words."""
        found = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        if equals and option.startswith("--"):
            for item in found:
                if item.type == "plain":
                    item.value = f"{option}={item.value}"
        return found


class Bash(BashComplete):
    """bash, with the words that it divides put together again."""

    source_template = _BASH


class Zsh(_WholeWords, ZshComplete):
    """zsh."""


class Fish(_WholeWords, FishComplete):
    """fish, with whole descriptions."""

    source_template = _FISH


class PowerShell(_WholeWords):
    """PowerShell. Where nothing is offered it completes paths by itself."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is typed, and that one."""
        words, incomplete = split_arg_string(os.environ["COMP_WORDS"]), os.environ.get("COMP_CWORD", "")
        return words[1:-1] if incomplete else words[1:], incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Kind, word and description, between tabs; PowerShell wants one that is not empty."""
        return f"{item.type}\t{item.value}\t{(item.help or str(item.value)).replace(chr(10), ' ')}"


for _each in (Bash, Zsh, Fish, PowerShell):
    add_completion_class(_each)
