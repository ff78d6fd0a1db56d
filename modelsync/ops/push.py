"""Push: what is locked and here goes to a repository of an OCI registry."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from modelsync.context import Context
from modelsync.errors import (
    CancelledError,
    LicenseRefusedError,
    ModelsyncError,
    NotSyncedError,
    UriError,
    UsageError,
)
from modelsync.fetch.wanted import label
from modelsync.install import present
from modelsync.ops.failures import Failures
from modelsync.ops.options import PushOptions
from modelsync.ops.sending import PushJob, Sending
from modelsync.project import license_check, lookup
from modelsync.project.project import LoadedProject, Project
from modelsync.registry import image as images
from modelsync.registry import limits
from modelsync.registry.artifact import digest_tag, name_tag
from modelsync.registry.forms import Form
from modelsync.registry.repository import Repository
from modelsync.resolve.licenses import Licenses
from modelsync.sizes import size as size_text
from modelsync.spec.manifest.model import Entry
from modelsync.spec.names import printable
from modelsync.spec.uri import OciUri
from modelsync.system.parallel import run_all

_LATE = 5_000_000  # bytes a second; what needs more to be done in time is told
_LONGEST_TAG = 128  # characters
_PLAIN = PushOptions()


class PushedModel(NamedTuple):
    """A model in the registry.

    Attributes:
        name: Its name in the lock.
        variant: Its variant, or None.
        reference: `oci://registry/repository@sha256:…` of its manifest.
        tags: The tags that point at it.
        changed: Whether anything had to be sent for it, or with `dry_run` would be.
        size: Bytes of its files.
        bytes_sent: Those of its blobs that were sent, or would be; a blob of several models counts for the first.
    """

    name: str
    variant: str | None
    reference: str
    tags: tuple[str, ...]
    changed: bool
    size: int
    bytes_sent: int

    @property
    def title(self) -> str:
        """`llama3`, or `llama3 [server]` for a variant."""
        return f"{self.name} [{self.variant}]" if self.variant else self.name


class PushReport(NamedTuple):
    """The result of a push.

    Attributes:
        pushed: The models, sorted by name.
        bytes_sent: Bytes of blobs that were sent, or with `dry_run` would be.
        bytes_there: Bytes of blobs that were there, or that the registry took over from another repository.
        notes: What a person should know.
        warnings: What a person was told before anything was sent: limits of the registry.
    """

    pushed: tuple[PushedModel, ...]
    bytes_sent: int = 0
    bytes_there: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def push(
    context: Context,
    project: Project,
    target: str,
    names: Sequence[str] = (),
    options: PushOptions = _PLAIN,
) -> PushReport:
    """Sends the models that are locked and here, every variant of them too.

    Each has a tag that follows from its lock entry. What is in the repository already is not sent again, and what the
    registry has in another repository that this machine pushed to is taken over there.

    Args:
        context: What to work with.
        project: The manifest and its lock.
        target: `oci://registry/repository`.
        names: The models; none: all that are here.
        options: What was asked.

    Raises:
        UsageError: the target has a tag, or is no registry; two models would have one tag.
        StaleLockError: the lock does not answer a model.
        NotSyncedError: a named model is not here, or none is.
        LicenseRefusedError: a model's license is none of the project's `allowed-licenses`; others are pushed.
        ModelsyncError: the first by name of those that could not be pushed, with all errors and the report.
    """
    registry, name = _target(context, target)
    project = project.loaded()
    jobs, refused, notes = _here(context, project, names)
    failures = Failures(project, named=len(jobs) > 1 or bool(refused))
    for entry, refusal in refused:
        failures.add(entry.title, refusal, entry)
    if not jobs:
        failures.raise_first(PushReport((), notes=notes))
    for job in jobs:
        job.tags = (digest_tag(job.model, options.form), *((name_tag(job.model),) if options.tag else ()))
    _check_tags(jobs)
    repository = Repository(context.client(), registry, name)
    warnings = _warnings(repository.registry, jobs, options.form, context.max_rate)
    for warning in warnings:
        context.warn(warning)
    if options.form == "modelpack":
        notes += _find_licenses(context, jobs)
    work = Sending(context, repository, failures, options)
    jobs = work.prepare(jobs)
    there, outgoing = work.missing(jobs)
    if not options.dry_run:
        outgoing = work.send(outgoing)
        work.finish(jobs)
    done = [job for job in jobs if job.model.title not in failures]
    report = PushReport(
        tuple(_pushed(repository, job) for job in done),
        sum(each.blob.size for each in outgoing),
        there + work.mounted,
        notes,
        warnings,
    )
    failures.raise_first(report)
    return report


def _target(context: Context, text: str) -> tuple[str, str]:
    """Registry and repository.

    Raises:
        UsageError: the text names no repository alone.
    """
    hint = "for example `modelsync push oci://registry.example.com/team/models`"
    if re.match(r"[^/@]+[.:][^/@]*/", text) and "://" not in text:
        raise UsageError(
            f"`{printable(text, 100)}` has no scheme; did you mean oci://{printable(text, 100)}?", hint=hint
        )
    try:
        uri = context.reference(text.rstrip("/")).uri
    except UriError as error:
        raise UriError(error.message, hint=hint) from None
    if not isinstance(uri, OciUri):
        raise UsageError(f"`{printable(text, 100)}` is no repository of a registry", hint=hint)
    if "@" in text or ":" in text.rpartition("/")[2]:
        raise UsageError(
            f"`{printable(text, 100)}` has a tag or a digest: a push makes its own tags",
            hint="leave it out; `--tag` also tags each model with its name",
        )
    return uri.registry, uri.repository


def _here(
    context: Context, project: LoadedProject, names: Sequence[str]
) -> tuple[list[PushJob], list[tuple[Entry, LicenseRefusedError]], tuple[str, ...]]:
    """The models that are here, sorted by name, with their variants; those refused; notes about those not here.

    Refused are those whose licenses the project does not allow: a push would hand them on.

    Raises:
        NotSyncedError: a named model is not here, or none is.
    """
    manifest, lock = project.manifest, project.lock
    wanted = {manifest.entry(name).name for name in names} or set(manifest.names)
    folder = project.folder(manifest)
    jobs, absent = [], []
    refused: list[tuple[Entry, LicenseRefusedError]] = []
    for entry in manifest.entries:
        if entry.name not in wanted:
            continue
        known = lookup.answered(project, manifest, lock, entry)
        ready = present.right_paths(context, folder, known.model)
        if ready is None:
            absent.append(known.model)
        elif (refusal := license_check.of_model(manifest, entry, known.model)) is not None:
            refused.append((entry, refusal))
        else:
            jobs.append(PushJob(known.model, ready))
    here = {job.model.name for job in jobs} | {entry.name for entry, _ in refused}
    for model in absent:
        if (names or not here) and model.name not in here:
            raise NotSyncedError(f"{model.title} is not on this machine", hint="run `modelsync sync`")
    if not here:
        raise UsageError("there is no model to push", hint="`modelsync add NAME URI` makes one")
    notes = tuple(f"{model.title} is not on this machine, and was left out" for model in absent)
    jobs.sort(key=lambda job: (job.model.name, job.model.variant or ""))
    return jobs, refused, notes


def _find_licenses(context: Context, jobs: Sequence[PushJob]) -> tuple[str, ...]:
    """Finds the license files that go along; notes of the models whose are not known."""
    licenses = Licenses(context)

    def find(job: PushJob) -> str | None:
        try:
            job.texts = {text.path: text.data for text in licenses.of(job.model)}
        except CancelledError:
            raise
        except ModelsyncError as error:
            return f"{job.model.title} goes without its license file, if it has one: {error.message}"
        return None

    notes = run_all(find, jobs, name="licenses", cancel=context.cancel)
    return tuple(note for note in notes if note is not None)


def _check_tags(jobs: Sequence[PushJob]) -> None:
    """Raises UsageError where two models would have one tag, or a tag would be too long."""
    owners: dict[str, str] = {}
    for job in jobs:
        for tag in job.tags[1:]:
            other = owners.setdefault(tag, job.model.title)
            if other != job.model.title:
                raise UsageError(
                    f"{other} and {job.model.title} would both be tagged `{tag}`",
                    hint="push them into two repositories, or leave out --tag",
                )
            if len(tag) > _LONGEST_TAG:
                raise UsageError(
                    f"the tag `{tag[:60]}…` would be longer than {_LONGEST_TAG}", hint="leave out --tag"
                )


def _warnings(registry: str, jobs: Sequence[PushJob], form: Form, max_rate: int | None) -> tuple[str, ...]:
    """What a known registry will not take."""
    limit = limits.limit_of(registry)
    if limit is None:
        return ()
    found = []
    for job in jobs:
        for file in job.model.files:
            size = file.size if form == "modelpack" else images.tar_size(file.path, file.size)
            named = label(job.model.name, file)
            if size > limit.layer:
                found.append(
                    f"{named} has {size_text(size)}, and {limit.registry} takes {size_text(limit.layer)} a layer"
                )
            elif limit.seconds and size / limit.seconds > min(_LATE, max_rate or _LATE):
                needed = size_text(size // limit.seconds)
                found.append(
                    f"{named}: {limit.registry} gives an upload {limit.seconds // 60} minutes, so it has to go "
                    f"at {needed}/s"
                )
    return tuple(found)


def _pushed(repository: Repository, job: PushJob) -> PushedModel:
    return PushedModel(
        job.model.name,
        job.model.variant,
        f"oci://{repository}@{job.made.manifest.digest}",
        job.tags,
        bool(job.missing_tags),
        sum(file.size for file in job.model.files),
        job.sent,
    )
