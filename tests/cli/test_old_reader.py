"""A team whose members have different versions: what an older modelsync makes of what this one wrote."""

from tests.support.command_line import Cli
from tests.support.old_version import OldVersion
from tests.support.project import QUANTS


def test_an_old_reader_works_with_a_lock_of_version_1(synced: Cli, old_version: OldVersion) -> None:
    """While nothing in a lock is new, it is of the first version: an older one checks and syncs it, byte for byte."""
    assert "\nversion = 1\n" in synced.lock.read_text()
    written = synced.lock.read_bytes()
    for words in (("lock", "--check"), ("sync", "--locked"), ("verify",), ("lock", "--upgrade")):
        done = old_version(*words, cwd=synced.folder)
        assert done.returncode == 0, done
    assert synced.lock.read_bytes() == written
    done = old_version("path", "tiny", cwd=synced.folder)
    assert done.stdout.strip().endswith("tiny-Q4_K_M.gguf")


def test_an_old_reader_refuses_a_later_version_by_its_number(synced: Cli, old_version: OldVersion) -> None:
    """It is told to upgrade, though what is in the lock makes no sense to it, and it does not rewrite the lock."""
    text = synced.lock.read_text().replace("version = 1", "version = 2").replace('"model"', '"draft"')
    synced.lock.write_text(text)
    for words in (("lock", "--check"), ("sync",), ("lock",), ("path", "tiny")):
        done = old_version(*words, cwd=synced.folder)
        assert done.returncode == 2, done
        assert "its version is 2, and this modelsync reads up to 1" in done.stderr
        assert "hint: upgrade modelsync" in done.stderr
    assert synced.lock.read_text() == text


def test_what_a_later_version_added_outlives_a_lock(synced: Cli) -> None:
    """Another model is added and this one upgraded to what it is: keys that this version does not know stay."""
    new = synced.lock.read_text().replace("size = ", "color = 0x1F, size = ", 1)
    new = new.replace("\n[[model]]", '\nseen = "by a later one"\n\n[[model]]', 1)
    synced.lock.write_text(new)
    synced("add", "other", "hf:user/tiny-GGUF:Q8_0")
    synced("lock", "--upgrade")
    text = synced.lock.read_text()
    assert 'version = 1\nseen = "by a later one"\n' in text
    assert text.count(", color = 31 }") == 1
    synced.repo.commit({"tiny-Q4_K_M.gguf": QUANTS["tiny-Q8_0.gguf"]})
    synced("lock", "--upgrade")
    assert "color" not in synced.lock.read_text()  # it was said of other bytes


def test_a_project_for_a_later_version_says_so(synced: Cli) -> None:
    """`required-version` ends each command that reads the manifest, the first sync after it was written too."""
    text = (synced.folder / "models.toml").read_text()
    synced.write(f'[modelsync]\nrequired-version = ">=99"\nlater = 1\n{text}')
    for words in (("sync",), ("path", "tiny"), ("lock", "--check"), ("add", "b", "hf:u/b"), ("-q", "sync")):
        err = synced(*words, status=2).err
        assert "this project needs modelsync >=99" in err
        assert "hint: upgrade modelsync" in err
    assert "required-version" in synced("doctor", status=1).out
