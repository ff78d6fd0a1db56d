"""The turns of well-known chat templates, as Ollama's Go templates. Pure.

A GGUF brings its chat template as Jinja, which Ollama does not run. A family is known by the marks of its turns; what a
template does besides (tools, dates, default system prompts) is not said. The Jinja is searched here, never rendered.
"""

from typing import NamedTuple


class Turns(NamedTuple):
    """The text before and after what each role says.

    Attributes:
        user: Before and after a user's words.
        assistant: Before and after the model's.
        system: Before and after the system prompt; None: it stands before the first user's words.
        begin: What begins an answer.
        between: What parts a system prompt from the user's words that it stands before.
    """

    user: tuple[str, str]
    assistant: tuple[str, str]
    system: tuple[str, str] | None
    begin: str
    between: str = "\n\n"


def _chatml() -> Turns:
    end = "<|im_end|>\n"
    return Turns(
        ("<|im_start|>user\n", end),
        ("<|im_start|>assistant\n", end),
        ("<|im_start|>system\n", end),
        "<|im_start|>assistant\n",
    )


def _llama3() -> Turns:
    def header(role: str) -> str:
        return f"<|start_header_id|>{role}<|end_header_id|>\n\n"

    return Turns(
        (header("user"), "<|eot_id|>"),
        (header("assistant"), "<|eot_id|>"),
        (header("system"), "<|eot_id|>"),
        header("assistant"),
    )


def _gemma() -> Turns:
    end = "<end_of_turn>\n"
    return Turns(
        ("<start_of_turn>user\n", end), ("<start_of_turn>model\n", end), None, "<start_of_turn>model\n"
    )


def _phi3() -> Turns:
    end = "<|end|>\n"
    return Turns(("<|user|>\n", end), ("<|assistant|>\n", end), ("<|system|>\n", end), "<|assistant|>\n")


def _zephyr() -> Turns:
    end = "</s>\n"
    return Turns(("<|user|>\n", end), ("<|assistant|>\n", end), ("<|system|>\n", end), "<|assistant|>\n")


def _mistral(before: str, after: str) -> Turns:
    return Turns((f"[INST]{before}", f"{after}[/INST]"), (before, "</s>"), None, "")


def turns_of(jinja: str) -> Turns | None:
    """The turns of a chat template; None if it is of no known family, or of several."""
    if "<|im_start|>" in jinja and "<|im_sep|>" not in jinja:
        return _chatml()
    if "<|start_header_id|>" in jinja and "<|eot_id|>" in jinja:
        return _llama3()
    if "<start_of_turn>" in jinja and "<end_of_turn>" in jinja:
        return _gemma()
    if "[INST]" in jinja and not any(mark in jinja for mark in ("<<SYS>>", "[SYSTEM_PROMPT]")):
        return _mistral(" " if "[INST] " in jinja else "", " " if " [/INST]" in jinja else "")
    if "<|user|>" in jinja and "<|assistant|>" in jinja:
        if "<|end|>" in jinja:
            return _phi3()
        if "eos_token" in jinja or "</s>" in jinja:
            return _zephyr()
    return None


def go_template(turns: Turns) -> str:
    """The turns as a template of Ollama's, over `.Messages`."""
    said = "{{ .Content }}"
    first = (
        ""
        if turns.system
        else "{{ if $system }}{{ $system }}" + turns.between + '{{ $system = "" }}{{ end }}'
    )
    branches = [
        ("user", turns.user[0] + first + said + turns.user[1]),
        ("assistant", turns.assistant[0] + said + turns.assistant[1]),
    ]
    if turns.system:
        branches.insert(0, ("system", turns.system[0] + said + turns.system[1]))
    text = "" if turns.system else "{{ $system := .System }}"
    text += "{{ range .Messages }}"
    for number, (role, body) in enumerate(branches):
        text += "{{ " + ("else " if number else "") + f'if eq .Role "{role}" }}}}' + body
    return text + "{{ end }}{{ end }}" + turns.begin
