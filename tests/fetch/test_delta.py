"""Which files of the store are looked at for what a new one may have in common with them."""

from pathlib import Path

from modelsync.fetch.delta import OTHERS, PARTS, TENSORS, Old, choose, guesses
from modelsync.gguf.reader import read_header
from modelsync.spec.lock.model import LockedFile
from modelsync.store.inventory import Kept
from modelsync.store.receipts import BlobOrigin
from tests.support.weight_files import gguf_of, weights

SIZE = 1 << 30
OLD, NEW = "0" * 40, "1" * 40


def url(repo: str, path: str, commit: str = OLD) -> str:
    return f"https://huggingface.co/{repo}/resolve/{commit}/{path}"


def wanted(repo: str, path: str) -> LockedFile:
    return LockedFile("model", path, SIZE, "f" * 64, url(repo, path, NEW))


def kept(name: str, repo: str | None, path: str, size: int = SIZE) -> Kept:
    return Kept(name, size, (BlobOrigin(path, url=url(repo, path) if repo else None),))


def chosen(file: LockedFile, *there: Kept) -> list[str]:
    return [one.sha256 for one in choose(file, there)]


def test_an_older_version_of_the_file_comes_first() -> None:
    """Then what is in the same repo or has the same name, then a stranger of the same size; others do not."""
    assert chosen(
        wanted("a/b", "m-Q4.gguf"),
        kept("same size", "x/y", "z.gguf", SIZE + 100),
        kept("another size", "x/y", "z2.gguf", SIZE // 2),
        kept("same repo", "a/b", "m-Q8.gguf", 2 * SIZE),
        kept("same name", "c/d", "m-Q4.gguf", SIZE + 5000),
        kept("older", "a/b", "m-Q4.gguf", SIZE - 7),
        kept("f" * 64, "a/b", "m-Q4.gguf"),
    ) == ["older", "same name", "same repo", "same size"]


def test_parts_of_the_same_model_come_by_how_near_their_number_is() -> None:
    """However many parts it was cut into before."""
    assert chosen(
        wanted("a/b", "m-00003-of-00003.gguf"),
        kept("one", "a/b", "m-00001-of-00002.gguf"),
        kept("two", "a/b", "m-00002-of-00002.gguf", SIZE // 2),
        kept("namesake", "c/d", "m-00003-of-00003.gguf"),
        kept("other model", "a/b", "n-00003-of-00003.gguf"),
    ) == ["two", "one", "namesake", "other model"]


def test_a_direct_url_is_known_by_its_address() -> None:
    """Without its name in common, by its size."""
    file = LockedFile("model", "x.gguf", SIZE, "f" * 64, "https://files.example/x.gguf")
    there = Kept("same", SIZE * 2, (BlobOrigin("x.gguf", url="https://files.example/x.gguf"),))
    joined = Kept("joined", SIZE, (BlobOrigin("y.gguf"),))
    unknown = Kept("unknown", SIZE, ())
    assert chosen(file, unknown, joined, there) == ["same", "joined", "unknown"]


def test_they_are_not_too_many() -> None:
    """A store of thousands of files costs no more than some."""
    file = wanted("a/b", "m-00003-of-01000.gguf")
    parts = [kept(f"{n}", "a/b", f"m-{n:05d}-of-01000.gguf") for n in range(1, 1001)]
    strangers = [kept(f"s{n}", "x/y", f"{n}.gguf", SIZE + n) for n in range(100)]
    found = chosen(file, *parts, *strangers)
    assert len(found) == PARTS + OTHERS
    assert found[0] == "3"


def test_of_a_great_many_tensors_the_largest_are_looked_for() -> None:
    """Each look is a request: a header of a hundred thousand tensors brings no more of them than a model's."""
    tensor = weights("any", 20)
    many = {f"t{n}": tensor for n in range(TENSORS + 100)} | {"large": weights("large", 40)}
    data = gguf_of(many)
    header = read_header(data, "m", size=len(data))
    found = guesses(header, [Old(Path("old"), header)])
    assert len(found) == TENSORS
    assert found[-1].size == len(many["large"].data)
    assert [guess.start for guess in found] == sorted(guess.start for guess in found)
