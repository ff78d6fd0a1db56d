"""What may be taken, from what a file is and where it lies."""

import io
import sys
import zipfile
from pathlib import Path

import pytest

from modelsync.content.findings import Content, Kind
from modelsync.content.look import look
from modelsync.content.policy import Claim, Permission, leads_out, objection
from modelsync.content.view import of_bytes

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(64)


@pytest.mark.parametrize(
    ("url", "outside"),
    [
        ("file:/home/me/.ssh/id", True),
        ("file:../secrets.json", True),
        ("file:models/../../x", True),
        ("file:C:/Users/me/x", True),
        ("file:models/tokenizer.json", False),
        ("file:..models/x", False),
        ("https://x.example/../x", False),
        (None, False),
    ],
)
def test_paths_out_of_the_project(url: str | None, outside: bool) -> None:
    """Absolute paths and those that go up out of the manifest's folder, and no others."""
    assert leads_out(url) is outside


@pytest.mark.parametrize(
    ("kind", "taken"), [("unknown", False), ("json", False), ("gguf", True), ("safetensors", True)]
)
def test_of_the_users_own_files_models_alone_are_taken(kind: Kind, taken: bool) -> None:
    """What lies outside the project must be a model by its bytes; what lies in it may be anything."""
    for outside, expected in ((True, taken), (False, True)):
        claim = Claim("x", "x", "model", is_outside=outside)
        assert (objection(claim, Content(kind), Permission()) is None) is expected


def zipped(**members: bytes) -> bytes:
    """A zip; `__` in a name is a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("model.h5", HDF5),
        ("model.keras", zipped(config__json=b'{"class_name": "Lambda"}', model__h5=HDF5)),
        ("saved_model.pb", b"\x08\x01\x12\x80\x01" + bytes(128)),
        ("model.tflite", b"\x1c\0\0\0TFL3" + bytes(64)),
        ("model.engine", bytes(64)),
        ("ops.so", Path(sys.executable).read_bytes()[: 1 << 16]),
        ("ops.dll", b"MZ" + bytes(64)),
        ("setup.sh", b"#!/bin/sh\nexit\n"),
        ("index.js", b"alert(1)"),
        ("demo.ipynb", b'{"cells": []}'),
        ("code.zip", zipped(run__py=b"print(1)")),
        ("code.whl", zipped(run__pyc=b"\0" * 16)),
        ("code.jar", zipped(A__class=b"\xca\xfe\xba\xbe" + bytes(16))),
        ("config.json", b'{"auto_map": {"AutoModel": "user/other--modeling.Model"}}'),
        ("tokenizer_config.json", b'{"chat_template": "{{ messages }}"}'),
    ],
)
def test_what_is_not_looked_into_is_taken(path: str, data: bytes) -> None:
    """SECURITY.md tells people so: what this refuses is not to be named there any more."""
    assert objection(Claim(path, path, "file"), look(of_bytes(data), path), Permission()) is None
