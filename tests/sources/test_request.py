"""Whole requests: several sources at once, pinned hashes, and who owns which file."""

import pytest

from modelsync.errors import HashMismatchError, UsageError
from modelsync.sources import source_for, sources
from modelsync.sources.direct import Direct
from modelsync.sources.huggingface import HuggingFace
from modelsync.sources.local import Local
from modelsync.sources.request import check_pins, owners, resolve
from modelsync.spec.lock import read, text
from modelsync.spec.lock.model import Lock, LockedModel
from modelsync.spec.request import Request
from modelsync.spec.uri import parse
from tests.hub import Hub
from tests.support.content import sha256
from tests.support.source_calls import Asker, as_locked, model

SHA = "ab" * 32


def test_a_request_may_mix_sources(hub: Hub, ask: Asker) -> None:
    """Model, projector and adapters may each come from anywhere; each file knows its source."""
    hub.repo("u/Base").commit({"b-Q8_0.gguf": model()})
    projector = hub.file("/mmproj-F16.gguf", model("eyes"))
    (ask.folder / "adapter.gguf").write_bytes(model("lora"))
    commit = hub.repo("u/Lora").commit({"lora.gguf": model()})
    loras = ["./adapter.gguf", "hf:u/Lora"]
    answer = ask("hf:u/Base:Q8_0", mmproj=projector, loras=loras)
    assert [(file.role, file.path, file.repo, file.revision) for file in answer.files] == [
        ("model", "b-Q8_0.gguf", None, None),
        ("mmproj", "mmproj-F16.gguf", None, None),
        ("lora", "adapter.gguf", None, None),
        ("lora", "lora.gguf", "u/Lora", commit),
    ]
    request = Request(parse("hf:u/Base:Q8_0").uri, None, parse(projector), tuple(map(parse, loras)))
    for files in (answer.files, tuple(as_locked(file) for file in answer.files)):
        owned = owners(request.to_dict(), files, ask.sources)
        assert [type(each.source) for each in owned] == [HuggingFace, Direct, Local, HuggingFace]
        assert [each.file for each in owned] == list(files)


def test_every_answer_makes_a_lock_that_is_accepted(hub: Hub, ask: Asker) -> None:
    """What sources find, written as a lock, passes the lock's own check of where its files come from."""
    repo = hub.repo("u/All")
    old = repo.commit({"adapter.gguf": model("old")})
    repo.commit(
        {f"big/m-Q8_0.gguf.part{n}of2": model(str(n)) for n in (1, 2)} | {"mmproj-ü F16.gguf": model()}
    )
    repo.commit({f"s/m-Q4_0-{n:05}-of-00002.gguf": model(str(n)) for n in (1, 2)})
    hub.repo("v/Lora").commit({"lora.gguf": model()})
    for n in (1, 2):
        hub.file(f"/web-{n:05}-of-00002.gguf", model(str(n)))
        hub.file(f"/joined.gguf.part{n}of2", model(str(n)))
        (ask.folder / f"d-{n:05}-of-00002.gguf").write_bytes(model(str(n)))
    (ask.folder / "lora #1.gguf").write_bytes(model())
    requests = {
        "pieces": Request(parse("hf:u/All:Q8_0").uri, None, True, (parse(f"hf:u/All/adapter.gguf#{old}"),)),
        "split": Request(parse("hf:u/All:Q4_0").uri, "main", parse("hf:u/All:F16"), (parse("hf:v/Lora"),)),
        "web": Request(parse(f"{hub.plain}/web-00002-of-00002.gguf?a=b").uri, loras=(parse("hf:v/Lora"),)),
        "joined": Request(parse(f"{hub.plain}/joined.gguf.part1of2").uri),
        "local": Request(parse("./d-00001-of-00002.gguf").uri, loras=(parse("file:lora #1.gguf"),)),
        "corp": Request(parse("hf:u/All:Q4_0").uri, endpoint="https://hub.corp.example/models"),
    }
    models = []
    for name, request in sorted(requests.items()):
        answer = resolve(request, ask.sources, folder=ask.folder, endpoint=hub.endpoint)
        files = tuple(as_locked(file, SHA) for file in answer.files)
        models.append(LockedModel(name, request.to_dict(), files, None, answer.revision, answer.license))
    lock = Lock(tuple(models))
    assert read.parse(text.dumps(lock)) == lock


def test_an_adapter_of_a_model_from_elsewhere_has_its_repo(hub: Hub, ask: Asker) -> None:
    """Beside a model by URL, whatever comes from a hub says its repo and commit."""
    commit = hub.repo("u/Lora").commit({"lora.gguf": model()})
    answer = ask(hub.file("/m.gguf", model()), loras=["hf:u/Lora"])
    assert answer.revision is None
    assert (answer.files[1].repo, answer.files[1].revision) == ("u/Lora", commit)


def test_a_projector_beside_a_url_cannot_be_found(hub: Hub, ask: Asker) -> None:
    """A server that lists no files cannot be looked at: the projector's own URL is asked for."""
    with pytest.raises(UsageError, match="mmproj = true"):
        ask(hub.file("/m.gguf", model()), mmproj=True)


def test_an_adapter_is_one_file(hub: Hub, ask: Asker) -> None:
    """A split model is no adapter."""
    hub.repo("u/Base").commit({"b-Q8_0.gguf": model()})
    hub.repo("u/Split").commit({f"s-{n:05}-of-00002.gguf": model() for n in (1, 2)})
    with pytest.raises(UsageError, match="an adapter is one file"):
        ask("hf:u/Base", loras=["hf:u/Split/s-00001-of-00002.gguf"])


def test_each_kind_of_uri_has_its_source() -> None:
    """Hubs, URLs, paths and registries are each read by one source."""
    found = [
        type(source_for(parse(text).uri, sources(lambda: pytest.fail("asked")))).__name__
        for text in (
            "hf:u/m",
            "https://e.com/m.gguf",
            "./m.gguf",
            "oci://r.example/m",
            "ollama:m",
            "docker:m",
        )
    ]
    assert found == ["HuggingFace", "Direct", "Local", "Registry", "Registry", "Registry"]


def test_a_pinned_hash_is_held_against_the_source(hub: Hub, ask: Asker) -> None:
    """The right pin passes; another is an error that names both hashes."""
    hub.repo("u/Pinned").commit({"m-Q8_0.gguf": model("x"), "mmproj-F16.gguf": model("eyes")})
    good = sha256(model("x"))
    assert ask("hf:u/Pinned:Q8_0", sha256=good, mmproj=True).files[0].sha256 == good
    with pytest.raises(HashMismatchError) as caught:
        ask("hf:u/Pinned:Q8_0", sha256=SHA)
    assert SHA in caught.value.message
    assert good in caught.value.message


def test_a_table_of_hashes_pins_each_file_by_its_path(hub: Hub, ask: Asker) -> None:
    """Parts, projector and adapters can be pinned; a path that is no file's is an error with those there are."""
    files = {f"d/m-Q8_0-{n:05}-of-00002.gguf": model(str(n)) for n in (1, 2)} | {
        "mmproj-F16.gguf": model("eyes")
    }
    hub.repo("u/Split").commit(dict(files))
    pins = {path: sha256(data) for path, data in files.items()}
    assert len(ask("hf:u/Split:Q8_0", sha256=pins, mmproj=True).files) == 3
    with pytest.raises(HashMismatchError, match=r"mmproj-F16\.gguf"):
        ask("hf:u/Split:Q8_0", sha256={**pins, "mmproj-F16.gguf": SHA}, mmproj=True)
    with pytest.raises(UsageError, match=r"`other\.gguf`") as caught:
        ask("hf:u/Split:Q8_0", sha256={"other.gguf": SHA})
    assert "d/m-Q8_0-00001-of-00002.gguf" in (caught.value.hint or "")
    name = "m-Q8_0-00001-of-00002.gguf"
    with pytest.raises(UsageError, match=rf"no file of hf:u/Split:Q8_0; did you mean `d/{name}`"):
        ask("hf:u/Split:Q8_0", sha256={name: SHA})
    with pytest.raises(UsageError, match="2 files, and one sha256"):
        ask("hf:u/Split:Q8_0", sha256=SHA)


def test_a_pin_is_what_a_file_without_a_digest_must_be(hub: Hub, ask: Asker) -> None:
    """A file whose source publishes no digest has its pin for one, and is compared with it."""
    answer = ask(hub.file("/m.gguf", model()), sha256=SHA)
    assert answer.files[0].sha256 == SHA
    request = Request(parse(f"{hub.plain}/m.gguf").uri, sha256=SHA)
    check_pins(request, [as_locked(answer.files[0], SHA)])
    with pytest.raises(HashMismatchError):
        check_pins(request, [as_locked(answer.files[0]._replace(sha256="cd" * 32), SHA)])
