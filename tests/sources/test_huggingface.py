"""What a Hugging Face URI means: a commit, the files chosen in it, their digests."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelsync.errors import NotFoundError, RefusedError
from modelsync.sources.base import Found
from modelsync.sources.hub_answers import license_of, next_page
from modelsync.sources.huggingface import HuggingFace
from modelsync.spec.lock.origin import hf_url
from tests.hub import Headers, Hub, Status
from tests.support.content import sha256
from tests.support.source_calls import Asker, Says, StartRun, as_locked, model, names

CANONICAL = "https://huggingface.co"


def test_a_quant_becomes_one_file_of_one_commit(hub: Hub, ask: Asker) -> None:
    """A branch is resolved to its commit, and the file has the hub's size, digest and canonical URL."""
    repo = hub.repo("maker/Tiny-GGUF", license="mit")
    commit = repo.commit(
        {"Tiny-Q4_K_M.gguf": model("four"), "Tiny-Q8_0.gguf": model("eight"), "README.md": b"#"}
    )
    answer = ask("hf:maker/Tiny-GGUF:q8_0")
    (file,) = answer.files
    assert (answer.revision, answer.license) == (commit, "mit")
    assert file == Found(
        "model",
        "Tiny-Q8_0.gguf",
        f"{CANONICAL}/maker/Tiny-GGUF/resolve/{commit}/Tiny-Q8_0.gguf",
        len(model("eight")),
        sha256(model("eight")),
        sha256(model("eight")),
    )


def test_the_etag_is_the_one_that_resolve_gives(hub: Hub, ask: Asker) -> None:
    """For files in LFS and others the listing tells the ETag of `/resolve`; no file is asked for by itself."""
    repo = hub.repo("maker/both")
    repo.commit({"a-Q8_0.gguf": model("lfs")}, lfs=True)
    commit = repo.commit({"b-Q4_0.gguf": model("plain")}, lfs=False)
    for quant in ("Q8_0", "Q4_0"):
        (file,) = ask(f"hf:maker/both:{quant}").files
        assert not hub.seen(match="*/resolve/*")
        head = ask.client.head(f"{hub.endpoint}/maker/both/resolve/{commit}/{file.path}")
        hub.clear()
        assert (head.headers.get("x-linked-etag") or head.headers["etag"]).strip('"') == file.etag


def test_what_is_not_in_lfs_has_no_digest_until_it_is_read(hub: Hub, run: StartRun) -> None:
    """A git blob id is no sha256; but what was read under it once keeps its sha256 in the next lock."""
    repo = hub.repo("maker/small")
    repo.commit({"small.gguf": model("same")}, lfs=False)
    (first,) = run()("hf:maker/small/small.gguf").files
    assert first.sha256 is None
    lock = as_locked(first, sha256(model("same")))
    commit = repo.commit({"README.md": b"new"})
    again = run()("hf:maker/small/small.gguf", previous=[lock])
    assert again.revision == commit
    assert again.files[0].sha256 == sha256(model("same"))
    repo.commit({"small.gguf": model("else")}, lfs=False)
    (changed,) = run()("hf:maker/small/small.gguf", previous=[lock]).files
    assert changed.sha256 is None


def test_tags_branches_and_commits_are_revisions(hub: Hub, ask: Asker) -> None:
    """Whatever kind of revision is asked for, with slashes too, the files are those of its commit."""
    repo = hub.repo("maker/many")
    old = repo.commit({"m-Q8_0.gguf": model("old")})
    repo.tag("v1", old)
    repo.branch("feature/one", old)
    new = repo.commit({"m-Q8_0.gguf": model("new")})
    for revision, commit in {"v1": old, "feature/one": old, old: old, "main": new, new: new}.items():
        answer = ask(f"hf:maker/many:Q8_0#{revision}")
        assert answer.revision == commit
        assert answer.files[0].sha256 == sha256(model("old" if commit == old else "new"))


def test_every_page_of_a_long_listing_is_read(hub: Hub, ask: Asker) -> None:
    """A model on the last of several pages is found."""
    hub.page_size, hub.blobs = 3, False
    hub.repo("maker/long").commit({f"m-{n:02}.gguf": model(str(n)) for n in range(10)})
    assert names(ask("hf:maker/long/m-09.gguf")) == ["m-09.gguf"]
    assert len(hub.seen("hub", "*/tree/*")) == 4


def test_a_listing_without_an_end_is_refused(hub: Hub, ask: Asker) -> None:
    """A hub whose next page is the same page again is not followed for ever."""
    hub.blobs = False
    hub.repo("maker/loop").commit({"m.gguf": model()})
    link = {"Link": f'<{hub.endpoint}/api/models/maker/loop/tree/x?cursor=MA%3D%3D>; rel="next"'}
    hub.misbehave(Headers(link), where="hub", match="*/tree/*", times=None)
    with pytest.raises(RefusedError, match="does not come to an end"):
        ask("hf:maker/loop/m.gguf")


def test_the_next_page_is_asked_of_the_same_hub(hub: Hub, ask: Asker) -> None:
    """A link to another host, as mirrors hand out, leads to the next page of the hub that is asked."""
    hub.page_size, hub.blobs = 1, False
    commit = hub.repo("maker/mirrored").commit({"a.gguf": model(), "b.gguf": model()})
    link = {"Link": f'<https://elsewhere.invalid/api/models/m/tree/{commit}?cursor=MQ%3D%3D>; rel="next"'}
    hub.misbehave(Headers(link), where="hub", match="*/tree/*", times=1)
    assert names(ask("hf:maker/mirrored/b.gguf")) == ["b.gguf"]


@given(st.text(), st.text(), st.text())
def test_no_link_leads_to_another_host(host: str, path: str, parameters: str) -> None:
    """Whatever a `Link` header says, the next page has the address of the first, but for its query."""
    first = "https://hub.example/api/models/u/m/tree/c?recursive=true"
    for link in (f'<https://{host}/{path}>; rel="next"', f'<{path}>; rel="next"; {parameters}', parameters):
        following = next_page(link, first)
        assert following is None or following.startswith(first.partition("?")[0] + "?")


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        ('</t?cursor=a>; rel="next"', "cursor=a"),
        ("</t?cursor=a>;rel=next", "cursor=a"),
        ('</t?cursor=p>; rel="prev", </t?cursor=n>; title="x"; rel="next"', "cursor=n"),
        ('</t?cursor=p>; rel="prev"', None),
        ("", None),
    ],
)
def test_links_are_read_in_all_their_spellings(link: str, cursor: str | None) -> None:
    """The next page is found among other links, with and without quotes."""
    assert next_page(link, "https://h/t") == (f"https://h/t?{cursor}" if cursor else None)


def test_a_split_model_is_all_its_parts(hub: Hub, ask: Asker) -> None:
    """Named by its quant, or by any one part, a split model is all parts in order, from one commit."""
    parts = [f"Big-Q5_K_M/Big-Q5_K_M-{n:05}-of-00003.gguf" for n in (1, 2, 3)]
    commit = hub.repo("maker/Big").commit({part: model(part) for part in parts} | {"Big-Q4_0.gguf": model()})
    for uri in ("hf:maker/Big:Q5_K_M", f"hf:maker/Big/{parts[1]}"):
        answer = ask(uri)
        assert names(answer) == parts
        assert [file.url for file in answer.files] == [
            hf_url(CANONICAL, "maker/Big", commit, part) for part in parts
        ]


def test_a_missing_part_is_named(hub: Hub, ask: Asker) -> None:
    """A split model is whole or not at all: the part that the repo lacks is in the error."""
    hub.repo("maker/Big").commit({f"b-Q8_0-{n:05}-of-00003.gguf": model() for n in (1, 3)})
    with pytest.raises(NotFoundError, match="00002-of-00003"):
        ask("hf:maker/Big:Q8_0")


def test_pieces_are_joined_into_one_file(hub: Hub, run: StartRun) -> None:
    """`.partNofM` pieces become one file with their sizes added; its sha256 is known once it was read."""
    pieces = {f"Huge.Q8_0.gguf.part{n}of2": model(f"piece {n}") for n in (1, 2)}
    repo = hub.repo("maker/Huge")
    commit = repo.commit(dict(pieces))
    (file,) = run()("hf:maker/Huge/Huge.Q8_0.gguf.part1of2").files
    assert (file.path, file.url, file.etag, file.sha256) == ("Huge.Q8_0.gguf", None, None, None)
    assert file.size == sum(map(len, pieces.values()))
    assert [(piece.path, piece.sha256, piece.url) for piece in file.pieces] == [
        (path, sha256(data), hf_url(CANONICAL, "maker/Huge", commit, path)) for path, data in pieces.items()
    ]
    whole = sha256(b"".join(pieces.values()))
    repo.commit({"README.md": b"new"})
    (again,) = run()("hf:maker/Huge:Q8_0", previous=[as_locked(file, whole)]).files
    assert again.sha256 == whole
    repo.commit({"Huge.Q8_0.gguf.part2of2": model("other")})
    (other,) = run()("hf:maker/Huge:Q8_0", previous=[as_locked(file, whole)]).files
    assert other.sha256 is None


def test_the_projector_beside_the_model_is_found(hub: Hub, ask: Asker) -> None:
    """`mmproj = true` takes the projector of the model's own repo and commit, also behind a tag."""
    repo = hub.repo("maker/Vision")
    old = repo.commit({"v-Q8_0.gguf": model(), "mmproj-v-F16.gguf": model("old")})
    repo.tag("v1", old)
    repo.commit({"mmproj-v-F16.gguf": model("new")})
    files = ask("hf:maker/Vision:Q8_0#v1", mmproj=True).files
    assert [(file.role, file.path) for file in files] == [
        ("model", "v-Q8_0.gguf"),
        ("mmproj", "mmproj-v-F16.gguf"),
    ]
    assert files[1].sha256 == sha256(model("old"))
    assert (files[1].repo, files[1].revision) == (None, None)
    assert len(hub.requests) == 1  # for the commit and its files


def test_a_projector_that_is_not_there_is_an_error(hub: Hub, ask: Asker) -> None:
    """A repo without a projector does not silently give a model without one."""
    hub.repo("maker/Text").commit({"t-Q8_0.gguf": model()})
    with pytest.raises(NotFoundError, match=r"mmproj|projector"):
        ask("hf:maker/Text:Q8_0", mmproj=True)


def test_projector_and_adapters_of_other_repos_have_their_own_commits(hub: Hub, ask: Asker) -> None:
    """What comes from elsewhere says its repo and commit; what comes from the model's own commit does not."""
    own = hub.repo("maker/Base").commit({"b-Q8_0.gguf": model(), "lora/own.gguf": model("own")})
    projector = hub.repo("other/Eyes").commit(
        {"mmproj-F16.gguf": model("f16"), "mmproj-Q8_0.gguf": model("q8")}
    )
    adapter = hub.repo("third/Adapter").commit({"adapter.gguf": model("lora"), "README.md": b""})
    answer = ask(
        "hf:maker/Base:Q8_0",
        mmproj="hf:other/Eyes:F16",
        loras=["hf:third/Adapter", "hf:maker/Base/lora/own.gguf"],
    )
    assert [(file.role, file.path, file.repo, file.revision) for file in answer.files] == [
        ("model", "b-Q8_0.gguf", None, None),
        ("mmproj", "mmproj-F16.gguf", "other/Eyes", projector),
        ("lora", "adapter.gguf", "third/Adapter", adapter),
        ("lora", "lora/own.gguf", None, None),
    ]
    assert answer.revision == own
    assert answer.files[2].url == hf_url(CANONICAL, "third/Adapter", adapter, "adapter.gguf")


def test_an_adapter_of_another_commit_of_the_same_repo_says_so(hub: Hub, ask: Asker) -> None:
    """The same repo at another revision is not the model's own commit."""
    repo = hub.repo("maker/Base")
    old = repo.commit({"adapter.gguf": model("old")})
    repo.commit({"b-Q8_0.gguf": model()})
    file = ask("hf:maker/Base:Q8_0", loras=[f"hf:maker/Base/adapter.gguf#{old}"]).files[1]
    assert (file.repo, file.revision) == ("maker/Base", old)


def test_an_adapter_repo_with_several_files_wants_a_path(hub: Hub, ask: Asker) -> None:
    """Which of two adapters is meant is not guessed; both are named."""
    hub.repo("maker/Base").commit({"b-Q8_0.gguf": model()})
    hub.repo("third/Two").commit({"one.gguf": model(), "two.gguf": model()})
    with pytest.raises(NotFoundError) as caught:
        ask("hf:maker/Base:Q8_0", loras=["hf:third/Two"])
    assert "one.gguf, two.gguf" in (caught.value.hint or "")


def test_one_run_sees_one_commit(hub: Hub, run: StartRun) -> None:
    """A branch that moves between two questions of a run stays where it was; the next run sees it moved."""
    repo = hub.repo("maker/Moving")
    old = repo.commit({"m-Q8_0.gguf": model("old"), "m-Q4_0.gguf": model("old")})
    ask = run()
    assert ask("hf:maker/Moving:Q8_0").revision == old
    new = repo.commit({"m-Q4_0.gguf": model("new")})
    hub.clear()
    assert ask("hf:maker/Moving:Q4_0").revision == old
    assert not hub.requests
    assert run()("hf:maker/Moving:Q4_0").revision == new


def test_questions_side_by_side_share_one_answer(hub: Hub, ask: Asker) -> None:
    """Several models of one repo, resolved at once, ask the hub once; a failure is not remembered."""
    quants = ["Q2_K", "Q4_0", "Q8_0", "BF16"]
    repo = hub.repo("maker/Shared")
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(ask, f"hf:maker/Shared:{quant}") for quant in quants]:
            assert isinstance(future.exception(), NotFoundError)
        repo.commit({f"s-{quant}.gguf": model(quant) for quant in quants})
        hub.clear()
        answers = list(pool.map(ask, [f"hf:maker/Shared:{quant}" for quant in quants]))
    assert [names(answer) for answer in answers] == [[f"s-{quant}.gguf"] for quant in quants]
    assert len(hub.requests) == 1


def test_a_mirror_that_names_no_sizes_is_asked_for_the_tree(hub: Hub, run: StartRun) -> None:
    """Where the commit's own answer does not tell of its files, one more question does, and the lock is the same."""
    repo = hub.repo("maker/Both")
    repo.commit({"b-Q8_0.gguf": model("lfs"), "b-Q4_0.gguf.part1of1": model("piece"), "README.md": b"#"})
    repo.commit({"small-Q2_K.gguf": model("small")}, lfs=False)
    uris = ["hf:maker/Both:Q8_0", "hf:maker/Both/b-Q4_0.gguf.part1of1", "hf:maker/Both:Q2_K"]
    told = [run()(uri) for uri in uris]
    assert not hub.seen("hub", "*/tree/*")
    hub.blobs = False
    assert [run()(uri) for uri in uris] == told
    assert len(hub.seen("hub", "*/tree/*")) == len(uris)


@pytest.mark.parametrize(
    "siblings",
    [
        None,
        {},
        [None],
        [{"rfilename": 1}],
        [{"rfilename": "m.gguf"}],
        [{"rfilename": "m.gguf", "size": -1, "blobId": "0" * 40}],
        [{"rfilename": "m.gguf", "size": 8, "lfs": {"size": 8, "sha256": "0"}}],
        [{"rfilename": f"{n}.txt"} for n in range(1000)],
        [],
        [{"rfilename": "README.md"}],
    ],
)
def test_siblings_that_do_not_tell_all_are_not_believed(hub: Hub, ask: Asker, siblings: object) -> None:
    """Whatever stands in for the list of files beside a commit, or where it may have been cut, the tree decides."""
    commit = hub.repo("maker/Odd").commit({"m.gguf": model()})
    hub.misbehave(Says({"sha": commit, "siblings": siblings}), where="hub", match="*/revision/*")
    (file,) = ask("hf:maker/Odd/m.gguf").files
    assert file.sha256 == sha256(model())
    assert len(hub.seen("hub", "*/tree/*")) == 1


def test_a_hub_that_answers_with_another_commit_is_refused(hub: Hub, ask: Asker) -> None:
    """A pinned commit is that commit or an error."""
    repo = hub.repo("maker/Pinned")
    old = repo.commit({"m.gguf": model("old")})
    new = repo.commit({"m.gguf": model("new")})
    hub.misbehave(Says({"sha": new}), where="hub", match=f"*/revision/{old}")
    with pytest.raises(RefusedError, match=old):
        ask(f"hf:maker/Pinned/m.gguf#{old}")


def test_the_lock_has_the_manifests_endpoint_and_never_the_environments(hub: Hub, run: StartRun) -> None:
    """URLs are written with the endpoint of the manifest, whoever is asked; and asked where the run says."""
    commit = hub.repo("maker/Corp").commit({"m.gguf": model()})
    ask = run()
    corp = "https://hub.corp.example"
    (file,) = ask("hf:maker/Corp/m.gguf", manifest_endpoint=corp + "/").files
    assert file.url == f"{corp}/maker/Corp/resolve/{commit}/m.gguf"
    (segment,) = ask.sources[0].locate(file, hub.endpoint, ask.folder)
    assert segment.url == f"{hub.endpoint}/maker/Corp/resolve/{commit}/m.gguf"
    assert segment.size == file.size


@given(
    st.sampled_from(["https://huggingface.co", "http://127.0.0.1:1", "https://corp.example/hub/v1"]),
    st.text(alphabet="abc/# %ü\\12", min_size=1),
)
def test_an_endpoint_is_put_in_place_of_another(endpoint: str, path: str) -> None:
    """Only the endpoint of a URL changes, whatever the file is called."""
    source = HuggingFace(lambda: pytest.fail("asked"))
    commit = "0123456789abcdef" * 2 + "01234567"
    for own in ("https://huggingface.co", "https://else.example/a/b"):
        file = Found("model", path, hf_url(own, "u/m", commit, path), 1, None)
        (segment,) = source.locate(file, endpoint + "/", None)  # type: ignore[arg-type]
        assert segment.url == hf_url(endpoint, "u/m", commit, path)


def test_a_name_that_leaves_its_folder_is_refused(hub: Hub, ask: Asker) -> None:
    """A hub that lists such a name gets an error, not a file beside the store."""
    hub.repo("maker/Evil").commit({"../../evil-Q8_0.gguf": model()})
    with pytest.raises(RefusedError):
        ask("hf:maker/Evil:Q8_0")


def test_what_is_in_lfs_most_likely_leads_to_a_cdn(hub: Hub, run: StartRun) -> None:
    """Of a file that the hub keeps in git itself nobody asks first where else it is."""
    repo = hub.repo("maker/Both")
    repo.commit({"l-Q8_0.gguf": model("lfs"), "p-Q4_0.gguf.part1of2": model("1")})
    repo.commit({"p-Q4_0.gguf.part2of2": model("2")})
    repo.commit({"s-Q2_K.gguf": model("small")}, lfs=False)
    ask = run()
    for uri, leads in {
        "hf:maker/Both:Q8_0": [True],
        "hf:maker/Both/p-Q4_0.gguf.part1of2": [True, True],
        "hf:maker/Both:Q2_K": [False],
    }.items():
        (file,) = ask(uri).files
        assert [each.redirects for each in ask.sources[0].locate(file, hub.endpoint, ask.folder)] == leads


def test_repos_renamed_by_their_owner_are_followed(hub: Hub, ask: Asker) -> None:
    """The hub's redirect to a new name is followed, with a note; the lock keeps the name of the manifest."""
    commit = hub.repo("old/Name").commit({"m.gguf": model()})
    hub.rename("old/Name", "old/New")
    answer = ask("hf:old/Name/m.gguf")
    assert answer.files[0].url == hf_url(CANONICAL, "old/Name", commit, "m.gguf")
    assert answer.notes == ("old/Name is called old/New now; write hf:old/New",)


def test_a_repo_of_another_owner_is_had_by_its_commit_alone(hub: Hub, run: StartRun) -> None:
    """A branch is what its owner says; a commit is the same whoever has it."""
    commit = hub.repo("old/Name").commit({"m.gguf": model()})
    hub.rename("old/Name", "new/Name")
    with pytest.raises(RefusedError, match="old/Name belongs to another owner now: it is new/Name"):
        run()("hf:old/Name/m.gguf")
    answer = run()(f"hf:old/Name/m.gguf#{commit}")
    assert answer.files[0].url == hf_url(CANONICAL, "old/Name", commit, "m.gguf")


def test_a_hub_without_sizes_and_without_trees(hub: Hub, run: StartRun) -> None:
    """Its list has names alone: each file that is wanted is asked for by itself, and no other."""
    hub.blobs = False
    data = model("of some length")
    hub.repo("u/M").commit({"M-Q8_0.gguf": data, "M-Q4_0.gguf": model()})
    hub.misbehave(Status(404), where="hub", match="/api/models/*/tree/*", times=None)
    (file,) = run()("hf:u/M:Q8_0").files
    assert (file.path, file.size, file.sha256) == ("M-Q8_0.gguf", len(data), sha256(data))
    assert [seen.file for seen in hub.seen("hub", method="HEAD")] == ["u/M/M-Q8_0.gguf"]
    hub.misbehave(
        Headers({"X-Linked-Etag": None, "X-Linked-Size": None}), where="hub", method="HEAD", times=None
    )
    (unknown,) = run()("hf:u/M:Q8_0").files
    assert (unknown.size, unknown.sha256) == (None, None)


def test_a_digest_may_say_what_it_is(hub: Hub, ask: Asker) -> None:
    """`lfs.oid` as Git LFS writes it: `sha256:…`."""
    data = model()
    commit = hub.repo("u/M").commit({"M-Q8_0.gguf": data})
    lfs = {"oid": f"sha256:{sha256(data).upper()}", "size": len(data), "pointerSize": 130}
    entry = {"type": "file", "path": "M-Q8_0.gguf", "size": len(data), "oid": "0" * 40, "lfs": lfs}
    hub.blobs = False
    hub.misbehave(Says([entry]), where="hub", match=f"/api/models/*/tree/{commit}")
    (file,) = ask("hf:u/M:Q8_0").files
    assert (file.sha256, file.etag) == (sha256(data), sha256(data))


@pytest.mark.parametrize("called", ["Old/name", None, 7, "no owner", "a/b/c", "\x1b[31m/x"])
def test_what_a_mirror_calls_a_repo_is_not_believed_blindly(hub: Hub, ask: Asker, called: object) -> None:
    """Another case is the same name, and what is no name says nothing."""
    commit = hub.repo("old/Name").commit({"m.gguf": model()})
    said = {"sha": commit, "id": called}
    hub.misbehave(Says(said), where="hub", match="*/revision/*")
    assert ask("hf:old/Name/m.gguf").notes == ()


@pytest.mark.parametrize(
    ("card", "license"),
    [
        ({"license": "mit"}, "mit"),
        ({"license": ["mit", "apache-2.0"]}, "mit, apache-2.0"),
        ({"license": "other", "license_name": "llama3.1-community"}, "llama3.1-community"),
        ({"license": "other"}, "other"),
        ({"license": None}, None),
        ({"license": {"x": 1}}, None),
        ({}, None),
        (None, None),
        ("mit", None),
    ],
)
def test_licenses_in_all_their_shapes(card: object, license: str | None) -> None:
    """A card names one license, several, its own, or none; anything else is none."""
    assert license_of({"cardData": card}) == license


def test_a_license_brings_no_control_characters() -> None:
    """What a card says is shown on terminals and written into locks."""
    assert license_of({"cardData": {"license": "mit\x1b[2J"}}) == "mit\\x1b[2J"


@pytest.mark.parametrize(
    "entry", [{"size": -1}, {"size": "1"}, {"size": True}, {"size": 2**60}, {"lfs": {"size": 1}}]
)
def test_impossible_entries_are_not_believed(hub: Hub, ask: Asker, entry: dict[str, object]) -> None:
    """A size that no file has, or an LFS entry without a sha256, is an error of the hub's."""
    hub.repo("maker/Odd").commit({"m.gguf": model()})
    hub.blobs = False
    listing = [{"type": "file", "path": "m.gguf", "size": 1, **entry}]
    hub.misbehave(Says(listing), where="hub", match="*/tree/*")
    with pytest.raises(Exception, match="does not answer like a model hub"):
        ask("hf:maker/Odd/m.gguf")
