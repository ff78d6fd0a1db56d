"""`init --from`: a first manifest, of models that are on this machine or that another tool's script fetches."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from modelsync.caches import huggingface, llama_cpp
from modelsync.caches.home import Home
from modelsync.caches.hub_contents import HubSnapshot, snapshots
from modelsync.caches.huggingface import HubCache
from modelsync.caches.model_files import model_files
from modelsync.content.policy import code_of, is_suspect
from modelsync.context import Context
from modelsync.display.units import size as shown_size
from modelsync.errors import NotFoundError, RefusedError, StoreError, UriError, UsageError
from modelsync.spec.file_kinds import by_kind
from modelsync.spec.globs import MAX_GLOBS, literal
from modelsync.spec.manifest.moved_in import FoundEntry, manifest_text, to_uncomment
from modelsync.spec.names import file_name, path_fault, printable
from modelsync.spec.parts import siblings
from modelsync.spec.pull_scripts import PullScript, pull_scripts
from modelsync.spec.uri import FileUri, HfUri, parse
from modelsync.spec.uri_forms import is_model_file
from modelsync.store import hashing
from modelsync.system import user_files

HF_CACHE = "hf-cache"
_SCRIPT_BYTES = 4 << 20  # of a package.json
_SHOWN = 3  # names in one note


def text_from(
    context: Context, source: str, folder: Path, tell: Callable[[str], None] = lambda _: None
) -> str:
    """The text of a manifest.

    Args:
        context: What to work with.
        source: `hf-cache`, a `package.json`, or a folder of models.
        folder: The manifest's folder.
        tell: Is told of each file that has no place in it, and why.

    Raises:
        NotFoundError: there is nothing of that name, or no model in it.
        UsageError: it is no `package.json`.
        StoreError: it cannot be read.
    """
    path = Path(source).expanduser()
    place: str | None = None
    if source == HF_CACHE:
        entries, shown = _from_cache(tell), "the Hugging Face cache"
    elif path.is_dir():
        entries, shown = _from_folder(context, path, folder, tell), source
    elif path.is_file():
        pulls = _scripts(path)
        entries, shown, place = list(_from_scripts(pulls)), path.name, _one_folder(pulls)
    else:
        raise NotFoundError(
            f"{source} is not there", hint=f"--from takes a folder of models, a package.json, or {HF_CACHE}"
        )
    if not entries:
        raise NotFoundError(f"{shown} has no model", hint="`modelsync init` alone makes an empty manifest")
    return manifest_text(entries, shown, place)


def _hub_snapshots(tell: Callable[[str], None]) -> Iterator[HubSnapshot]:
    """The commits in the hub's caches, without the repos, branches and files that no URI can name."""
    home = Home.of_process()
    roots = dict.fromkeys((huggingface.hub_folder(home), llama_cpp.hub_folder(home)))
    for found in (each for root in roots if root is not None for each in snapshots(HubCache(root))):
        shown = printable(found.repo)
        try:
            parse(f"hf:{found.repo}#{found.commit}")
        except UriError as error:
            tell(f"{shown} is left out: {error.message}")
            continue
        faults = {path: path_fault(path) for path in found.files}
        for path, fault in faults.items():
            if fault is not None:
                tell(f"{shown}/{printable(path)} is left out: {fault}")
        files = {path: size for path, size in found.files.items() if faults[path] is None}
        digests = {path: digest for path, digest in found.digests.items() if path in files}
        branches = tuple(name for name in found.branches if _is_revision(found.repo, name))
        if files:
            yield found._replace(files=files, digests=digests, branches=branches)


def _is_revision(repo: str, name: str) -> bool:
    try:
        return parse(f"hf:{repo}#{name}").revision == name
    except UriError:
        return False


def _from_cache(tell: Callable[[str], None]) -> list[FoundEntry]:
    """An entry for each model of each repo; of a repo with several commits, of the first: that of `main`."""
    entries: list[FoundEntry] = []
    seen: set[str] = set()
    for snapshot in _hub_snapshots(tell):
        if snapshot.repo in seen:
            words = f"hf:{snapshot.repo} is there at {_revision(snapshot) or 'main'} too"
            entries.append(FoundEntry("", comments=[words]))
            continue
        seen.add(snapshot.repo)
        entries += _of_snapshot(snapshot)
    return entries


def _revision(snapshot: HubSnapshot) -> str:
    """What an entry has to say to mean the commit; empty: nothing, it is `main`."""
    if not snapshot.branches:
        return snapshot.commit
    return "" if snapshot.branches[0] == "main" else snapshot.branches[0]


def _of_snapshot(snapshot: HubSnapshot) -> Iterator[FoundEntry]:
    kinds = by_kind(snapshot.files, snapshot.files)
    revision = _revision(snapshot)
    if not kinds.models:
        yield _folder_entry(snapshot)
        return
    projector = f"hf:{snapshot.repo}/{kinds.projectors[0]}" if len(kinds.projectors) == 1 else ""
    comments = [f"its repo has {len(kinds.projectors)} projectors here"] if len(kinds.projectors) > 1 else []
    for path in kinds.models:
        uri = HfUri(snapshot.repo, path)
        values = [("revision", revision), ("mmproj", projector)]
        yield FoundEntry(file_name(path), str(uri), values, comments)
        comments = []


def _folder_entry(snapshot: HubSnapshot) -> FoundEntry:
    """A repo without GGUF models: the files that are here, but those that can run code."""
    comments = [f"in the cache at commit {snapshot.commit}"]
    taken = sorted(snapshot.files)
    code = [path for path in taken if is_suspect(path) or code_of(path) is not None]
    taken = [path for path in taken if path not in code and file_name(path) != ".gitattributes"]
    if code:
        comments.append(f"left out, since they may run code (`allow-code` permits it): {', '.join(code)}")
    if not taken or len(taken) > MAX_GLOBS:
        comments.append(
            f"{len(taken)} files of hf:{snapshot.repo}: say with `include` which of them are meant"
        )
        return FoundEntry("", comments=comments)
    values: list[tuple[str, str | Sequence[str]]] = [
        ("revision", _revision(snapshot)),
        ("include", [literal(path) for path in taken]),
    ]
    return FoundEntry(HfUri(snapshot.repo).short_name, f"hf:{snapshot.repo}", values, comments)


def _from_folder(
    context: Context, source: Path, folder: Path, tell: Callable[[str], None]
) -> list[FoundEntry]:
    """An entry for each model whose digest a hub's cache on this machine knows; comments for the others."""
    sizes = dict(model_files(source, tell))
    known = [each for each in _hub_snapshots(lambda _: None) if each.digests]
    entries = []
    kinds = by_kind(sizes, sizes)
    others = [path for path in sizes if not is_model_file(path)]
    for path in (*kinds.models, *others):
        if is_suspect(path):
            tell(
                f"{printable(path)} is left out: it may run code when it is loaded (`allow-code` permits it)"
            )
            continue
        lacking = [name for name in _parts(path) if name not in sizes]
        if lacking:
            tell(f"{printable(path)} is not whole: {_names(lacking)} not there")
        found = _recognised(context, source / path, sizes[path], known, tell)
        entries.append(
            _unknown_entry(source, path, sizes[path], folder)
            if found is None
            else FoundEntry(
                file_name(found[1]),
                str(HfUri(found[0].repo, found[1])),
                [("revision", _revision(found[0]))],
                [f"{path}: its bytes are those of hf:{found[0].repo} at commit {found[0].commit}"],
            )
        )
    heads = [head for head in kinds.heads if head not in kinds.models]
    for path in (*kinds.projectors, *heads):
        words = (
            "a projector: name it with `mmproj`"
            if path in kinds.projectors
            else "a draft head: `draft` names it"
        )
        entries.append(FoundEntry("", comments=[f"{path} is {words} of the model that it belongs to"]))
    spoken = {part for path in (*kinds.models, *kinds.projectors, *heads) for part in _parts(path)}
    for path in sizes:
        if is_model_file(path) and path not in spoken:
            tell(f"{printable(path)} is left out: its name says that it is no model")
    return entries


def _parts(path: str) -> tuple[str, ...]:
    """All parts of the model that a file is of; itself alone, where its name counts more than any model has."""
    try:
        return siblings(path)
    except RefusedError:
        return (path,)


def _names(paths: Sequence[str]) -> str:
    """A few names, with how many more there are."""
    more = (
        f" and {len(paths) - _SHOWN} more are"
        if len(paths) > _SHOWN
        else " is"
        if len(paths) == 1
        else " are"
    )
    return ", ".join(printable(file_name(path)) for path in paths[:_SHOWN]) + more


def _recognised(
    context: Context, path: Path, size: int, known: Iterable[HubSnapshot], tell: Callable[[str], None]
) -> tuple[HubSnapshot, str] | None:
    """The repo's file that has the same digest; the file is only hashed where one has its size."""
    same = [
        (snapshot, inside)
        for snapshot in known
        for inside in snapshot.digests
        if snapshot.files[inside] == size
    ]
    if not same:
        return None
    try:
        digest = hashing.sha256_of(path, on_bytes=context.teller(path.name, size, "checking"))
    except OSError as error:
        tell(f"{printable(str(path), 1000)} cannot be read: {error.strerror}")
        return None
    return next(((snapshot, inside) for snapshot, inside in same if snapshot.digests[inside] == digest), None)


def _unknown_entry(source: Path, path: str, size: int, folder: Path) -> FoundEntry:
    """What can be said of a file whose repo no cache tells: the one that its folders are called after, and itself."""
    comments = [f"{path} ({shown_size(size)}): nothing on this machine tells which repo it is of"]
    name = file_name(path)
    if path.count("/") >= 2:  # as LM Studio and others lay models out
        with suppress(UriError):
            guess = str(parse(f"hf:{'/'.join(path.split('/')[-3:])}").uri)
            comments += ["its folders are called so; check it:", *to_uncomment(name, guess)]
    place, here = (source / path).absolute(), folder.absolute()
    where = place.relative_to(here) if place.is_relative_to(here) else place
    uri = str(FileUri(where.as_posix()))
    comments += ["the file itself, which another machine does not have:", *to_uncomment(name, uri)]
    return FoundEntry("", comments=comments)


def _scripts(path: Path) -> tuple[PullScript, ...]:
    try:
        return pull_scripts(user_files.read_text(path, _SCRIPT_BYTES))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from None


def _from_scripts(pulls: Sequence[PullScript]) -> Iterator[FoundEntry]:
    """An entry for each URI of each pull, below the line that it comes from."""
    for pull in pulls:
        above = [f"{pull.script}: {pull.words}"]
        if pull.has_headers:
            above.append('its headers belong in your config.toml: [hosts."…"] headers')
        if pull.filename is not None:
            above.append(f"there the file is called {pull.filename}; here it keeps its own name")
        for text in pull.uris:
            try:
                reference = parse(text)
            except UriError as error:
                yield FoundEntry("", comments=[*above, f"{text}: {error.message}"])
            else:
                values = [("revision", reference.revision or "")]
                uri = reference.uri
                name = (
                    file_name(uri.path) if isinstance(uri, HfUri) and uri.path is not None else uri.short_name
                )
                yield FoundEntry(name, str(uri), values, above)
            above = []
        if not pull.uris:
            yield FoundEntry("", comments=[*above, "it names no model"])


def _one_folder(pulls: Sequence[PullScript]) -> str | None:
    """The folder in the project that all pulls fetch into; None if there is none."""
    folders = {os.path.normpath(pull.folder) if pull.folder else "" for pull in pulls}
    folder = next(iter(folders)).replace(os.sep, "/") if len(folders) == 1 else ""
    return folder if folder and path_fault(folder) is None else None
