"""Go templates for Ollama say what the Jinja of well-known models says."""

import re
from pathlib import Path

import pytest

from modelsync.ops.export.ollama import chat_lines
from modelsync.ops.export.ollama_template import go_template, turns_of
from tests.support.gguf_files import make_llama

# In the manner of each family's own template.
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' }}"
    "{{ m.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% set first = '' %}{% if messages[0].role == 'system' %}"
    "{% set first = messages[0].content + '\\n\\n' %}{% set messages = messages[1:] %}{% endif %}"
    "{% for m in messages %}{% set role = 'model' if m.role == 'assistant' else m.role %}"
    "{{ '<start_of_turn>' + role + '\\n' + (first if loop.first else '') + m.content + '<end_of_turn>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
PHI3 = (
    "{% for m in messages %}{{ '<|user|>\\n' if m.role == 'user' else '<|system|>\\n' if m.role == 'system'"
    " else '<|assistant|>\\n' }}{{ m.content + '<|end|>\\n' }}{% endfor %}{{ '<|assistant|>\\n' }}"
)
ZEPHYR = PHI3.replace("'<|end|>\\n'", "eos_token + '\\n'")
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + '[/INST]' }}"
    "{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
TEKKEN = MISTRAL.replace("'[INST] '", "'[INST]'").replace("' ' + m", "m")
FAMILIES = {
    "chatml": CHATML,
    "llama3": LLAMA3,
    "gemma": GEMMA,
    "phi3": PHI3,
    "zephyr": ZEPHYR,
    "mistral": MISTRAL,
    "tekken": TEKKEN,
}
TALK = [("user", "one"), ("assistant", "two"), ("user", "three")]


def as_jinja(go: str) -> str:
    """A Go template of the few actions that are written, as Jinja: what the action means in `text/template`."""
    ends: list[str] = []

    def action(found: re.Match[str]) -> str:
        words = found[1].strip()
        if words.startswith("range "):
            ends.append("{% endfor %}")
            return "{% for m in messages %}"
        if words.startswith("if "):
            ends.append("{% endif %}")
        for pattern, said in {
            r'if eq \.Role "(\w+)"': r"{% if m.role == '\1' %}",
            r'else if eq \.Role "(\w+)"': r"{% elif m.role == '\1' %}",
            r"if \$system": "{% if ns.system %}",
            r"\$system := \.System": "{% set ns = namespace(system=system) %}",
            r'\$system = ""': "{% set ns.system = '' %}",
            r"\$system": "{{ ns.system }}",
            r"\.Content": "{{ m.content }}",
        }.items():
            if match := re.fullmatch(pattern, words):
                return match.expand(said)
        assert words == "end", words
        return ends.pop()

    made = re.sub(r"{{(.*?)}}", action, go)
    assert not ends
    return made


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("system", [False, True])
def test_the_turns_are_the_same(family: str, system: bool) -> None:
    """Of a talk of several turns, with a system prompt where the family's own template takes one."""
    jinja2 = pytest.importorskip("jinja2")
    if system and family in ("mistral", "tekken"):
        return
    environment = jinja2.Environment(keep_trailing_newline=True)
    talk = [*([("system", "be brief")] if system else []), *TALK]
    messages = [{"role": role, "content": words} for role, words in talk]
    known = {"messages": messages, "add_generation_prompt": True, "bos_token": "", "eos_token": "</s>"}
    turns = turns_of(FAMILIES[family])
    assert turns is not None
    ours = environment.from_string(as_jinja(go_template(turns)))
    said = "be brief" if system else ""
    assert ours.render(messages=messages, system=said) == environment.from_string(FAMILIES[family]).render(
        known
    )


@pytest.mark.parametrize(
    "jinja",
    [
        "{{ messages[0].content }}",
        "[INST] <<SYS>>{{ system }}<</SYS>>",
        "<|im_start|>user<|im_sep|>",
        "[SYSTEM_PROMPT]x[/SYSTEM_PROMPT][INST]y[/INST]",
    ],
)
def test_another_template_is_left_to_ollama(jinja: str) -> None:
    """What is of no known family is never guessed at."""
    assert turns_of(jinja) is None


def test_a_modelfile_has_the_turns_and_the_stop_words(tmp_path: Path) -> None:
    """From the header: TEMPLATE, and the tokens that end an answer; else a comment says whose template is used."""
    lines = chat_lines(make_llama(tmp_path / "chatml.gguf", chat_template=CHATML))
    assert any(line.startswith('TEMPLATE """{{ range .Messages }}') for line in lines)
    assert [line for line in lines if line.startswith("PARAMETER")] == ['PARAMETER stop "</s>"\n']
    lines = chat_lines(make_llama(tmp_path / "other.gguf", chat_template="{{ messages }}"))
    assert lines[0].startswith("# ")
    assert not any("TEMPLATE" in line for line in lines)
    page = tmp_path / "page.gguf"
    page.write_text("<!doctype html>")
    assert chat_lines(page) == []
