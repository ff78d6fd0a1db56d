"""Recognizes a GGUF file by its first bytes, and says what other bytes may be.

Source: the GGUF specification, "File structure": the file begins with the four bytes `GGUF`.
"""

from modelsync.errors import NotAModelError

MAGIC = b"GGUF"
_WEB_PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml")
_POINTER = b"version https://git-lfs"


def check_magic(head: bytes, what: str) -> None:
    """Refuses bytes that do not begin a GGUF file.

    Args:
        head: The first bytes of the file, at least four of them unless the file is shorter.
        what: The file's name, for the message.

    Raises:
        NotAModelError: it is another kind of file; the message says which.
    """
    if head.startswith(MAGIC):
        return
    looks, hint = _describe(head)
    raise NotAModelError(f"{what} is not a GGUF model: {looks}", hint=hint)


def not_the_file(head: bytes) -> str | None:
    """What stands in place of a file where a server or a proxy went wrong, in words; None for anything else."""
    start = head.lstrip()[:64].lower()
    if start.startswith(_WEB_PAGE):
        return "a web page (a login or an error page?)"
    return "a Git LFS pointer" if start.startswith(_POINTER) else None


def _describe(head: bytes) -> tuple[str, str | None]:
    """What the bytes look like, and what to do about it."""
    start = head.lstrip()[:64].lower()
    if start.startswith(_WEB_PAGE):
        return (
            "it begins like a web page (a login or an error page?)",
            "open the URL in a browser, and give credentials in config.toml or .netrc",
        )
    if start.startswith(_POINTER):
        return "it is a Git LFS pointer, not the file itself", "run `git lfs pull` in that checkout"
    if start.startswith((b"tjgg", b"fmgg", b"lmgg")):
        return (
            "it is in a GGML format from before GGUF",
            "whisper.cpp loads such files; for llama.cpp look for a GGUF conversion of the model",
        )
    if head[:2] == b"PK" or head[:2] == b"\x1f\x8b":
        return "it is an archive", "unpack it and name the .gguf file inside"
    if head[8:9] == b"{":
        return "it looks like safetensors", "look for a GGUF conversion of the model"
    return (f"it begins with {head[:4]!r}" if head else "it is empty"), None
