"""Words that people bring from other tools, with what is meant here.

A value is a command as it is typed behind the program's name, or, where there is no such command, a sentence.
"""

from collections.abc import Mapping

_LOGIN = (
    "modelsync has no logins of its own: HF_TOKEN, or what `hf auth login` leaves, is for Hugging Face; "
    "a registry's is docker's or podman's"
)

PROGRAM: Mapping[str, str] = {
    "auth": _LOGIN,
    "check": "sync --check",
    "clean": "cache prune",
    "config": "variables set what config files do elsewhere: `modelsync help environment`; `modelsync doctor` says "
    "what is set",
    "delete": "remove",
    "download": "pull",
    "env": "help environment",
    "fetch": "sync",
    "get": "pull",
    "info": "inspect",
    "install": "sync",
    "login": _LOGIN,
    "logout": _LOGIN,
    "ls": "list",
    "new": "init",
    "prune": "cache prune",
    "publish": "push",
    "restore": "sync",
    "rm": "remove",
    "search": "modelsync takes a model by its URI: look for one on huggingface.co/models",
    "self": "modelsync is upgraded as it was installed: `uv tool upgrade modelsync`, `pip install -U modelsync`",
    "serve": "export --to llama-server",
    "show": "inspect",
    "start": "run",
    "status": "list",
    "tree": "list",
    "uninstall": "remove",
    "update": "lock --upgrade",
    "upgrade": "lock --upgrade",
    "upload": "push",
    "version": "the version is `modelsync --version`",
    "where": "path",
    "which": "path",
    "whoami": "`modelsync doctor` says who the hub takes you for",
}

_REMOVAL = "`modelsync cache rm WHAT` removes one model, `modelsync cache clean` all of them"

CACHE: Mapping[str, str] = {
    "clear": _REMOVAL,
    "delete": "rm",
    "du": "size",
    "empty": _REMOVAL,
    "gc": "prune",
    "info": "size",
    "ls": "list",
    "path": "dir",
    "purge": _REMOVAL,
    "remove": "rm",
    "scan": "list",
    "show": "list",
    "status": "list",
    "uninstall": "rm",
    "where": "dir",
}
