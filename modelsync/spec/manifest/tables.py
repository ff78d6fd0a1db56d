"""Checks the tables of a manifest and builds its values."""

from collections.abc import Mapping
from typing import Any, Literal

from modelsync.errors import UsageError
from modelsync.settings import DEFAULT_ENDPOINT
from modelsync.spec import mirror
from modelsync.spec.digest import sha256_hex
from modelsync.spec.globs import MAX_GLOBS, check_glob
from modelsync.spec.licenses import check_allowed, check_stated
from modelsync.spec.load_values import LoadValue, load_value
from modelsync.spec.manifest.keys import (
    AUTO,
    ENTRY_KEYS,
    MAX_COMPANIONS,
    PROJECT_KEYS,
    TOP_KEYS,
    VARIANT_KEYS,
)
from modelsync.spec.manifest.model import MAX_ENTRIES, Entry, Manifest
from modelsync.spec.manifest.values import Path, check_keys, checked, texts, typed
from modelsync.spec.names import check_name, path_fault, printable, safe_path
from modelsync.spec.request import Request
from modelsync.spec.roles import COMPANIONS, Companion
from modelsync.spec.toml import Fault
from modelsync.spec.uri import FileUri, HfUri, Reference, Uri, WebUri, check_revision, parse
from modelsync.spec.uri_forms import check_endpoint, is_model_file


def manifest(document: Mapping[str, Any]) -> Manifest:
    """The values of a whole manifest.

    Raises:
        Fault: something is wrong in it.
    """
    _check_version(document)
    check_keys(document, TOP_KEYS, ())
    at: Path = ("modelsync",)
    project = typed(document.get("modelsync", {}), dict, at)
    check_keys(project, PROJECT_KEYS, at)
    endpoint = _endpoint(project["endpoint"], (*at, "endpoint")) if "endpoint" in project else None
    groups = project.get("default-groups")
    return Manifest(
        dir=_dir(project["dir"], (*at, "dir")) if "dir" in project else None,
        default_groups=None if groups is None else _names(groups, (*at, "default-groups")),
        endpoint=endpoint,
        mirrors=tuple(
            _mirror(text, where) for text, where in texts(project.get("mirrors", []), (*at, "mirrors"))
        ),
        entries=_entries(typed(document.get("models", {}), dict, ("models",)), endpoint),
        allowed_licenses=_licenses(project, at),
    )


def _check_version(document: Mapping[str, Any]) -> None:
    """Refuses a manifest for another modelsync, before anything in it that this one does not know is complained of."""
    project = document.get("modelsync")
    if not isinstance(project, dict) or "required-version" not in project:
        return
    from modelsync.spec.manifest import required_version
    from modelsync.version import __version__

    at: Path = ("modelsync", "required-version")
    wanted = typed(project["required-version"], str, at)
    if not checked(at, lambda text: required_version.allows(text, __version__), wanted):
        raise Fault(
            at,
            f"this project needs modelsync {printable(wanted, 80)}, and this is {__version__}",
            f"upgrade modelsync, for example with `pip install --upgrade 'modelsync{printable(wanted, 80)}'`",
        )


def _entries(models: Mapping[str, Any], endpoint: str | None) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for name, value in models.items():
        at: Path = ("models", name)
        checked(at, check_name, name)
        if isinstance(value, str):
            entries.append(Entry(name, None, _finished(Request(*_uri(value, at)), endpoint, at)))
        elif isinstance(value, dict):
            entries += _table(name, value, endpoint, at)
        else:
            raise Fault(
                at, "a model URI or a table is expected", f'for example {name} = "hf:user/model:Q4_K_M"'
            )
        if len(entries) > MAX_ENTRIES:
            raise Fault(("models",), f"it has more than {MAX_ENTRIES} entries")
    return tuple(entries)


def _table(name: str, table: Mapping[str, Any], endpoint: str | None, at: Path) -> list[Entry]:
    """The entry of a table, and its variants after it."""
    check_keys(table, ENTRY_KEYS, at)
    request = _request(table, None, at)
    groups = _names(table["groups"], (*at, "groups")) if "groups" in table else ()
    load = _load(table["load"], {}, (*at, "load")) if "load" in table else {}
    code = _globs(table, "allow-code", at)
    stated = _stated(table, at)
    entries = [Entry(name, None, _finished(request, endpoint, at), groups, load, code, stated)]
    for variant, value in typed(table.get("variants", {}), dict, (*at, "variants")).items():
        here = (*at, "variants", variant)
        checked(here, check_name, variant)
        if variant == AUTO:
            raise Fault(here, "a variant cannot be called `auto`: that means the largest one that fits")
        own = typed(value, dict, here)
        check_keys(own, VARIANT_KEYS, here)
        own_load = _load(own["load"], load, (*here, "load")) if "load" in own else load
        own_request = _finished(_request(own, request, here), endpoint, here)
        # What a person permits of one repo is not permitted of another.
        own_code = _globs(own, "allow-code", here) if "uri" in own or "allow-code" in own else code
        inherits = "license" not in own and _same_repo(own_request.uri, request.uri)
        own_stated = stated if inherits else _stated(own, here)
        entries.append(Entry(name, variant, own_request, groups, own_load, own_code, own_stated))
    return entries


def _request(table: Mapping[str, Any], base: Request | None, at: Path) -> Request:
    """The request of a table; that of a variant overrides its base's."""
    if "uri" in table:
        uri, revision = _uri(table["uri"], (*at, "uri"))
        if revision and table.get("revision", revision) != revision:
            raise Fault((*at, "revision"), f"the uri says `{revision}`; keep one of the two")
        request = Request(uri, revision)
        if base:
            inherited = base.revision if revision is None and isinstance(uri, HfUri) else revision
            request = base._replace(uri=uri, revision=inherited, sha256=None)
    elif base:
        request = base
    else:
        raise Fault(at, "it has no `uri`", 'for example uri = "hf:user/model:Q4_K_M"')
    if "revision" in table:
        here = (*at, "revision")
        if not isinstance(request.uri, HfUri):
            raise Fault(here, f"`{request.uri}` has no revisions: only hf: URIs have")
        request = request._replace(
            revision=checked(here, check_revision, typed(table["revision"], str, here))
        )
    request = _with_globs(request, table, base, at)
    for companion in COMPANIONS:
        if companion.key in table:
            value: Any = _companion(companion, table[companion.key], (*at, companion.key))
            request = request._replace(**{companion.key: value})
    if "sha256" in table:
        request = request._replace(sha256=_sha256(table["sha256"], (*at, "sha256")))
    if "endpoint" in table:
        request = request._replace(endpoint=_endpoint(table["endpoint"], (*at, "endpoint")))
    return request


def _with_globs(request: Request, table: Mapping[str, Any], base: Request | None, at: Path) -> Request:
    """The request with the globs of its table. A variant inherits those of its base where its URI is a repo too."""
    uri = request.uri
    is_repo = isinstance(uri, HfUri) and uri.path is None and uri.quant is None
    stays = "uri" not in table or is_repo
    include = _globs(table, "include", at) if "include" in table else request.include if stays else ()
    exclude = _globs(table, "exclude", at) if "exclude" in table else request.exclude if include else ()
    if not include and "include" in table and base is None:
        raise Fault((*at, "include"), "it is empty", 'for example include = ["*.json", "model.safetensors"]')
    if exclude and not include:
        raise Fault(
            (*at, "exclude"), "it takes files away from `include`", 'add include = ["*"] for all others'
        )
    if include and not is_repo:
        whole = f"hf:{uri.repo}" if isinstance(uri, HfUri) else "hf:user/model"
        raise Fault((*at, "include"), f"`{uri}` is no whole repo", f'globs go with one: uri = "{whole}"')
    if include and not request.include:  # of a base that is no folder: a folder has no companions
        request = request._replace(mmproj=None, loras=(), draft=None)
    return request._replace(include=include, exclude=exclude)


def _finished(request: Request, endpoint: str | None, at: Path) -> Request:
    """The request as the lock has it: with the project's endpoint where it matters and is not the default."""
    for companion in COMPANIONS:
        if request.include and getattr(request, companion.key):
            raise Fault(
                (*at, companion.key),
                f"{companion.noun} goes with a GGUF model, and `include` makes this a folder of files",
                "give it, or the GGUF model, a name of its own",
            )
        if getattr(request, companion.key) is True and isinstance(request.uri, (WebUri, FileUri)):
            noun = companion.noun.partition(" ")[2]
            raise Fault(
                (*at, companion.key), f"nothing stands beside `{request.uri}`", f"give the URI of the {noun}"
            )
    if request.endpoint is None and endpoint is None:
        return request
    uris = [request.uri, *(each.uri for _, each in request.companions() if each is not True)]
    asks_hub = any(isinstance(uri, HfUri) for uri in uris)
    wanted = request.endpoint or endpoint
    return request._replace(endpoint=wanted if asks_hub and wanted != DEFAULT_ENDPOINT else None)


# --- single values -----------------------------------------------------------------------------------


def _uri(value: Any, at: Path) -> Reference:
    return checked(at, parse, typed(value, str, at))


def _companion(
    companion: Companion, value: Any, at: Path
) -> tuple[Reference, ...] | Reference | Literal[True] | None:
    if companion.many:
        return tuple(_gguf(companion, text, here) for text, here in texts(value, at, MAX_COMPANIONS))
    if companion.beside and isinstance(value, bool):
        return True if value else None  # false: a variant without the companion of its base
    if isinstance(value, str):
        return _gguf(companion, value, at)
    either = "`true` or " if companion.beside else ""
    raise Fault(at, f"{either}the URI of {companion.noun} is expected")


def _gguf(companion: Companion, value: str, at: Path) -> Reference:
    reference = _uri(value, at)
    uri = reference.uri
    if isinstance(uri, HfUri) and uri.path is not None and not is_model_file(uri.path):
        raise Fault(at, f"`{uri}` is no GGUF file, as {companion.noun} has to be")
    return reference


def _sha256(value: Any, at: Path) -> str | tuple[tuple[str, str], ...]:
    if isinstance(value, str):
        return checked(at, sha256_hex, value)
    if not isinstance(value, dict) or not value:
        raise Fault(at, "a SHA-256, or a table of path to SHA-256, is expected")
    pairs = []
    for name, digest in value.items():
        here = (*at, name)
        checked(here, safe_path, name)
        pairs.append((name, checked(here, sha256_hex, typed(digest, str, here))))
    return tuple(sorted(pairs))


def _globs(table: Mapping[str, Any], key: str, at: Path) -> tuple[str, ...]:
    here = (*at, key)
    return tuple(
        checked(where, check_glob, text) for text, where in texts(table.get(key, []), here, MAX_GLOBS)
    )


def _licenses(project: Mapping[str, Any], at: Path) -> tuple[str, ...] | None:
    """The licenses that a project allows; None: all."""
    key = "allowed-licenses"
    if key not in project:
        return None
    return tuple(checked(where, check_allowed, text) for text, where in texts(project[key], (*at, key)))


def _stated(table: Mapping[str, Any], at: Path) -> str | None:
    here = (*at, "license")
    return checked(here, check_stated, typed(table["license"], str, here)) if "license" in table else None


def _same_repo(one: Uri, other: Uri) -> bool:
    """Whether two URIs are of one repo: what a person states of it holds for both."""
    return one == other or (isinstance(one, HfUri) and isinstance(other, HfUri) and one.repo == other.repo)


def _load(value: Any, base: Mapping[str, LoadValue], at: Path) -> Mapping[str, LoadValue]:
    load = dict(base)
    for key, item in typed(value, dict, at).items():
        try:
            load[key] = load_value(key, item)
        except UsageError as error:
            raise Fault((*at, key), error.message, error.hint) from None
    return load


def _dir(value: Any, at: Path) -> str:
    text = typed(value, str, at).removeprefix("./").rstrip("/")
    fault = path_fault(text) if text != "." else "it is the project's own folder"
    parts = text.lower().split("/")
    if not fault and ".git" in parts:
        fault = "it is git's folder"
    if not fault and any(part.startswith(".") for part in parts):
        fault = "it is hidden, as the folders of other programs are"
    if fault:
        what = f"`{printable(text, 80)}` cannot be the folder for models: {fault}"
        raise Fault(at, what, 'it is a folder inside the project, for example dir = "models"')
    return text


def _endpoint(value: Any, at: Path) -> str:
    return checked(at, check_endpoint, typed(value, str, at))


def _mirror(text: str, at: Path) -> str:
    return checked(at, mirror.read, text).text


def _names(value: Any, at: Path) -> tuple[str, ...]:
    return tuple(dict.fromkeys(checked(where, check_name, text) for text, where in texts(value, at)))
