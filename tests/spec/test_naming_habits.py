"""How makers of GGUF repos name their files: which one is meant, and what each is called."""

import pytest

from modelsync.errors import NotFoundError
from modelsync.spec.beside import choose_companion
from modelsync.spec.choose import choose_model, quants
from modelsync.spec.file_kinds import by_kind
from modelsync.spec.labels import quant_of

REPO = "user/model"
APEX = tuple(
    f"Step-3.7-Flash-APEX-{name}.gguf"
    for name in ("Balanced", "Compact", "I-Balanced", "I-Compact", "I-Mini", "I-Quality", "Quality")
)
KQUANT = (
    "muse-30B-kquant-17gb.gguf",
    "muse-30B-kquant-dynamic.gguf",
    "mmproj-kquant.gguf",
    "dflash-kquant.gguf",
)
NOISE = tuple(
    f"{noise}/Wan2.2-T2V-A14B-{noise}-{quant}.gguf"
    for noise in ("HighNoise", "LowNoise")
    for quant in ("Q4_K_M", "Q8_0")
)
SPEECH = ("OuteTTS-0.2-500M-Q6_K.gguf", "OuteTTS-0.2-500M-Q3_K_L.gguf", "WavTokenizer-Large-75-F16.gguf")
SMOL = tuple(
    f"{quant}/K2-{quant}-0000{part}-of-00002.gguf"
    for quant in ("IQ2_KS", "smol-IQ2_KS", "UD-IQ3_XXS", "BF16")
    for part in (1, 2)
)
# Of several files of one quant, each of which says more of itself than the last: the plainest is meant.
EMBEDDINGS_KEPT = ("L3-bf16-q8_0.gguf", "L3-f16-q8_0.gguf", "L3-q8_0.gguf", "L3-bf16.gguf")
TENSORS_NAMED = (
    "C-IQ3_XXS_embed_q6_0.gguf",
    "C-IQ3_XXS.gguf",
    "C-Q4_0-attn-Q8_0.gguf",
    "C-Q8_0-from-f16.gguf",
)
REVISED = ("X-Q4_K_M-fixed.gguf", "X-Q4_K_M-v2.gguf", "X-Q4_K_M.gguf", "X-128K-Q4_K_M.gguf")
CUT_AND_WHOLE = ("X-Q4_K_M-00001-of-00002.gguf", "X-Q4_K_M-00002-of-00002.gguf", "X-Q4_K_M.gguf")
SPEECH_PARTS = tuple(
    f"{part}LFM2-Audio-1.5B-{quant}.gguf"
    for part in ("audiodecoder-", "mmproj-audioencoder-", "")
    for quant in ("Q8_0", "F16")
)
VISION = ("Q-27B-noMTP-IQ2_M.gguf", "Q-27B-IQ2_M.gguf", "Q-27B-draft-Q8_0.gguf", "Q-27B-vision-f16.gguf")
OMNI = (
    "MiniCPM-o-4_5-Q4_K_M.gguf",
    "audio/MiniCPM-o-4_5-audio-F16.gguf",
    "tts/MiniCPM-o-4_5-tts-F16.gguf",
    "vision/MiniCPM-o-4_5-vision-F16.gguf",
)
MRADERMACHER = (
    "X.i1-IQ2_XXS.gguf",
    "X.i1-Q4_K_M.gguf",
    "X.i1-Q6_K.gguf.part1of2",
    "X.i1-Q6_K.gguf.part2of2",
    "X.imatrix.gguf",
    "X.mmproj-Q8_0.gguf",
    "X.mmproj-fp16.gguf",
)


@pytest.mark.parametrize(
    ("paths", "quant", "first"),
    [
        (APEX, "Compact", "Step-3.7-Flash-APEX-Compact.gguf"),
        (APEX, "I-Compact", "Step-3.7-Flash-APEX-I-Compact.gguf"),
        (APEX, "i-quality", "Step-3.7-Flash-APEX-I-Quality.gguf"),
        (KQUANT, "kquant-17gb", KQUANT[0]),
        (("Muse-30B-KQuant-17GB-Q4_K_M.gguf", "Muse-30B-KQuant-Dynamic-Q4_K_XL.gguf"), "kquant-17gb", None),
        (SPEECH, None, SPEECH[1]),
        (SMOL, "IQ2_KS", "IQ2_KS/K2-IQ2_KS-00001-of-00002.gguf"),
        (SMOL, "smol-IQ2_KS", "smol-IQ2_KS/K2-smol-IQ2_KS-00001-of-00002.gguf"),
        (SMOL, "IQ3_XXS", "UD-IQ3_XXS/K2-UD-IQ3_XXS-00001-of-00002.gguf"),
        (SMOL, "BF16", "BF16/K2-BF16-00001-of-00002.gguf"),
        (MRADERMACHER, None, "X.i1-Q4_K_M.gguf"),
        (MRADERMACHER, "Q6_K", "X.i1-Q6_K.gguf.part1of2"),
        (MRADERMACHER, "i1-IQ2_XXS", "X.i1-IQ2_XXS.gguf"),
        (("gemma-4-26B_q4_0-it.gguf", "gemma-4-26B-it-mmproj.gguf"), "Q4_0", "gemma-4-26B_q4_0-it.gguf"),
        (("MTP-GPU-5/X-IQ4_XS-4.19bpw.gguf",), "IQ4_XS", None),
        (("MTP-GPU-5/X-IQ4_XS-4.19bpw.gguf", "X-Q2_K.gguf"), "IQ4_XS", None),
        (("llama-3.1-8b-instruct-iq3m.gguf", "x-q4ks.gguf"), "IQ3_M", None),
        (("a-q8.gguf", "mistral-7b-instruct-v0.3-q4ks.gguf"), "Q4_K_S", "mistral-7b-instruct-v0.3-q4ks.gguf"),
        (("Meta-Llama-3-8B-Q4-K-M.gguf", "Meta-Llama-3-8B-Q8_0.gguf"), None, "Meta-Llama-3-8B-Q4-K-M.gguf"),
        (("stories260K-be.gguf", "stories260K.gguf"), None, "stories260K.gguf"),
        (("f16.gguf", "q4_k_m.gguf"), "F16", "f16.gguf"),
        (("ggml-vocab-llama-bpe.gguf", "ggml-model-Q2_K.gguf"), None, "ggml-model-Q2_K.gguf"),
        (("gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b-F16.gguf"), "MXFP4", "gpt-oss-20b-mxfp4.gguf"),
        (("Bonsai-8B-Q1_0_g128.gguf", "Bonsai-8B-Q1_0.gguf"), "Q1_0_g128", None),
        (("X-Q4_0_4_4.gguf", "X-Q4_0.gguf"), "Q4_0", "X-Q4_0.gguf"),
        (("MODEL-Q8_0.GGUF", "readme.txt"), "Q8_0", None),
        (("dflash2-x-Q8_0.gguf", "x-Q6_K.gguf"), None, "x-Q6_K.gguf"),
        (EMBEDDINGS_KEPT, "Q8_0", "L3-q8_0.gguf"),
        (EMBEDDINGS_KEPT, "bf16-q8_0", "L3-bf16-q8_0.gguf"),
        (EMBEDDINGS_KEPT, "BF16", "L3-bf16.gguf"),
        (TENSORS_NAMED, "IQ3_XXS", "C-IQ3_XXS.gguf"),
        (TENSORS_NAMED, "Q4_0", "C-Q4_0-attn-Q8_0.gguf"),
        (TENSORS_NAMED, None, "C-Q8_0-from-f16.gguf"),
        (REVISED, "Q4_K_M", "X-Q4_K_M.gguf"),
        (REVISED, "Q4_K_M-fixed", "X-Q4_K_M-fixed.gguf"),
        (REVISED, None, "X-Q4_K_M.gguf"),
        (CUT_AND_WHOLE, "Q4_K_M", "X-Q4_K_M.gguf"),
        (SPEECH_PARTS, "Q8_0", "LFM2-Audio-1.5B-Q8_0.gguf"),
        (VISION, "IQ2_M", "Q-27B-IQ2_M.gguf"),
        (VISION, "noMTP-IQ2_M", "Q-27B-noMTP-IQ2_M.gguf"),
        (OMNI, None, "MiniCPM-o-4_5-Q4_K_M.gguf"),
        (("x-embed-Q4_K_M.gguf", "x-embed-f16.gguf"), "F16", "x-embed-f16.gguf"),
        (("Y-11B-Vision-Q4_K_M.gguf", "Y-11B-Vision-Q8_0.gguf"), "Q8_0", "Y-11B-Vision-Q8_0.gguf"),
        (("eagle-7b-Q5_K_M.gguf", "eagle-7b-Q6_K.gguf"), "Q6_K", "eagle-7b-Q6_K.gguf"),
    ],
)
def test_the_file_that_its_maker_would_mean(
    paths: tuple[str, ...], quant: str | None, first: str | None
) -> None:
    """In whichever order a hub lists the files; None stands for the first of them."""
    for listed in (paths, paths[::-1]):
        assert choose_model(listed, quant=quant, path=None, repo=REPO).files[0] == (first or paths[0])


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (APEX, {"Balanced", "Compact", "I-Balanced", "I-Compact", "I-Mini", "I-Quality", "Quality"}),
        (KQUANT, {"17gb", "dynamic"}),
        (EMBEDDINGS_KEPT, {"bf16-q8_0", "f16-q8_0", "q8_0", "bf16"}),
        (TENSORS_NAMED[2:], {"Q4_0", "Q8_0"}),
        (REVISED[:3], {"Q4_K_M-fixed", "Q4_K_M-v2", "Q4_K_M"}),
        (CUT_AND_WHOLE, {CUT_AND_WHOLE[0], CUT_AND_WHOLE[2]}),
        (SPEECH_PARTS, {"Q8_0", "F16"}),
        (VISION, {"noMTP-IQ2_M", "IQ2_M"}),
        (OMNI, {"Q4_K_M"}),
        (("q-27b-Q4_K_M.gguf", "q-27b-dflash-draft-Q8_0.gguf", "q-27b-nextn-Q8_0.gguf"), {"Q4_K_M"}),
        (NOISE, {"HighNoise-Q4_K_M", "HighNoise-Q8_0", "LowNoise-Q4_K_M", "LowNoise-Q8_0"}),
        (SPEECH, {"Q3_K_L", "Q6_K"}),
        (SMOL, {"IQ2_KS", "smol-IQ2_KS", "UD-IQ3_XXS", "BF16"}),
        (MRADERMACHER, {"i1-IQ2_XXS", "i1-Q4_K_M", "i1-Q6_K"}),
        (("rocket-3b-2.31bpw.gguf", "rocket-3b-2.76bpw.gguf"), {"2.31bpw", "2.76bpw"}),
        (("b-Q1_0_g128.gguf", "b-Q1_0.gguf"), {"Q1_0", "Q1_0_g128"}),
        (("x-IQ4_XS_4BPW.gguf", "x-Q4_K_HIFI.gguf"), {"IQ4_XS_4BPW", "Q4_K_HIFI"}),
        (("x-q4_0_chat.gguf", "x-q8_0_chat.gguf"), {"q4_0", "q8_0"}),
        (("ggml-model-i2_s.gguf",), {"i2_s"}),
        (("x-q4f16.gguf", "x-TQ1_0.gguf"), {"q4f16", "TQ1_0"}),
        (("umt5-xxl-encoder-Q5_K_M.gguf", "umt5-xxl-encoder-F32.gguf"), {"Q5_K_M", "F32"}),
    ],
)
def test_what_each_model_is_called(paths: tuple[str, ...], labels: set[str]) -> None:
    """A label for each, as its maker wrote it."""
    assert set(quants(paths)) == labels
    assert len(quants(paths)) == len(labels)


@pytest.mark.parametrize("quant", ["Balanced-I", "I", "APEX", "Comp"])
def test_a_part_of_a_label_is_none(quant: str) -> None:
    """What two names have, or none as a whole word, is no quant; the error lists those that are."""
    with pytest.raises(NotFoundError) as caught:
        choose_model(APEX, quant=quant, path=None, repo=REPO)
    assert "I-Compact" in str(caught.value.hint)


@pytest.mark.parametrize("piece", ["-split-a", "-split-b", ".a", "-split-ab"])
def test_pieces_that_name_no_count_are_told(piece: str) -> None:
    """The error names them in place of saying that the quant is not there."""
    paths = ("ll-70b.Q4_K_M.gguf", f"ll-70b.Q6_K.gguf{piece}")
    with pytest.raises(NotFoundError, match="only in pieces") as caught:
        choose_model(paths, quant="Q6_K", path=None, repo=REPO)
    assert paths[1] in str(caught.value.hint)
    with pytest.raises(NotFoundError, match="has no quant Q8_0"):
        choose_model(paths, quant="Q8_0", path=None, repo=REPO)


def test_a_model_that_lacks_parts_is_not_named_as_another() -> None:
    """The note names what can be had: its maker may still be uploading the rest."""
    paths = ("X-Q4_K_M.gguf", "X-Q2_K-00001-of-00002.gguf", "X-Q8_0.gguf")
    assert str(choose_model(paths, quant=None, path=None, repo=REPO).note).endswith(f"hf:{REPO}:Q8_0")
    assert choose_model(paths[:2], quant=None, path=None, repo=REPO).note is None


def test_an_adapter_is_small_beside_its_model() -> None:
    """A merged model has `lora` in its name too, and is as large as any."""
    paths = ("gemma-lora-F16.gguf", "gemma-Q4_K_M.gguf")
    assert by_kind(paths, {paths[0]: 40, paths[1]: 4000}).models == paths[1:]
    assert set(by_kind(paths, {paths[0]: 9000, paths[1]: 4000}).models) == set(paths)
    assert by_kind(paths[:1], {paths[0]: 40}).models == paths[:1]


@pytest.mark.parametrize(
    ("paths", "model", "right"),
    [
        (("Q4_K_M/model.gguf", "mmproj-F16.gguf", "mmproj-Q4_K_M.gguf"), 0, "mmproj-Q4_K_M.gguf"),
        (("Model-7.6B-Q4_K_M.gguf", "mmproj-model-f16.gguf"), 0, "mmproj-model-f16.gguf"),
        (("gemma-3-12b-it-q4_0.gguf", "mmproj-model-f16-12B.gguf", "mmproj-model-f16-4B.gguf"), 0, None),
        (("gemma-4-26B_q4_0-it.gguf", "gemma-4-26B-it-mmproj.gguf"), 0, "gemma-4-26B-it-mmproj.gguf"),
        (MRADERMACHER, 1, "X.mmproj-Q8_0.gguf"),
        (KQUANT, 0, "mmproj-kquant.gguf"),
        (VISION, 1, "Q-27B-vision-f16.gguf"),
        (OMNI, 0, "vision/MiniCPM-o-4_5-vision-F16.gguf"),
    ],
)
def test_the_projector_that_its_maker_would_mean(
    paths: tuple[str, ...], model: int, right: str | None
) -> None:
    """By what is in the names, whichever way they are put together; None stands for the second file."""
    assert choose_companion("mmproj", paths, paths[model], REPO).path == (right or paths[1])


def test_a_repo_with_a_file_for_each_tensor_is_one_model() -> None:
    """Some makers split a model into over a thousand files."""
    paths = tuple(f"R1-BF16-SPECIAL_TENSOR-{part:05d}-of-01148.gguf" for part in range(1, 1149))
    assert choose_model(paths, quant="BF16", path=None, repo=REPO).files == paths


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("medpsy-4b-q4_k_m-imat.gguf", "q4_k_m-imat"),
        ("google_gemma-3-1b-it-qat-Q4_0.gguf", "Q4_0"),
        ("x-UD-MXFP4_MOE.gguf", "UD-MXFP4_MOE"),
        ("DeepSeek-V4-Flash-IQ2XXS-w2Q2K-AProjQ8-chat-v2-imatrix.gguf", "IQ2XXS"),
        ("X_Q4_K_M.gguf", "Q4_K_M"),
        ("qwen2.5-7b-instruct-fp16-00001-of-00004.gguf", "fp16"),
        ("nomic-embed-text-v1.5.f16.gguf", "f16"),
        ("X-Q4_0_8_8.GGUF", "Q4_0_8_8"),
        ("X-Q8_0_R8.gguf", "Q8_0_R8"),
        ("C_iMat-IQ3_KT_Nv2_embed_q6_0_output&attn_v_iq5ksr4_attn_k_iq4ksr4.gguf", "IQ3_KT"),
        ("G-350M-MXFP4_MOE-output_q6_K-router_gate_emb_q6_K.gguf", "MXFP4_MOE"),
        ("X-Q4_K_M-kv-q8_0.gguf", "Q4_K_M"),
        ("X-Q8_0-from-bf16.gguf", "Q8_0"),
        ("model-v2.5.gguf", None),
    ],
)
def test_the_quant_that_its_maker_wrote(path: str, quant: str | None) -> None:
    """Upper or lower case, with what was put before and behind it."""
    assert quant_of(path) == quant
