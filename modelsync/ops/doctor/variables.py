"""Variables of the environment that look like settings but are not read. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Set
from pathlib import Path

from modelsync.ops.doctor.findings import Finding
from modelsync.project import model_files
from modelsync.settings import VARIABLES
from modelsync.spec.names import nearest, printable
from modelsync.spec.roles import COMPANIONS

# What Hugging Face's own tools read and modelsync does not: no mistakes.
_THEIRS = (
    "HF_ASSETS_CACHE",
    "HF_DATASETS_",
    "HF_DEBUG",
    "HF_HUB_CACHE",
    "HF_HUB_DISABLE_",
    "HF_HUB_DOWNLOAD_",
    "HF_HUB_ENABLE_",
    "HF_HUB_ETAG_",
    "HF_HUB_USER_AGENT_",
    "HF_HUB_VERBOSITY",
    "HF_HOME",
    "HF_INFERENCE_",
    "HF_MODULES_CACHE",
    "HF_XET_",
)
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def odd(environ: Mapping[str, str], options: Collection[str], names: Collection[str]) -> Iterator[Finding]:
    """The variables that are set and mean nothing.

    Args:
        environ: The environment.
        options: The variables of the command line's options.
        names: The models of the manifest.
    """
    known = {*options, *VARIABLES}
    paths = {known for name in names for known in _variables_of(name)}
    for name, value in sorted(environ.items()):
        if not value.strip() or name in known:
            continue
        if name.startswith(model_files.PREFIXES):
            yield _path(name, value, paths)
        elif name.startswith("MODELSYNC_"):
            rest = [
                each.removeprefix("MODELSYNC_") for each in sorted(known) if each.startswith("MODELSYNC_")
            ]
            near = nearest(
                name.removeprefix("MODELSYNC_"), rest
            )  # what all of them begin with is no likeness
            yield Finding(
                printable(name),
                "means nothing to modelsync",
                "warning",
                f"did you mean MODELSYNC_{near}?" if near else "unset it",
            )
        elif name.startswith(("HF_", "HUGGING_FACE_")) and not name.startswith(_THEIRS):
            near = nearest(name, [each for each in VARIABLES if each.startswith("H")])
            if near is not None:
                yield Finding(
                    printable(name), "means nothing to modelsync", "warning", f"did you mean {near}?"
                )
        elif name in _CERTIFICATES and not environ.get("SSL_CERT_FILE"):
            yield Finding(
                name, "is not read", "note", f"SSL_CERT_FILE={printable(value)} is what modelsync reads"
            )


def _variables_of(name: str) -> Iterator[str]:
    """The variables that may name a model's files; of several of a role the first."""
    yield model_files.variable(name)
    yield from (model_files.companion_variable(name, companion) for companion in COMPANIONS)


def _path(name: str, value: str, paths: Set[str]) -> Finding:
    """A variable like `MODELSYNC_PATH_<NAME>`: which names a file or a folder, before every other place."""
    shown = printable(value, 1000)
    is_model = name.startswith(model_files.PREFIXES[0])
    if not (Path(value).is_file() or (is_model and Path(value).is_dir())):
        return Finding(
            name, f"names {shown}, and there is no such file", "wrong", f"unset {name}, or mend it"
        )
    if paths and not paths & {name, re.sub(r"_[0-9]+$", "_1", name)}:
        near = nearest(name, sorted(paths))
        return Finding(
            name,
            f"names {shown}, for a model that the manifest does not have",
            "note",
            f"did you mean {near}?" if near else None,
        )
    return Finding(name, f"names {shown}, before every other place", "note")
