"""`modelsync.load`: from a name or a URI to a model."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import modelsync
from modelsync.errors import (
    CancelledError,
    ManifestError,
    ModelsyncError,
    NotFoundError,
    NotSyncedError,
    UsageError,
)
from tests.hub import Hub, Repo
from tests.support.content import gguf
from tests.support.gguf_files import edit_metadata

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")

NAME = "tiny-Q4_K_M.gguf"


@pytest.fixture
def repo(hub: Hub, tiny_gguf: Path) -> Repo:
    """A repo with a model that llama.cpp loads, and one that it does not."""
    made = hub.repo("user/tiny-GGUF")
    made.commit({NAME: tiny_gguf, "tiny-Q8_0.gguf": gguf("q8")})
    return made


@pytest.fixture
def project(tmp_path: Path, hub: Hub, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the test stands."""
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(project: Path, load: str = "", more: str = "") -> None:
    """Writes a manifest: the load settings begin in line 4."""
    text = f'[models.tiny]\nuri = "hf:user/tiny-GGUF:Q4_K_M"\n[models.tiny.load]\n{load}\n{more}\n'
    (project / "models.toml").write_text(text)


def quiet(name: str = "tiny", **overrides: Any) -> Any:
    """A model, closed by whoever asked."""
    return closing(modelsync.load(name, **({"n_ctx": 64, "verbose": False} | overrides)))


def test_an_unknown_setting_is_told_where_it_stands(project: Path) -> None:
    """Whatever reads the manifest says file, line, key and the nearest right one; so does one of a variant."""
    write(project, "n_gpu_layer = 3")
    for call in (
        modelsync.sync,
        modelsync.lock,
        lambda: modelsync.path("tiny"),
        lambda: modelsync.load("tiny"),
    ):
        with pytest.raises(ManifestError) as caught:
            call()
        assert str(caught.value).startswith("models.toml:4: models.tiny.load.n_gpu_layer: ")
        assert "did you mean `n_gpu_layers`?" in str(caught.value)
    write(project, "n_ctx = 64", "[models.tiny.variants.big]\nload = { nctx = 1 }")
    with pytest.raises(ManifestError, match=r"^models\.toml:6: models\.tiny\.variants\.big\.load\.nctx: "):
        modelsync.lock()


def test_without_the_extra_an_unknown_setting_waits(project: Path) -> None:
    """What is not installed cannot be asked: the manifest is read, and another machine decides."""
    write(project, "n_gpu_layer = 3")
    code = "import sys; sys.modules['llama_cpp'] = None\nimport modelsync; modelsync.sync()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_well_known_settings_cost_no_import(project: Path) -> None:
    """A manifest whose settings are right is read without llama-cpp-python."""
    write(project, "n_ctx = 64\nflash_attn = true")
    code = "import sys, modelsync; modelsync.sync(); modelsync.path('tiny'); assert 'llama_cpp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_value_that_does_not_fit_is_told_where_it_stands(project: Path) -> None:
    """When it is loaded, before anything is fetched."""
    write(project, 'seed = 1\nn_ctx = "8k"')
    modelsync.lock()
    with pytest.raises(
        ManifestError, match=r"^models\.toml:5: models\.tiny\.load\.n_ctx: a whole number is expected"
    ):
        modelsync.load("tiny")
    with pytest.raises(NotSyncedError):
        modelsync.path("tiny", download=False)


def test_a_path_is_a_programs_to_give(project: Path, loras: Sequence[Path]) -> None:
    """A keyword that names a path or code is refused in a manifest, and allowed in Python."""
    for setting in ('lora_path = "x"', 'chat_handler = "x"', 'kv_overrides = "x"', 'chat_format = "a/b"'):
        write(project, setting)
        with pytest.raises(ManifestError, match=r"^models\.toml:4: .* path or code"):
            modelsync.lock()
    write(project)
    modelsync.sync()
    with quiet(lora_path=str(loras[0]), kv_overrides={"general.name": "Mine"}) as llm:
        assert llm.lora_path == str(loras[0])
        assert llm.kv_overrides == {"general.name": "Mine"}


def test_an_unknown_override_is_an_error(project: Path) -> None:
    """`Llama` would take it and do nothing; nothing is fetched for such a call."""
    write(project)
    modelsync.lock()
    with pytest.raises(UsageError, match="did you mean `n_gpu_layers`"):
        modelsync.load("tiny", n_gpu_layer=3)
    with pytest.raises(NotSyncedError):
        modelsync.path("tiny", download=False)


def test_a_variants_settings_are_laid_over(project: Path) -> None:
    """Manifest, then its variant, then the program: the later wins, key by key."""
    write(
        project,
        "n_ctx = 256\nn_batch = 32\nverbose = false",
        "[models.tiny.variants.server]\nload = { n_ctx = 512 }",
    )
    modelsync.sync(variant="server")
    modelsync.sync()
    cases: tuple[tuple[str | None, dict[str, Any], int], ...] = (
        (None, {}, 256),
        ("server", {}, 512),
        ("server", {"n_ctx": 768}, 768),
    )
    for variant, overrides, context in cases:
        with closing(modelsync.load("tiny", variant=variant, **overrides)) as llm:
            assert (llm.n_ctx(), llm.n_batch) == (context, 32)


def test_a_uri_needs_no_manifest(project: Path, hub: Hub) -> None:
    """It is resolved once and remembered: afterwards it loads without a network, unless upstream is asked to."""
    events: list[modelsync.Event] = []
    uri = "hf:user/tiny-GGUF:Q4_K_M"
    with pytest.raises(NotSyncedError):
        quiet(uri, download=False)
    with quiet(uri, on_progress=events.append) as llm:
        assert llm("hello", max_tokens=2)["choices"][0]["text"]
    assert {"fetching", "done"} <= {event.phase for event in events}
    hub.clear()
    with quiet(uri, offline=True):
        assert hub.seen() == []


def test_a_path_of_the_environment_needs_no_manifest(
    project: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`MODELSYNC_PATH_<NAME>` loads with the manifest's settings where there are some, and with none otherwise."""
    monkeypatch.setenv("MODELSYNC_PATH_TINY", str(tiny_gguf))
    with quiet() as llm:
        assert llm.model_path == str(tiny_gguf)
    write(project, "n_batch = 8")
    with quiet() as llm:
        assert llm.n_batch == 8
    write(project, "n_batc = 8")
    with pytest.raises(ManifestError, match="did you mean `n_batch`"):
        modelsync.load("tiny")
    write(project)
    monkeypatch.delenv("MODELSYNC_PATH_TINY")
    with pytest.raises(NotFoundError):
        modelsync.load("other")


def test_all_files_of_a_model_are_loaded(
    project: Path, hub: Hub, seeing: Path, projector: Path, loras: Sequence[Path]
) -> None:
    """Projector and adapters of the manifest come with the model, with nothing more said."""
    files = {"seeing-F32.gguf": seeing, "mmproj-F32.gguf": projector, "a.gguf": loras[0], "b.gguf": loras[1]}
    hub.repo("user/seeing").commit(files)
    (project / "models.toml").write_text(
        '[models.eye]\nuri = "hf:user/seeing/seeing-F32.gguf"\nmmproj = true\n'
        'loras = ["hf:user/seeing/a.gguf", "hf:user/seeing/b.gguf"]\n'
    )
    modelsync.sync()
    with quiet("eye", n_ctx=256) as llm:
        assert llm.chat_handler is not None
        assert llm.create_chat_completion([{"role": "user", "content": "hello"}], max_tokens=2)["choices"]


def test_a_server_loads_in_a_thread(project: Path) -> None:
    """Under a running loop: `await asyncio.to_thread(modelsync.load, …)`, and a notebook's plain call."""
    write(project, "verbose = false")

    async def serve() -> None:
        await asyncio.to_thread(modelsync.sync)
        llm: Any = await asyncio.to_thread(modelsync.load, "tiny", n_ctx=64)
        with closing(llm):
            assert (await asyncio.to_thread(llm, "hello", max_tokens=2))["choices"]
        modelsync.load("tiny", n_ctx=64).close()

    asyncio.run(serve())


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows keeps a mapped file: the sync is an error with a hint"
)
@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_a_sync_while_a_model_generates(project: Path, repo: Repo, tiny_gguf: Path, mode: Any) -> None:
    """The model that is loaded goes on with the bytes it has; the next load gets the new ones."""
    write(project)
    text = (project / "models.toml").read_text()
    (project / "models.toml").write_text(f'[modelsync]\ndir = "models"\n{text}')
    modelsync.sync(link_mode=mode)
    prompt = {"prompt": "hello", "max_tokens": 24, "temperature": 0}
    with quiet() as llm:
        whole = llm(**prompt)["choices"][0]["text"]
        llm.reset()
        stream = llm(**prompt, stream=True)
        words = [next(stream)["choices"][0]["text"] for _ in range(3)]
        repo.commit(
            {NAME: edit_metadata(tiny_gguf, project / "new.gguf", chat_template="new {{ messages }}")}
        )
        before = modelsync.path("tiny").stat().st_ino
        modelsync.sync(upgrade=True, link_mode=mode)
        assert modelsync.path("tiny").stat().st_ino != before
        words += [piece["choices"][0]["text"] for piece in stream]
        assert "".join(words) == whole
        with quiet() as new:
            assert new.metadata["tokenizer.chat_template"] == "new {{ messages }}"
            assert llm.metadata["tokenizer.chat_template"] != "new {{ messages }}"


def test_a_cancelled_call_loads_nothing(project: Path) -> None:
    """Neither one that would fetch, nor one whose model is here."""
    write(project)
    modelsync.lock()
    cancel = threading.Event()
    cancel.set()
    for _ in range(2):
        with pytest.raises(CancelledError):
            modelsync.load("tiny", cancel=cancel)
        modelsync.sync()


def test_what_does_not_load_is_an_error_with_a_name(project: Path) -> None:
    """A model of the hub that is no model: `ModelsyncError`, with llama.cpp's reason."""
    with pytest.raises(ModelsyncError, match="cannot load"):
        modelsync.load("hf:user/tiny-GGUF:Q8_0", verbose=False)


def test_a_draft_head_is_left_out_with_a_word(
    project: Path, repo: Repo, caplog: pytest.LogCaptureFixture, tiny_gguf: Path
) -> None:
    """llama-cpp-python takes no file to draft with: the model is loaded without, and what takes it is named."""
    repo.commit({NAME: tiny_gguf, "mtp-tiny.gguf": gguf("head")})
    (project / "models.toml").write_text('[models.tiny]\nuri = "hf:user/tiny-GGUF:Q4_K_M"\ndraft = true\n')
    modelsync.sync()
    with quiet() as llama:
        assert llama.n_ctx()
    assert [record.message for record in caplog.records if record.name == "modelsync"] == [
        "tiny is loaded without its draft head: llama-cpp-python takes no such file (mtp-tiny.gguf);"
        " `modelsync export --to llama-server` writes it for llama-server"
    ]
