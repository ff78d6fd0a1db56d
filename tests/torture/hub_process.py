"""A hub in a process of its own: `python -m tests.torture.hub_process`. Told what to do by lines of JSON on stdin.

It answers each with a line of JSON; the first line, without a question, tells where it is. It ends with its stdin.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.hub import Hub
from tests.support.content import noise
from tests.support.gguf_files import edit_metadata, make_llama
from tests.torture import catalogue

MOVING, STILL, PARTS, SECRET = "user/moving", "user/still", "user/parts", "user/secret"


def stock(hub: Hub, folder: Path) -> dict[str, Any]:
    """Puts the repos there; `MOVING` has its first version."""
    old = make_llama(folder / "moving-Q4_K_M.gguf", big=700_000)
    edit_metadata(old, folder / "new.gguf", chat_template="{{ another }}" * 50)
    hub.repo(MOVING).commit({"moving-Q4_K_M.gguf": old.read_bytes()})
    hub.repo(STILL).commit(
        {
            "still-Q4_K_M.gguf": noise(1_300_000, 1),
            "still-Q8_0.gguf": noise(90_000, 2),
            "mmproj-F16.gguf": noise(9_000, 3),
        }
    )
    parts = {f"parts-Q4_K_M-{n:05d}-of-00002.gguf": noise(60_000 + n, 10 + n) for n in (1, 2)}
    hub.repo(PARTS).commit(parts)
    hub.repo(SECRET, gated="auto").commit({"secret-Q4_K_M.gguf": noise(30_000, 7)})
    direct = hub.file("/direct/plain.gguf", noise(40_000, 5))
    return {"endpoint": hub.endpoint, "direct": direct}


def main() -> None:
    """Serves until stdin ends."""
    with tempfile.TemporaryDirectory() as temporary, Hub() as hub:
        folder = Path(temporary)
        print(json.dumps(stock(hub, folder)), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            if asked["do"] == "update":
                hub.repo(MOVING).commit({"moving-Q4_K_M.gguf": (folder / "new.gguf").read_bytes()})
            elif asked["do"] == "behave":
                hub.behave()
            answer: Any = {}
            if asked["do"] == "misbehave":
                catalogue.FAULTS[asked["case"]](hub)
            elif asked["do"] == "signatures":
                answer = list(hub._links)
            elif asked["do"] == "gate":
                hub.tokens.add(asked["token"])
                hub.repo(SECRET, gated="auto").accept(asked["token"])
                answer = {
                    "header": hub.file(
                        "/a/header.gguf", noise(20_000, 8), require={"X-Key": asked["header"]}
                    ),
                    "login": hub.file(
                        "/a/login.gguf", noise(20_000, 9), require={"Authorization": asked["login"]}
                    ),
                }
            hub.clear()
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
