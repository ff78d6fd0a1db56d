"""The JSON Schema of models.toml (draft 7, as editors read it), made of the tables that the parser checks with. Pure.

What it refuses the parser refuses too. What goes beyond single values and keys is the parser's alone: whether a URI is
one, whether globs go with it, names that only differ in what a file system ignores.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from modelsync.spec.globs import MAX_GLOBS
from modelsync.spec.licenses import ALLOWED, MAX_LICENSE, NO_LICENSE, STATED
from modelsync.spec.load_values import KEY, MAX_NUMBERS, MAX_WORD, REFUSED_KEY
from modelsync.spec.manifest.keys import (
    AUTO,
    ENTRY_KEYS,
    MAX_COMPANIONS,
    MAX_TEXTS,
    PROJECT_KEYS,
    TOP_KEYS,
    VARIANT_KEYS,
)
from modelsync.spec.manifest.model import MAX_ENTRIES
from modelsync.spec.names import MAX_PATH
from modelsync.spec.roles import COMPANIONS
from modelsync.spec.uri import BAD_REVISION, REVISION

Schema: TypeAlias = dict[str, Any]

FILE = "models.schema.json"
DIRECTIVE = f"#:schema ./{FILE}"  # what editors look for in the first line

_HEX = r"^\s*([Ss][Hh][Aa]256[:-])?[0-9A-Fa-f]{64}\s*$"
_URL = "^[Hh][Tt][Tt][Pp][Ss]?://[^/]"
_MIRROR = "^([Oo][Cc][Ii]|[Hh][Tt][Tt][Pp][Ss]?):"
_NO_URL = r"^[A-Za-z]+://[^/?]*@|\?."  # a user, a query
_SCHEMES = "hf|huggingface|[Hh][Tt][Tt][Pp][Ss]?|file|oci|docker|ollama"
_FORM = rf"^({_SCHEMES}|[A-Za-z]):|^[^:]*[/\\]"  # a known scheme, a drive, or the path or page of a host
_NO_REPO = r"^(file|oci|docker|ollama):|^(hf|huggingface):(//)?[^/#@]+/[^/#@]*:"  # a file, or one quant
_CONTROL = r"[\x00-\x1f\x7f]"
_DEVICE = r"(con|prn|aux|nul|com[0-9]|lpt[0-9])"  # names that Windows keeps
_DEVICES = rf"^{_DEVICE}(\.|$)"
# What no path in a folder has: a drive, empty parts, `..`, a dot or a blank at the end of a part.
_NO_PATH = rf'^/|\\|[:*?"<>|]|{_CONTROL}|//+[^/]|[^/][. ](/|$)|(^|/) (/|$)|(^|/)\.\.(/|$)|/\.(/|$)|^\./?$'
_NO_DIR = rf"{_NO_PATH}|(^|/)\.[^/]|(^|/){_DEVICE}(\.[^/]*)?(/|$)"  # a hidden folder


def schema() -> Schema:
    """The whole schema, a new one each time."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "models.toml of modelsync",
        "description": "The models that a project needs. `modelsync lock` pins them, `modelsync sync` fetches them.",
        **_table(TOP_KEYS, {"modelsync": _project(), "models": _models()}),
        "definitions": {"name": _name(), "uri": _URI, "sha256": _text(pattern=_HEX)},
    }


def text() -> str:
    """The schema as its file holds it: the same bytes from one version of modelsync everywhere."""
    import json

    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _table(keys: Iterable[str], shapes: Mapping[str, Schema], **more: Any) -> Schema:
    """A table that has these keys and no others."""
    return {
        "type": "object",
        "properties": {key: shapes[key] for key in keys},
        "additionalProperties": False,
        **more,
    }


def _text(**more: Any) -> Schema:
    return {"type": "string", **more}


def _without(pattern: str) -> Schema:
    return {"not": {"pattern": pattern}}


def _list(items: Schema, most: int = MAX_TEXTS, **more: Any) -> Schema:
    return {"type": "array", "items": items, "maxItems": most, **more}


def _name() -> Schema:
    return _text(pattern="^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9_-])?$", **_without(_DEVICES))


_NAMES: Schema = {"$ref": "#/definitions/name"}
_URI: Schema = _text(
    minLength=1,
    pattern=_FORM,
    **_without(rf"{_CONTROL}|^[Hh][Tt][Tt][Pp][Ss]?://[^/?]*@"),
    examples=[
        "hf:user/model:Q4_K_M",
        "hf:user/model/path/model.gguf",
        "hf:user/model#v1.0",
        "https://files.example.com/model.gguf",
        "file:models/model.gguf",
        "oci://registry.example.com/team/model:v1",
    ],
)
_A_URI: Schema = {"$ref": "#/definitions/uri"}
_GLOBS = _list(_text(minLength=1, maxLength=MAX_PATH, **_without(_CONTROL)), MAX_GLOBS)


def _project() -> Schema:
    shapes = {
        "dir": _text(
            minLength=1,
            description="Link the files here too, as <dir>/<name>/<file>; a folder inside the project.",
            **_without(_NO_DIR),
            examples=["models"],
        ),
        "default-groups": _list(
            _NAMES,
            description="Groups that a bare `sync` takes besides the models without a group; without this, all.",
        ),
        "endpoint": _text(
            pattern=_URL,
            **_without(_NO_URL),
            description="The hub to ask in place of https://huggingface.co. HF_TOKEN never goes to one named here.",
        ),
        "mirrors": _list(
            _text(
                pattern=_MIRROR,
                **_without(_NO_URL),
                examples=["oci://registry.example.com/team/models", "https://host/{sha256}"],
            ),
            description="Places that have files by their sha256; asked in this order before the origin.",
        ),
        "required-version": _text(
            pattern=r"^\s*(~=|==|!=|<=|>=|<|>)",
            description="Which versions of modelsync may read this, as for Python packages; checked before all else.",
            examples=[">=0.3"],
        ),
        "allowed-licenses": _list(
            _license(ALLOWED),
            description="The licenses that models may have, as hubs name them; others and unknown ones are refused.",
            examples=[["apache-2.0", "mit"]],
        ),
    }
    return _table(PROJECT_KEYS, shapes, description="Settings of the project.")


def _models() -> Schema:
    return {
        "type": "object",
        "description": "The models by the names that the program asks for: a URI, or a table.",
        "propertyNames": _NAMES,
        "maxProperties": MAX_ENTRIES,
        "additionalProperties": {
            "anyOf": [_A_URI, _entry()],
        },
    }


def _entry() -> Schema:
    variants = {
        "type": "object",
        "description": "Other requests under the same name, each with what differs: `sync --variant NAME`.",
        "propertyNames": {"allOf": [_NAMES, {"not": {"const": AUTO}}]},
        "additionalProperties": _table(VARIANT_KEYS, _shapes(), description="What differs in this variant."),
    }
    shapes = _shapes()
    shapes["include"] = {**shapes["include"], "minItems": 1}
    shapes |= {
        "groups": _list(_NAMES, description="Groups that `sync --group` and `default-groups` name."),
        "variants": variants,
    }
    return _table(
        ENTRY_KEYS,
        shapes,
        description="One model.",
        required=["uri"],
        **{
            "if": {"required": ["include"]},
            "then": {
                "properties": {
                    "uri": _without(_NO_REPO),
                    **{each.key: _none(many=each.many) for each in COMPANIONS},
                }
            },
            "else": {"properties": {"exclude": _none(many=True)}},
        },
    )


def _none(*, many: bool) -> Schema:
    """Nothing: a folder of files has no projector, what is no folder leaves no files out."""
    return {"maxItems": 0} if many else {"enum": [False]}


def _shapes() -> dict[str, Schema]:
    """The keys that an entry and its variants have."""
    return {
        "uri": {
            "allOf": [_A_URI],
            "description": "Where the model is: hf:user/model[:QUANT], hf:user/model/file, https://…, file:… or oci://….",
        },
        "revision": _text(
            pattern=f"^{REVISION}$",
            **_without(BAD_REVISION),
            description="A branch, a tag or a commit of a hub's repo.",
        ),
        "include": {
            **_GLOBS,
            "description": "Globs of files: the model is a folder of them. They read as those of `hf download`.",
            "examples": [["*.json", "model.safetensors"]],
        },
        "exclude": {
            **_GLOBS,
            "description": "Globs of files that `include` would take, and that are left out.",
        },
        "allow-code": {
            **_GLOBS,
            "description": "Globs of files that may run code when they are loaded (pickles, *.py): others are refused.",
        },
        **{each.key: _companion(each.noun, each.many, each.beside) for each in COMPANIONS},
        "sha256": {
            "description": "What the file must be; or a table of paths in the repo, each with its SHA-256.",
            "anyOf": [
                {"$ref": "#/definitions/sha256"},
                {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": _without(_NO_PATH),
                    "additionalProperties": {"$ref": "#/definitions/sha256"},
                },
            ],
        },
        "endpoint": _text(
            pattern=_URL,
            **_without(_NO_URL),
            description="The hub of this model. HF_TOKEN never goes to one named here.",
        ),
        "license": {
            **_license(STATED),
            "description": "What you state where the hub names no license: an id, or LicenseRef-NAME for own terms.",
            "examples": ["LicenseRef-our-contract"],
        },
        "load": _load(),
    }


def _companion(noun: str, many: bool, beside: bool) -> Schema:
    if many:
        return _list(
            _A_URI, MAX_COMPANIONS, description=f"URIs of files that go with the model, {noun} each."
        )
    if beside:
        return {
            "description": f"{noun.capitalize()} that goes with the model: true for the one in its repo, or a URI.",
            "anyOf": [{"type": "boolean"}, _A_URI],
        }
    return {"allOf": [_A_URI], "description": f"The URI of {noun} that goes with the model."}


def _license(pattern: str) -> Schema:
    """A license that names terms, whatever the case."""
    none = "|".join("".join(f"[{letter.upper()}{letter}]" for letter in each) for each in NO_LICENSE)
    return _text(pattern=f"^{pattern}$", maxLength=MAX_LICENSE, **_without(f"^({none})$"))


def _load() -> Schema:
    return {
        "type": "object",
        "description": "Arguments of llama_cpp.Llama for `modelsync.load()`; none that names a path or code.",
        "propertyNames": {"pattern": f"^{KEY}$", **_without(f"^({REFUSED_KEY})$")},
        "additionalProperties": {
            "anyOf": [
                {"type": "boolean"},
                {"type": "number"},
                _text(maxLength=MAX_WORD, **_without(rf"[/\\]|{_CONTROL}")),
                _list({"type": "number"}, MAX_NUMBERS),
            ]
        },
        "examples": [{"n_ctx": 8192}],
    }
