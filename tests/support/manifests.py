"""Texts of valid manifests in the manners that people write them, for the tests of edits and places."""

from hypothesis import strategies as st

from tests.support.strategies import NAMES

# Each key that there is.
FULL = """\
[modelsync]
dir = "./models/"
default-groups = ["chat"]
endpoint = "https://huggingface.co"
mirrors = ["oci://registry.example.com/team/models", "https://mirror.example/hf/"]
allowed-licenses = ["apache-2.0", "Llama3.1", "MIT"]

[models]
embed = "hf:nomic-ai/nomic-embed-text-v1.5-GGUF:Q8_0"

[models.llama3]
uri = "hf:bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q4_K_M"
revision = "main"
mmproj = true
loras = ["hf:user/adapter/adapter.gguf", "./lora.gguf"]
sha256 = "sha256:{hash}"
endpoint = "https://HF.corp.example/"
groups = ["chat", "big", "chat"]
license = "LicenseRef-ours"
[models.llama3.load]
n_ctx = 8192
tensor_split = [0.5, 1]
chat_format = "llama-3"
[models.llama3.variants.server]
uri = "hf:bartowski/Meta-Llama-3.1-8B-Instruct-GGUF:Q8_0"
load = {{ n_gpu_layers = -1, n_ctx = 32768 }}
[models.llama3.variants.text]
mmproj = false
loras = []
draft = true
""".format(hash="AB" * 32)

_COMMENTS = st.sampled_from(
    ["", "\n", "# a word\n", "\n# about the next\n", "# above\n\n", "\n\n", "  # indented\n"]
)
_URIS = st.sampled_from(
    ['"hf:u/m:Q4_K_M"', "'hf:u/m'", '"https://e.com/m.gguf"', '"./m.gguf"  # why', '"""hf:u/m"""']
)
_BODIES = st.sampled_from(
    [
        'uri = "hf:u/m"\n',
        'uri = "hf:u/m"\ngroups = [\n  "a", # first\n  "b",\n]\n',
        '# inside\nuri = "hf:u/m"\n\n[models.KEY.load]\nn_ctx = 1\n',
        'uri = "hf:u/m"\nload.n_ctx = 1\n[models.KEY.variants.v]\n# differs\nuri = "hf:u/n"\n',
        'load = { n_ctx = 1 }\nuri = "hf:u/m"\n["models" . KEY.variants.v]\nload = { n_ctx = 2 }\n',
    ]
)


@st.composite
def manifest_texts(draw: st.DrawFn) -> str:
    """A valid manifest: short and long forms, comments and blank lines anywhere, either line ending."""
    names = draw(st.lists(NAMES, max_size=5, unique=True))
    cut = draw(st.integers(0, len(names)))
    text = draw(_COMMENTS)
    if draw(st.booleans()):
        text += '[modelsync]\ndir = "models" # here\n' + draw(_COMMENTS)
    if cut or draw(st.booleans()):
        text += "[models]\n" + draw(_COMMENTS)
    for name in names[:cut]:
        text += f"{_key(name)} = {draw(_URIS)}\n" if draw(st.booleans()) else f'{_key(name)}.uri = "hf:u/m"\n'
        text += draw(_COMMENTS)
    for name in names[cut:]:
        text += f"[models.{_key(name)}]\n" + draw(_BODIES).replace("KEY", _key(name))
        text += draw(_COMMENTS)
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return text.rstrip("\r\n") if draw(st.booleans()) else text


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name
