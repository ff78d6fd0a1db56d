"""llama-server's own way of reading a presets file, said again in Python.

After `parse_ini_from_file` and `load_from_ini` in llama.cpp's `common/preset.cpp`, and after the options of
`common/arg.cpp` (of llama-cpp-python 0.3.36) that an export can have: an option that is not among them is refused, as
llama-server refuses one that it does not know.
"""

import re

_HEADER = re.compile(r"\[[ \t]*([^\]]+)\][ \t]*(?:[;#].*)?")
_PAIR = re.compile(r"([a-zA-Z_][a-zA-Z0-9_.-]*)[ \t]*=[ \t]*(.*?)[ \t]*(?:[;#].*)?")
_NOTHING = re.compile(r"[ \t]*(?:[;#].*)?")

_CACHE = "f32|f16|bf16|q8_0|q4_0|q4_1|iq4_nl|q5_0|q5_1"
_NUMBER, _FLOAT, _BOOL = r"-?\d+", r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?", "on|enabled|true|1|off|disabled|false|0"
OPTIONS = {
    **dict.fromkeys(("ctx-size", "batch-size", "ubatch-size", "main-gpu", "seed", "threads"), _NUMBER),
    **dict.fromkeys(("threads-batch", "yarn-orig-ctx", "repeat-last-n"), _NUMBER),
    **dict.fromkeys(("rope-freq-base", "rope-freq-scale", "yarn-ext-factor", "yarn-attn-factor"), _FLOAT),
    **dict.fromkeys(("yarn-beta-fast", "yarn-beta-slow"), _FLOAT),
    **dict.fromkeys(
        ("embeddings", "reranking", "kv-offload", "op-offload", "swa-full", "perf", "spm-infill"), _BOOL
    ),
    **dict.fromkeys(("model", "mmproj", "lora", "model-draft"), r".+"),
    "spec-type": "draft-(?:simple|mtp|eagle3|dflash|dspark)",
    "lora-scaled": rf"[^:]+:{_FLOAT}(?:,[^:]+:{_FLOAT})*",
    "n-gpu-layers": rf"auto|all|{_NUMBER}",
    "split-mode": "none|layer|row|tensor",
    "tensor-split": rf"{_FLOAT}(?:[,/]{_FLOAT})*",
    "rope-scaling": "none|linear|yarn",
    "pooling": "none|mean|cls|last|rank",
    "attention": "causal|non-causal",
    "flash-attn": "on|off|auto",
    "load-mode": r"auto|none|mmap|mlock|mmap\+mlock|dio",
    "numa": "distribute|isolate|numactl",
    "cache-type-k": _CACHE,
    "cache-type-v": _CACHE,
}


def read(text: str) -> dict[str, dict[str, str]]:
    """The sections of a presets file with their options.

    Raises:
        ValueError: llama-server would not start with it.
    """
    sections: dict[str, dict[str, str]] = {}
    current = "default"
    for line in re.split(r"\r\n|\n|\r", text):
        if header := _HEADER.fullmatch(line):
            current = header[1]
            sections[current] = {}
        elif pair := _PAIR.fullmatch(line):
            sections.setdefault(current, {})[pair[1]] = pair[2]
        elif not _NOTHING.fullmatch(line):
            raise ValueError(f"failed to parse: {line!r}")
    for name, options in sections.items():
        options.pop("version", None)  # reserved for future use
        for key, value in options.items():
            if key not in OPTIONS:
                raise ValueError(f"option {key!r} not recognized in preset {name!r}")
            if not re.fullmatch(OPTIONS[key], value):
                raise ValueError(f"invalid value for {key!r}: {value!r}")
    return {name: options for name, options in sections.items() if options or name != "default"}
