"""What modelsync sees on this machine, and what is wrong with it: `modelsync doctor`."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from modelsync import settings as environment
from modelsync.context import Context
from modelsync.errors import ConfigError, ModelsyncError
from modelsync.ops.doctor import mirrors, network, places, project, runtime, variables
from modelsync.ops.doctor.findings import Finding, FindingGroup, Report, fault, group
from modelsync.project.project import Project
from modelsync.settings import Settings

__all__ = ["Finding", "FindingGroup", "Report", "examine", "sound_settings"]


def examine(
    context: Context,
    find_project: Callable[[], Project],
    *,
    options: Collection[str] = (),
    endpoint: str | None = None,
    faults: tuple[Finding, ...] = (),
) -> Report:
    """Looks at all that a command depends on. Whatever cannot be looked at is a finding, and no error.

    In the store and in the project's folder a file is made and removed again; the hub and each mirror are asked one
    thing, unless the network is ruled out.

    Args:
        context: What to work with.
        find_project: Finds the project of the call.
        options: The variables of the command line's options.
        endpoint: The endpoint of a flag.
        faults: What was found wrong with the settings: see `sound_settings`.
    """
    found, manifest, told = project.found(find_project)
    folder = found.folder(manifest) if found is not None and manifest is not None else None
    odd = variables.odd(os.environ, options, manifest.names if manifest is not None else ())
    about = project.project(context, found, manifest) if found is not None and manifest is not None else ()
    groups = (
        group("versions", _guarded("versions", runtime.versions())),
        group("machine", _guarded("machine", runtime.machine())),
        group("store", _guarded("store", _store(context, folder))),
        group("caches", _guarded("caches", places.neighbours(context))),
        group(
            "network",
            _guarded(
                "network",
                network.network(
                    context, context.settings, endpoint, manifest.endpoint if manifest is not None else None
                ),
            ),
        ),
        group("mirrors", _guarded("mirrors", mirrors.mirrors(context, found, manifest))),
        group("registries", _guarded("logins", network.registries())),
        group("variables", (*faults, *odd)),
        group("project", (told, *_guarded("project", iter(about)))),
    )
    return Report(tuple(each for each in groups if each.findings))


def sound_settings(environ: Mapping[str, str]) -> tuple[Settings, tuple[Finding, ...]]:
    """The environment's settings without those that cannot be, and what is wrong with these.

    Of an endpoint only the login is left out: a token of this hub is not to go to another.
    """
    kept = dict(environ)
    faults: list[Finding] = []
    while True:
        try:
            return environment.from_environment(kept), tuple(faults)
        except ConfigError as error:
            name = next(re.finditer(r"\w+", error.message))[0]
            faults.append(Finding(name, error.message.removeprefix(name).lstrip(":= "), "wrong", error.hint))
            sound = environment.without_login(kept.pop(name))
            if name.endswith("_ENDPOINT"):
                kept[name] = sound


def _store(context: Context, folder: Path | None) -> Iterator[Finding]:
    yield from places.store(context.store, context.settings, folder)


def _guarded(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings up to what could not be looked at: that is one too."""
    try:
        yield from findings
    except OSError as error:
        yield Finding(name, f"cannot be looked at: {error.strerror or error}", "wrong")
    except ModelsyncError as error:
        yield fault(name, error)
