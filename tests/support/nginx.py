"""nginx as a web mirror: a folder that `export --to mirror` wrote, served by a server that people run."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

needs_nginx = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="nginx is not installed (apt install nginx-light)"
)

_CONFIG = """\
{user}daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 64; }}
http {{
    default_type application/octet-stream;
    log_format seen '$request_method $uri $status $http_range $bytes_sent';
    access_log {folder}/access.log seen;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    sendfile on;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


class Nginx(NamedTuple):
    """A running server.

    Attributes:
        url: What `--mirror` takes.
        log: A line for each request: method, path, status, range, bytes.
    """

    url: str
    log: Path

    @property
    def requests(self) -> list[list[str]]:
        """The words of each line of the log."""
        return [line.split(" ") for line in self.log.read_text().splitlines()]


@contextlib.contextmanager
def nginx(root: Path, folder: Path) -> Iterator[Nginx]:
    """Serves a folder on loopback.

    Args:
        root: What is served.
        folder: For its own files; it is made.
    """
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Started by root, its workers would be a user who may not read the test's folders.
    user = "user root;\n" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(user=user, folder=folder, root=root, port=port))
    process = subprocess.Popen(
        ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"nginx did not start: {(folder / 'error.log').read_text()[-2000:]}")
            time.sleep(0.02)
        yield Nginx(f"http://127.0.0.1:{port}/{{sha256}}", folder / "access.log")
    finally:
        process.terminate()
        process.wait(30)
