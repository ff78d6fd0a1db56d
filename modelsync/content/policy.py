"""Decides whether a file may be taken, from what it is and what a person permits. Pure."""

import posixpath
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from modelsync.content.findings import NOUNS, Content
from modelsync.content.look import suffix_of
from modelsync.errors import CodeRefusedError, ModelsyncError, NotAModelError
from modelsync.gguf.magic import check_magic
from modelsync.spec.names import printable
from modelsync.spec.roles import BY_ROLE
from modelsync.spec.uri_forms import is_model_file

# Names that files of Python code and of pickles have. The second kind refuses only what the bytes say nothing of.
_SCRIPTS = frozenset({".py", ".pyc", ".pyw"})
_PICKLES = frozenset(
    {
        *(".pkl", ".pickle", ".joblib", ".dill", ".dat", ".data"),
        *(".pt", ".pth", ".ckpt", ".bin", ".nemo", ".7z"),
    }
)
_DATA = frozenset({".data", ".dat", ".bin"})  # of these the weights of a model beside them
_PAGES = frozenset({".html", ".htm", ".xhtml", ".xml", ".svg", ".md"})
_NO_MODELS = ("json", "unknown")
_SHOWN = 20  # files that an error names


class Claim(NamedTuple):
    """What is known of a file that is to be taken, before its bytes.

    Attributes:
        label: What errors call it.
        path: Its path in the repo, or its name.
        role: Its role in the lock.
        names_data: Whether a model beside it may keep its weights in it: see `named_data`.
        is_outside: Whether it is a file of this machine at a path that leads out of the manifest's folder. A manifest
            may come from anybody: it must not have the user's own files, keys among them, taken for models.
    """

    label: str
    path: str
    role: str
    names_data: bool = False
    is_outside: bool = False

    @property
    def is_gguf(self) -> bool:
        """Whether llama.cpp is to load it: it must be GGUF."""
        return self.role in BY_ROLE or is_model_file(self.path)


class Permission(NamedTuple):
    """What a person permits.

    Attributes:
        allowed: Whether the entry's `allow-code` names a path.
        denied: Whether the user's config refuses all code, whatever a manifest allows.
    """

    allowed: Callable[[str], bool] = lambda _: False
    denied: bool = False


def leads_out(url: str | None) -> bool:
    """Whether a URL is the path of a file that is not in the manifest's folder."""
    if url is None or not url.startswith("file:"):
        return False
    path = url.removeprefix("file:")
    return posixpath.isabs(path) or path[1:2] == ":" or posixpath.normpath(path).split("/")[0] == ".."


def named_data(paths: Collection[str]) -> frozenset[str]:
    """Those of a model's files that may be the weights of another of them, whose bytes name no kind.

    An ONNX model names files beside or below it; an OpenVINO model `x.xml` has its weights in `x.bin`.
    """
    folders = {path.rpartition("/")[0] for path in paths if suffix_of(path) == ".onnx"}
    found = set()
    for path in paths:
        suffix = suffix_of(path)
        if suffix not in _DATA:
            continue
        above = [path[:at] for at, each in enumerate(path) if each == "/"]
        if not folders.isdisjoint(("", *above)) or path.removesuffix(suffix) + ".xml" in paths:
            found.add(path)
    return frozenset(found)


def check_head(head: bytes, claim: Claim) -> None:
    """Refuses a file by its first bytes alone, where those decide: what llama.cpp is to load must be GGUF.

    Raises:
        NotAModelError: it is another kind of file.
    """
    if claim.is_gguf:
        check_magic(head, claim.label)


def code_of(path: str) -> str | None:
    """Why a file can run code, by its name alone; a clause."""
    return "it is Python code" if suffix_of(path) in _SCRIPTS else None


def is_suspect(path: str) -> bool:
    """Whether files called so are often pickles."""
    return suffix_of(path) in _PICKLES


def objection(claim: Claim, content: Content, permission: Permission) -> ModelsyncError | None:
    """Why a file must not be taken; None if it may.

    Args:
        claim: What is known of it.
        content: What its bytes are.
        permission: What a person permits.
    """
    fault = _fault(claim, content)
    if fault is not None:
        return fault
    reason = _reason(claim, content)
    if reason is None or (permission.allowed(claim.path) and not permission.denied):
        return None
    return refusal([(claim.path, reason)], claim.label, denied=permission.denied)


def combined(errors: Sequence[CodeRefusedError]) -> CodeRefusedError:
    """One error of several files of one model."""
    first = errors[0]
    return refusal([file for error in errors for file in error.files], first.label, denied=first.denied)


def refusal(files: Sequence[tuple[str, str]], label: str, *, denied: bool = False) -> CodeRefusedError:
    """The error of files that can run code: it names each, and what can be done.

    Args:
        files: Each with its path and why: a clause.
        label: What the first is called.
        denied: Whether the user's own config refuses them, whatever a manifest allows.
    """
    told = "; ".join(f"{printable(path)} ({printable(why, 500)})" for path, why in files[:_SHOWN])
    more = f"; and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    globs = ", ".join(f'"{printable(path)}"' for path, _ in files[:_SHOWN])
    other = f"permit them with `allow-code = [{globs}]` of the model if you trust who made them"
    if denied:
        other = "`deny-code = true` in your own config.toml refuses them whatever models.toml allows"
    error = CodeRefusedError(
        f"files that can run code when they are loaded are not taken: {told}{more}",
        hint=f"leave them out with `exclude = [{globs}]`{'; ' if denied else ', or '}{other}",
    )
    error.files, error.label, error.denied = tuple(files), label, denied
    return error


def _reason(claim: Claim, content: Content) -> str | None:
    """Why it may run code when it is loaded, as a clause."""
    if content.code or code_of(claim.path):
        return content.code or code_of(claim.path)
    if content.unseen:
        return f"it cannot be looked into: {content.unseen}"
    suffix = suffix_of(claim.path)
    if content.kind == "unknown" and suffix in _PICKLES and not claim.names_data:
        return f"files called {suffix} are often Python pickles, and its bytes do not tell that it is none"
    return None


def _fault(claim: Claim, content: Content) -> NotAModelError | None:
    """Why the file is not what it should be."""
    listed = claim.role == "file"  # with its size in a commit: there it may be empty, or a page
    if content.kind == "empty":
        return None if listed else NotAModelError(f"{claim.label} is empty")
    if content.kind == "web-page":
        if listed and suffix_of(claim.path) in _PAGES:
            return None
        return NotAModelError(
            f"{claim.label} is a web page (a login or an error page?)",
            hint="open its URL in a browser, and give credentials in config.toml or .netrc",
        )
    if content.kind == "lfs-pointer":
        return NotAModelError(
            f"{claim.label} is a Git LFS pointer, not the file itself",
            hint="in a checkout `git lfs pull` brings the file; on a hub its owner has to upload it",
        )
    if claim.is_outside and content.kind in _NO_MODELS:
        return NotAModelError(
            f"{claim.label} is {NOUNS[content.kind]}, and its path leads out of the project",
            hint="put it into the project's folder if the model needs it",
        )
    if content.fault:
        return NotAModelError(
            f"{claim.label} is not {_wanted(claim, content)}: {printable(content.fault, 500)}",
            hint="if its owner says that it is right, `exclude` leaves it out",
        )
    return None


def _wanted(claim: Claim, content: Content) -> str:
    suffix = suffix_of(claim.path)
    return f"a good {suffix} file" if suffix else NOUNS[content.kind].replace("a ", "a good ", 1)
