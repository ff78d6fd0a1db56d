"""The whole story on this machine alone: a small hub, a real tiny model, and the commands a project uses.

`make demo` runs it as `python -m tests.demo`.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.hub import Hub
from tests.support.folder_models import FOLDER_REPO, INCLUDE, minilm
from tests.support.gguf_files import edit_metadata, make_llama

REPO = "demo/tiny-llama-GGUF"
OTHER = "demo/other-llama-GGUF"
TEMPLATE = "{% for message in messages %}<{{ message.role }}> {{ message.content }}{% endfor %}"


def main() -> None:
    """Tells the story; stops with the first command that fails."""
    with tempfile.TemporaryDirectory(prefix="modelsync-demo-") as place, Hub() as hub:
        Story(Path(place), hub).tell()


class Story:
    """A project folder, a home that is empty, and a hub on loopback."""

    def __init__(self, place: Path, hub: Hub) -> None:
        self.project = place / "project"
        self.project.mkdir()
        self.models = place / "upstream"
        self.models.mkdir()
        self.hub = hub
        (place / "home").mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "MODELSYNC_", "MODEL_"))}
        self.environment = kept | {
            "HOME": str(place / "home"),
            "HF_ENDPOINT": hub.endpoint,
            "MODELSYNC_STORE": str(place / "store"),
            "XDG_CACHE_HOME": str(place / "home" / ".cache"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }

    def tell(self) -> None:
        """Every chapter, in order."""
        tiny = make_llama(self.models / "tiny-llama-F32.gguf")
        repo = self.hub.repo(REPO)
        repo.commit({tiny.name: tiny})
        self.say(f"A model hub is up at {self.hub.endpoint}, with one real, tiny llama model on it.")

        self.say("A project says which models it needs ...")
        self.modelsync("init")
        self.modelsync("add", "tiny", f"hf:{REPO}:F32", "--no-sync")
        self.show("models.toml")

        self.say("... the lock says which bytes those are, to the commit and the sha256 ...")
        self.modelsync("lock", "--check")
        self.show("models.lock")

        self.say(
            "... and sync makes this machine hold them, every byte checked. With nothing to do it makes no request."
        )
        self.modelsync("sync")
        self.hub.clear()
        self.modelsync("sync")
        self.say(f"(requests that the hub saw: {len(self.hub.seen())})")

        self.say("Code gets a path that llama.cpp loads.")
        self.modelsync("path", "tiny")
        self.python("import modelsync; print(modelsync.path('tiny').stat().st_size, 'bytes')")
        if importlib.util.find_spec("llama_cpp"):
            self.python(
                "import modelsync; llm = modelsync.load('tiny', n_ctx=64, verbose=False); "
                "print(repr(llm('hello', max_tokens=8)['choices'][0]['text']))"
            )
        else:
            self.say(
                '(With llama-cpp-python, `pip install "modelsync[llama]"`, it would now say a few words.)'
            )

        self.say("Any other files of a repo are a folder model: its path is a folder that has them.")
        self.hub.repo(FOLDER_REPO).commit(minilm())
        globs = [word for glob in INCLUDE for word in ("--include", glob)]
        self.modelsync("add", "minilm", f"hf:{FOLDER_REPO}", *globs, "--exclude", "onnx/*")
        self.modelsync("inspect", "minilm")
        self.modelsync("path", "minilm", "--all")

        self.say(
            "Another tool has a model already: it is taken from there, checked, and not downloaded again."
        )
        other = edit_metadata(tiny, self.models / "other-llama-F32.gguf", chat_template="{{ messages }}")
        self.hub.repo(OTHER).commit({other.name: other})
        self.hf("download", OTHER, "--quiet")
        self.hub.clear()
        self.modelsync("add", "other", f"hf:{OTHER}:F32")
        sent = sum(seen.sent for seen in self.hub.seen(match=f"*{other.name}*"))
        self.say(f"(bytes of the file that the hub sent: {sent})")

        self.say("Upstream publishes a new version. Nothing changes here until somebody asks for it.")
        repo.commit({tiny.name: edit_metadata(tiny, self.models / "new.gguf", chat_template=TEMPLATE)})
        self.modelsync("sync", "--check")
        self.modelsync("outdated")
        self.modelsync("lock", "--upgrade")
        self.modelsync("sync")
        self.say("Done: the same commands work on huggingface.co.")

    def say(self, words: str) -> None:
        """A line of the story."""
        print(f"\n# {words}", flush=True)

    def show(self, name: str) -> None:
        """A file of the project."""
        print(f"$ cat {name}\n{(self.project / name).read_text()}", flush=True)

    def modelsync(self, *arguments: str) -> None:
        """A command, as a person would type it."""
        print(f"$ modelsync {shlex.join(arguments)}", flush=True)
        self._run("-m", "modelsync", *arguments)

    def hf(self, *arguments: str) -> None:
        """A command of the Hugging Face tools."""
        print(f"$ hf {shlex.join(arguments)}", flush=True)
        self._run("-m", "huggingface_hub.cli.hf", *arguments)

    def python(self, code: str) -> None:
        """A line of the project's own code."""
        print(f"$ python -c {shlex.quote(code)}", flush=True)
        self._run("-c", code)

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.project, env=self.environment, check=False
        )
        if done.returncode:
            sys.exit(f"that ended with exit code {done.returncode}")


if __name__ == "__main__":
    main()
