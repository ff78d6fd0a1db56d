"""A lock that git could not merge: `lock` reads both sides, keeps what answers the manifest, and asks for the rest."""

import subprocess

import pytest

from modelsync.context import Context
from modelsync.errors import DriftError, LockfileError
from modelsync.ops import lock
from modelsync.ops.options import Merging, Upgrade
from modelsync.ops.proposal import NO_UPGRADE, LockReport
from modelsync.spec.lock import read
from modelsync.spec.lock.model import Lock
from tests.support.content import gguf
from tests.support.project import MANIFEST, REPO, Place

Q8 = f'other = "hf:{REPO}:Q8_0"\n'
F16 = f'third = "hf:{REPO}:F16"\n'


class Branches:
    """A project under git: what each branch writes, and the merge of them."""

    def __init__(self, place: Place, context: Context) -> None:
        self.place, self.context = place, context
        self.git("init", "--quiet", "--initial-branch=main")
        place.repo.commit({"tiny-F16.gguf": gguf("f16")})
        self.locked("main", MANIFEST)

    def git(self, *words: str, check: bool = True) -> int:
        """Runs git there, with a config of nobody."""
        done = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", *words],
            cwd=self.place.folder,
            capture_output=True,
            check=False,
        )
        assert not check or done.returncode == 0, done
        return done.returncode

    def locked(self, branch: str, manifest: str, upgrade: Upgrade = NO_UPGRADE) -> Lock:
        """Locks a manifest on a branch that begins at main, and commits it."""
        if branch != "main":
            self.git("switch", "--quiet", "--create", branch, "main")
        report = lock.lock(self.context, self.place.write(manifest), upgrade)
        self.git("add", "models.toml", "models.lock")
        self.git("commit", "--quiet", "--message", branch)
        return report.lock

    def merge(self, manifest: str, *options: str) -> None:
        """Merges `two` into `one`; the lock is left with markers, the manifest as a person settles it."""
        self.git("switch", "--quiet", "one")
        assert self.git(*options, "merge", "two", check=False) == 1
        assert "<<<<<<< " in self.place.lock_text
        self.place.write(manifest)


@pytest.fixture
def branches(place: Place, context: Context) -> Branches:
    """A repository with one locked model on main."""
    return Branches(place, context)


def relocked(context: Context, place: Place, **options: object) -> LockReport:
    """Locks what the folder has now."""
    return lock.lock(context, place.project, **options)  # type: ignore[arg-type]


def asked_of_hub(place: Place) -> int:
    """Requests so far."""
    return len(place.hub.seen())


@pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])
def test_two_adds_become_one_lock(branches: Branches, place: Place, context: Context, style: str) -> None:
    """Both branches added a model: the lock has both, byte for byte as one branch would; nobody is asked."""
    one = branches.locked("one", MANIFEST + Q8)
    two = branches.locked("two", MANIFEST + F16)
    branches.merge(MANIFEST + Q8 + F16, "-c", f"merge.conflictStyle={style}")
    before = asked_of_hub(place)
    report = relocked(context, place)
    assert report.written
    assert report.merged
    assert [(change.name, change.action) for change in report.changes if change.action != "unchanged"] == [
        ("third", "added")
    ]
    assert asked_of_hub(place) == before
    assert read.parse(place.lock_text).by_key == {**one.by_key, **two.by_key}
    merged = place.lock_text
    (place.folder / "models.lock").unlink()
    relocked(context, place)
    assert place.lock_text == merged


def test_what_neither_side_answers_is_asked_upstream(
    branches: Branches, place: Place, context: Context
) -> None:
    """The manifest was settled on something new: that alone is asked about; what it names no more goes."""
    one = branches.locked("one", MANIFEST + Q8)
    branches.locked("two", MANIFEST + F16)
    branches.merge(MANIFEST + Q8 + f'fourth = "hf:{REPO}:F16"\n')
    report = relocked(context, place)
    assert [model.name for model in report.lock.models] == ["tiny", "other", "fourth"]
    assert report.lock.find("other") == one.find("other")
    assert report.lock.find("tiny") == one.find("tiny")


def two_commits(branches: Branches, place: Place) -> tuple[Lock, Lock]:
    """Each branch upgraded the same model, upstream moved in between."""
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("first")})
    one = branches.locked("one", MANIFEST, Upgrade(every_model=True))
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("second")})
    two = branches.locked("two", MANIFEST, Upgrade(every_model=True))
    branches.merge(MANIFEST)
    return one, two


def test_two_commits_of_one_request_stop(branches: Branches, place: Place, context: Context) -> None:
    """Nobody guesses which is meant: both commits are named, each with its branch, and nothing is written."""
    one, two = two_commits(branches, place)
    text = place.lock_text
    with pytest.raises(DriftError) as caught:
        relocked(context, place)
    commits = [str(each.models[0].revision)[:14] for each in (one, two)]
    assert caught.value.message.startswith("models.toml:2: tiny: ")
    assert f"{commits[0]} in ours (HEAD), {commits[1]} in theirs (two)" in caught.value.message
    assert "lock -P tiny" in str(caught.value.hint)
    assert place.lock_text == text


@pytest.mark.parametrize("ours", [True, False])
def test_a_side_is_taken_where_they_differ(
    branches: Branches, place: Place, context: Context, ours: bool
) -> None:
    """`--ours` and `--theirs`: that side's pin, without a request."""
    sides = two_commits(branches, place)
    before = asked_of_hub(place)
    report = relocked(context, place, merging=Merging(ours=ours))
    assert report.lock == sides[not ours]
    assert read.parse(place.lock_text) == sides[not ours]
    assert asked_of_hub(place) == before


def test_a_named_model_is_asked_about_again(branches: Branches, place: Place, context: Context) -> None:
    """`-P NAME` settles it by what upstream has now."""
    two_commits(branches, place)
    place.repo.commit({"tiny-Q4_K_M.gguf": gguf("third")})
    report = relocked(context, place, upgrade=Upgrade(models=["tiny"]))
    assert report.lock.models[0].revision == place.repo.branches["main"]
    assert read.parse(place.lock_text) == report.lock


def test_a_dry_run_writes_nothing(branches: Branches, place: Place, context: Context) -> None:
    """It says what the two sides come to."""
    branches.locked("one", MANIFEST + Q8)
    branches.locked("two", MANIFEST + F16)
    branches.merge(MANIFEST + Q8 + F16)
    text = place.lock_text
    report = relocked(context, place, dry_run=True)
    assert len(report.lock.models) == 3
    assert not report.written
    assert place.lock_text == text


@pytest.mark.parametrize("command", ["check", "add"])
def test_other_commands_point_to_lock(
    branches: Branches, place: Place, context: Context, command: str
) -> None:
    """They read no half of it."""
    branches.locked("one", MANIFEST + Q8)
    branches.locked("two", MANIFEST + F16)
    branches.merge(MANIFEST + Q8 + F16)
    with pytest.raises(LockfileError, match="merge conflict") as caught:
        lock.check(place.project) if command == "check" else lock.update(context, place.project.loaded())
    assert "`modelsync lock`" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda text: text.replace("=======\n", "", 1), "not in order"),
        (lambda text: text[: text.index(">>>>>>> ")], "do not end"),
        (lambda text: text.replace("=======\n", "=======\n[[", 1), "theirs"),
    ],
    ids=["no middle", "no end", "a side that is no lock"],
)
def test_a_broken_side_is_told(
    branches: Branches, place: Place, context: Context, harm: object, said: str
) -> None:
    """Markers that a hand has broken, a side that is no lock: an error, and the file stays."""
    branches.locked("one", MANIFEST + Q8)
    branches.locked("two", MANIFEST + F16)
    branches.merge(MANIFEST + Q8 + F16)
    text = harm(place.lock_text)  # type: ignore[operator]
    (place.folder / "models.lock").write_text(text)
    with pytest.raises(LockfileError, match=said):
        relocked(context, place)
    assert place.lock_text == text


FOLDER = f'[models.weights]\nuri = "hf:{REPO}"\ninclude = ["*Q8_0.gguf"]\n'
LAST = f'zebra = "hf:{REPO}:Q8_0"\n'
OTHER_FOLDER = f'[models.aside]\nuri = "hf:{REPO}"\ninclude = ["*F16.gguf"]\n'


def test_one_renames_and_the_other_changes(branches: Branches, place: Place, context: Context) -> None:
    """No request gets the files of another, although git mixes them: what is not surely of one side is asked for."""
    renamed = MANIFEST.replace("tiny =", "renamed =")
    branches.locked("one", renamed)
    branches.locked("two", MANIFEST.replace("Q4_K_M", "Q8_0"))
    branches.merge(renamed)
    ours, theirs = place.lock_text.split("=======")
    assert "Q4_K_M" in ours
    assert "tiny-Q4_K_M.gguf" not in ours + theirs  # a request of one, above files of the other
    for settled, file in (
        (renamed, "tiny-Q4_K_M.gguf"),
        (renamed.replace("Q4_K_M", "Q8_0"), "tiny-Q8_0.gguf"),
    ):
        branches.git("checkout", "--merge", "models.lock")
        place.write(settled)
        (model,) = relocked(context, place, merging=Merging(True)).lock.models
        assert (model.name, model.files[0].path) == ("renamed", file)
        lock.verify(context, place.project)


def test_each_side_removes_another(branches: Branches, place: Place, context: Context) -> None:
    """Both are gone, and nobody is asked."""
    branches.locked("main", MANIFEST + Q8 + F16)
    one = branches.locked("one", MANIFEST + Q8)
    branches.locked("two", MANIFEST + F16)
    branches.merge(MANIFEST)
    before = asked_of_hub(place)
    assert [model.name for model in relocked(context, place).lock.models] == ["tiny"]
    assert asked_of_hub(place) == before
    assert one.find("third") is None


@pytest.mark.parametrize("newer", ["one", "two"])
def test_one_side_needs_a_later_lock(branches: Branches, place: Place, context: Context, newer: str) -> None:
    """One branch added a folder of files, the other a model: the lock is of the version that has both."""
    added = {newer: MANIFEST + FOLDER, ("two" if newer == "one" else "one"): MANIFEST + LAST}
    locks = {name: branches.locked(name, added[name]) for name in ("one", "two")}
    branches.merge(MANIFEST + LAST + FOLDER)
    before = asked_of_hub(place)
    report = relocked(context, place)
    assert report.lock.by_key == {**locks["one"].by_key, **locks["two"].by_key}
    assert asked_of_hub(place) == before
    assert "version = 2\n" in place.lock_text
    assert lock.check(place.project).by_key == report.lock.by_key


def test_a_version_that_git_merged_by_itself(branches: Branches, place: Place, context: Context) -> None:
    """One branch removed the only folder, and went back to version 1; the other added a folder: git takes the 1."""
    branches.locked("main", MANIFEST + FOLDER)
    branches.locked("one", MANIFEST)
    branches.locked("two", MANIFEST + FOLDER + OTHER_FOLDER)
    branches.git("switch", "--quiet", "one")
    branches.git("merge", "two", "--strategy-option", "ours", check=False)
    place.write(MANIFEST + OTHER_FOLDER)
    assert "version = 1\n" in place.lock_text
    assert 'role = "file"' in place.lock_text
    report = relocked(context, place)
    assert report.written
    assert [model.name for model in report.lock.models] == ["aside", "tiny"]
    assert not relocked(context, place).written
    assert "version = 2\n" in place.lock_text
