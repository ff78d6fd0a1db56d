"""What the pages speak of, on loopback: models on a hub, a registry, a web server, and a shell."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.docs.pages import Step
from tests.hub import Hub
from tests.hub.content import content
from tests.support.any_files import WHISPER, onnx, safetensors
from tests.support.fork_server import ForkServer
from tests.support.quant_files import quant

REGISTRY = "registry.example.com"
HUB = "https://huggingface.co"
WEB = "https://models.example.com"
TOKEN = "hf_of_the_pages"
_ASSIGNED = re.compile(r"[A-Z_]+=")
_OF_A_SHELL = re.compile(r"[|&;<>$`(~*?{\n]")
_QUOTED = re.compile(r"'[^']*'")


class Weights(NamedTuple):
    """Small models that llama.cpp loads: a chat model, one that makes vectors, a projector."""

    chat: Path
    vectors: Path
    projector: Path


def fill(hub: Hub, weights: Weights) -> None:
    """Puts the models of the pages on a hub, and by their digests on its web server."""
    chat, card = weights.chat.read_bytes(), b"# A model\n"
    llama, qwen = "Meta-Llama-3.1-8B-Instruct", "qwen2.5-0.5b-instruct"
    quants = {name: quant(name) for name in ("Q3_K_M", "Q5_K_M", "Q6_K", "Q8_0")}
    repos: dict[str, dict[str, bytes]] = {
        f"bartowski/{llama}-GGUF": {f"{llama}-{name}.gguf": data for name, data in quants.items()}
        | {f"{llama}-Q4_K_M.gguf": chat, "README.md": card},
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF": {f"{qwen}-q4_k_m.gguf": chat, f"{qwen}-q8_0.gguf": quants["Q8_0"]},
        "nomic-ai/nomic-embed-text-v1.5-GGUF": {
            "nomic-embed-text-v1.5.Q8_0.gguf": weights.vectors.read_bytes()
        },
        "ggml-org/SmolVLM-500M-Instruct-GGUF": {
            "SmolVLM-500M-Instruct-Q8_0.gguf": chat,
            "mmproj-SmolVLM-500M-Instruct-Q8_0.gguf": weights.projector.read_bytes(),
        },
        "google/gemma-3-4b-it-qat-q4_0-gguf": {"gemma-3-4b-it-q4_0.gguf": chat},
        "ggerganov/whisper.cpp": {"ggml-base.en.bin": WHISPER},
        "sentence-transformers/all-MiniLM-L6-v2": {
            "config.json": b"{}",
            "modules.json": b"[]",
            "model.safetensors": safetensors(),
            "1_Pooling/config.json": b"{}",
            "onnx/model.onnx": onnx(),
        },
        "user/adapter": {"adapter.gguf": chat},
        "user/model": {"model-Q4_K_M.gguf": chat, "model-Q8_0.gguf": quants["Q8_0"]},
    }
    for name, files in repos.items():
        hub.repo(name).commit(files)
        for data in files.values():
            hub.file(f"/{content(data).sha256}", data)
    gated = hub.repo("google/gemma-3-4b-it-qat-q4_0-gguf")
    gated.gated, gated.license = "manual", "gemma"
    hub.repo("user/adapter").license = "cc-by-nc-4.0"
    hub.file("/ours.gguf", chat)
    gated.accept(TOKEN)
    hub.tokens.add(TOKEN)


class Shell:
    """Runs the commands of one page, in a home and a folder of its own, that keep what they have from one to the next.

    Args:
        folder: For both.
        places: What stands here for the hosts and folders of the pages.
        variables: Beside those of this process.
        server: Starts Python quickly, if there is one.
    """

    def __init__(
        self, folder: Path, places: dict[str, str], variables: dict[str, str], server: ForkServer | None
    ) -> None:
        home, bin, self.cwd = (folder / name for name in ("home", "bin", "project"))
        for each in (home, bin, self.cwd):
            each.mkdir()
        for name, words in {"modelsync": ' -m modelsync "$@"', "python": ' "$@"', "python3": ' "$@"'}.items():
            (bin / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words}\n')
            (bin / name).chmod(0o755)
        self._places = places
        self._server = server
        self.variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MODELSYNC_"))
        }
        self.variables |= {
            "HOME": str(home),
            "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "user.name",
            "GIT_CONFIG_VALUE_0": "Somebody",
            "GIT_CONFIG_KEY_1": "user.email",
            "GIT_CONFIG_VALUE_1": "somebody@example.com",
            "HTTPS_PROXY": "http://127.0.0.1:9",  # nothing leaves this machine
            "PIP_INDEX_URL": "http://127.0.0.1:9",
            "PIP_RETRIES": "0",
            "MODELSYNC_NO_PROGRESS": "1",
            **variables,
        }

    def here(self, text: str) -> str:
        """With the places of this test for those of the pages."""
        for theirs, ours in self._places.items():
            text = text.replace(theirs, ours)
        return text

    def there(self, text: str) -> str:
        """With the places of the pages for those of this test."""
        for theirs, ours in self._places.items():
            text = text.replace(ours, theirs)
        for name in ("project", "home"):
            text = text.replace(
                str(self.cwd.parent / name), {"project": "/project", "home": "/home/me"}[name]
            )
        return text

    def write(self, name: str, text: str) -> None:
        """Writes a file that a page shows."""
        path = self.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(text))

    def run(self, step: Step) -> tuple[int, str]:
        """Runs one command; its status, and what it said."""
        command = re.sub(r"\s+# .*", "", self.here(step.command))
        plain = not _OF_A_SHELL.search(_QUOTED.sub("", command))
        words = shlex.split(command) if plain else []
        variables = dict(self.variables)
        while words and _ASSIGNED.match(words[0]):
            name, _, variables[name] = words.pop(0).partition("=")
        if self._server is not None and self._server.serves(variables):
            if words[:1] == ["modelsync"]:
                return self._fork(self._server, ["-m", *words], variables)
            if words[:2] == ["python", "-c"]:
                return self._fork(self._server, words[1:], variables)
        return self._shell(command)

    def python(self, code: str) -> tuple[int, str]:
        """Runs a block of Python; its status, and what it said."""
        code = self.here(code)
        if self._server is not None and self._server.serves(self.variables):
            return self._fork(self._server, ["-c", code], self.variables)
        return self._process([sys.executable, "-c", code])

    def _fork(self, server: ForkServer, words: list[str], variables: dict[str, str]) -> tuple[int, str]:
        with tempfile.TemporaryFile() as out, open(os.devnull, "rb") as empty:
            streams = (empty.fileno(), out.fileno(), out.fileno())
            status = server.run(words, folder=self.cwd, variables=variables, streams=streams)
            out.seek(0)
            return status, self.there(out.read().decode())

    def _shell(self, command: str) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as kept:
            state = Path(kept, "state")
            after = f'\n{{ pwd; env -0; }} > "{state}"'
            status, said = self._process(["bash", "-eo", "pipefail", "-c", command + after])
            if state.exists():
                folder, _, variables = state.read_text().partition("\n")
                self.cwd = Path(folder)
                self.variables = dict(each.split("=", 1) for each in variables.split("\0") if each)
            return status, said

    def _process(self, words: list[str]) -> tuple[int, str]:
        done = subprocess.run(
            words,
            cwd=self.cwd,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return done.returncode, self.there(done.stdout)
