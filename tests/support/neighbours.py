"""Other tools' caches, built by hand as those tools lay them out, and snapshots that show that nothing changed."""

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from modelsync.caches.model import Sought


class Wanted(NamedTuple):
    """A file of the hub, and what a lock says of it."""

    data: bytes
    path: str = "tiny-Q4_K_M.gguf"
    repo: str = "user/tiny-GGUF"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def git_id(self) -> str:
        return git_id(self.data)

    @property
    def sought(self) -> Sought:
        return Sought(self.sha256, len(self.data), self.path, self.repo, self.git_id)


class Looks(NamedTuple):
    """What must stay of a neighbour's file."""

    data: bytes | str
    mode: int
    mtime_ns: int
    owner: int


def git_id(data: bytes) -> str:
    """The git blob id of some bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def put(path: Path, data: bytes, mode: int = 0o644) -> Path:
    """Writes a file of a neighbour, with a time of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, ns=(1_700_000_000_123_456_789, 1_600_000_000_987_654_321))
    return path


def snapshot(root: Path) -> dict[str, Looks]:
    """All that is below a folder: bytes, or where a link leads, mode and times."""
    found = {}
    for path in sorted(root.rglob("*")):
        seen = path.lstat()
        if stat.S_ISLNK(seen.st_mode):
            data: bytes | str = str(path.readlink())
        elif stat.S_ISREG(seen.st_mode):
            path_mode = stat.S_IMODE(seen.st_mode)
            data = path.read_bytes() if path_mode & 0o400 else b"unreadable"
        else:
            data = ""
        time = 0 if stat.S_ISDIR(seen.st_mode) else seen.st_mtime_ns
        found[str(path.relative_to(root))] = Looks(data, seen.st_mode, time, seen.st_uid)
    return found


def repo_folder(hub: Path, repo: str) -> Path:
    """The folder of a repo in a Hugging Face cache."""
    return hub / ("models--" + repo.replace("/", "--"))


def hugging_face(home: Path, wanted: Wanted, commit: str = "c" * 40, etag: str | None = None) -> Path:
    """A Hugging Face cache with links; returns the blob."""
    folder = repo_folder(home / ".cache" / "huggingface" / "hub", wanted.repo)
    blob = put(folder / "blobs" / (etag or wanted.sha256), wanted.data)
    entry = folder / "snapshots" / commit / wanted.path
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.symlink_to(Path(*[".."] * (2 + wanted.path.count("/"))) / "blobs" / blob.name)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    return blob


def unlinked_hugging_face(home: Path, wanted: Wanted, commit: str = "c" * 40) -> Path:
    """A Hugging Face cache as it is where there are no symlinks; returns the file."""
    folder = repo_folder(home / ".cache" / "huggingface" / "hub", wanted.repo)
    (folder / "blobs").mkdir(parents=True, exist_ok=True)
    return put(folder / "snapshots" / commit / wanted.path, wanted.data)


def llama_cpp(home: Path, wanted: Wanted) -> Path:
    """The folder of older versions of llama.cpp."""
    name = f"{wanted.repo.replace('/', '_')}_{wanted.path}"
    return put(home / ".cache" / "llama.cpp" / name, wanted.data)


def ollama(home: Path, wanted: Wanted) -> Path:
    """Ollama's store."""
    return put(home / ".ollama" / "models" / "blobs" / f"sha256-{wanted.sha256}", wanted.data)


def docker(home: Path, wanted: Wanted) -> Path:
    """Docker Model Runner's store."""
    return put(home / ".docker" / "models" / "blobs" / "sha256" / wanted.sha256, wanted.data)


def ramalama(home: Path, wanted: Wanted) -> Path:
    """RamaLama's store."""
    model = home / ".local" / "share" / "ramalama" / "store" / "huggingface" / "user" / "tiny-GGUF"
    return put(model / "blobs" / f"sha256-{wanted.sha256}", wanted.data)


def lm_studio(home: Path, wanted: Wanted) -> Path:
    """LM Studio's models."""
    return put(home / ".lmstudio" / "models" / wanted.repo / wanted.path, wanted.data)


def node_llama_cpp(home: Path, wanted: Wanted) -> Path:
    """node-llama-cpp's models: a file that was asked for by its quant."""
    return put(home / ".node-llama-cpp" / "models" / "hf_user_tiny.Q4_K_M.gguf", wanted.data)


def kronk(home: Path, wanted: Wanted) -> Path:
    """Kronk's models, with a pointer, under a name of their own."""
    folder = home / ".kronk" / "models" / wanted.repo
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{wanted.sha256}\nsize {len(wanted.data)}\n"
    )
    put(folder / "sha" / "mine.gguf", pointer.encode())
    return put(folder / "mine.gguf", wanted.data)


BUILDERS = (
    hugging_face,
    unlinked_hugging_face,
    llama_cpp,
    ollama,
    docker,
    ramalama,
    lm_studio,
    node_llama_cpp,
    kronk,
)
