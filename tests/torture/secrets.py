"""Secrets: token, login, header and signature of a run of all commands, looked for in every file and output."""

import os
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from tests.torture import checks
from tests.torture.hub_process import SECRET, STILL
from tests.torture.lab import Lab
from tests.torture.operations import LINKED
from tests.torture.tally import Budget, Tally

TOKEN, PASSWORD, HEADER = "hf_PlantedToken0123456789", "PlantedPassword0123", "PlantedHeader0123"
HOLDERS = {"home/.netrc", "home/config.toml"}  # where the user wrote them down
COMMANDS = (
    "init",
    f"add secret hf:{SECRET}:Q4_K_M",
    "add header {header}",
    "add login {login}",
    "lock --upgrade",
    "lock --verify",
    "sync",
    "sync -U",
    "list",
    "outdated",
    "path secret",
    "path secret --format json",
    "verify",
    "verify --full",
    "inspect hf:user/still:Q8_0",
    "estimate hf:user/secret:Q4_K_M",
    "pull hf:user/still:Q8_0 --dir plain",
    "pull hf:user/nobody:Q8_0",
    "pull {login} --header X-More:PlantedHeader0123",
    "export --to env",
    "export --to json",
    "export --to sha256sums",
    "doctor",
    "cache list",
    "cache prune --now",
    "remove header",
    "cache clean --yes",
    "sync",
)
FAULTS = ("", "403", "404", "500", "cut", "wrong byte", "redirect in a circle", "control characters")


def run(lab: Lab, budget: Budget, tally: Tally) -> None:
    """All commands, with a network that works and with some that do not."""
    login = f"Basic {b64encode(f'someone:{PASSWORD}'.encode()).decode()}"
    places = lab.ask_hub("gate", token=TOKEN, header=HEADER, login=login)
    faults = FAULTS if budget.cases is None else FAULTS[: max(1, budget.cases // 10)]
    for number, fault in enumerate(faults):
        if budget.over and number:
            break
        _all_commands(lab, tally, fault, places)


def _all_commands(lab: Lab, tally: Tally, fault: str, places: Mapping[str, str]) -> None:
    lab.empty(None)
    host = urlsplit(places["header"])
    home = lab.scope / "home"
    (home / ".netrc").write_text(f"machine {host.hostname} login someone password {PASSWORD}\n")
    (home / ".netrc").chmod(0o600)
    config = f'[hosts."{host.netloc}"]\nheaders = {{ "X-Key" = "{HEADER}" }}\n'
    (home / "config.toml").write_text(config)
    variables = {
        "HF_TOKEN": TOKEN,
        "MODELSYNC_CONFIG": str(home / "config.toml"),
        "NETRC": str(home / ".netrc"),
    }
    said: list[tuple[str, str]] = []
    if fault:
        lab.ask_hub("misbehave", case=fault)
    for line in COMMANDS:
        words = line.format(**places).split()
        done = lab.command(*words, "-v", variables=variables, counted=False)
        said.append((line, done.out + done.err))
        tally.count("secrets: commands")
        if wrong := checks.told_well(done.status, done.err):
            tally.fault(f"`{line}` with secrets{f', {fault}' if fault else ''}", wrong)
        if line.startswith(("add", "sync")) and not fault and done.status != 0:
            tally.fault("secrets", f"`{line}` fails, so that nothing is shown: {done.err[-300:]}")
        if line == "init":
            (lab.project / "models.toml").write_text(f'{LINKED}[models]\nstill = "hf:{STILL}:Q8_0"\n')
    planted = {
        TOKEN,
        PASSWORD,
        b64encode(f"someone:{PASSWORD}".encode()).decode(),
        HEADER,
        *lab.ask_hub("signatures"),
    }
    lab.ask_hub("behave")
    for line, text in said:
        for secret in planted:
            if secret in text:
                tally.fault(
                    f"`{line} -v`, {fault or 'all well'}", f"a secret ({secret[:9]}…) is in what it says"
                )
    files = [Path(folder, name) for folder, _, names in os.walk(lab.scope) for name in names]
    for path in files:
        place = str(path.relative_to(lab.scope))
        if place in HOLDERS or not path.is_file():
            continue
        data = path.read_bytes()
        tally.count("secrets: files")
        for secret in planted:
            if secret.encode() in data or secret in place:
                tally.fault(f"{place}, {fault or 'all well'}", f"a secret ({secret[:9]}…) is in a file")
