"""What the contenders download from: a model hub, and its CDN, which is nginx where there is one."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from bench.line import Line
from tests.hub import Delay, Hub, Repo, Slow
from tests.hub.repos import Entry
from tests.hub.tls import make_authority
from tests.hub.wire import Where

CONFIG = """\
worker_processes {cores};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
{user}
events {{ worker_connections 1024; }}
http {{
  access_log off;
  {late}
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}{tls};
    root {folder}/files;
    {limit}
  }}
}}
"""
# nginx itself cannot wait: it asks whether it may answer, and is told so late. Its bytes then come by sendfile.
ASKS = """\
location / { auth_request /late; }
    location = /late {
      internal;
      proxy_pass http://late/late;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass_request_headers off;
      proxy_pass_request_body off;
    }"""


class Serving(Hub):
    """A hub whose files come from nginx, as a real hub's come from a CDN; without nginx from its own Python CDN.

    Args:
        tls: Speak https.
        cap: Bytes a second that nginx's `limit_rate` gives one connection, or None: all there are.
        pace: The same, evenly from the first byte on, which nginx cannot do: from the Python CDN.
        delay: Seconds that every answer is kept back.
        line: Bytes a second that all connections to the CDN have together: there is a `Line` in front of it.
    """

    def __init__(
        self,
        *,
        tls: bool = False,
        cap: int | None = None,
        pace: int | None = None,
        delay: float = 0.0,
        line: int | None = None,
    ) -> None:
        super().__init__(tls=tls)
        self._place = tempfile.TemporaryDirectory(prefix="modelsync-bench-cdn-")
        self._folder_of_files = Path(self._place.name) / "files"
        self._folder_of_files.mkdir()
        Path(self._place.name).chmod(0o755)
        self._nginx: subprocess.Popen[bytes] | None = None
        self.by_nginx = shutil.which("nginx") is not None and not pace
        self.files = ""
        self.trusted = self.ca_file
        if self.by_nginx:
            self._start(tls=tls, cap=cap, late=self.file("/late", b"") if delay else None)
        self.line = Line(urlsplit(self.files or self.cdn).port or 0, line) if line else None
        servers: tuple[Where, ...] = ("hub", "cdn", "plain")
        for where in servers:
            if delay:
                self.misbehave(Delay(delay), where=where, times=None)
            if (pace or (cap and not self.by_nginx)) and where != "hub":
                self.misbehave(Slow(pace or cap or 0), where=where, times=None)

    def close(self) -> None:
        """Stops all of them."""
        if self.line is not None:
            self.line.close()
        if self._nginx is not None:
            self._nginx.terminate()
            self._nginx.wait()
        super().close()
        self._place.cleanup()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def offer(self, repo: str, files: dict[str, Path]) -> None:
        """Puts files into a repo."""
        self.repo(repo).commit(dict(files), lfs=None)

    def address(self, path: Path) -> str:
        """A URL that gives a file at once, without the hub."""
        if not self.by_nginx:
            return self.file(f"/{path.name}", path)
        there = self._folder_of_files / path.name
        if not there.exists():
            os.link(path, there)
        return f"{self.files}/{path.name}"

    def _sign(self, repo: Repo, path: str, entry: Entry) -> str:
        signed = super()._sign(repo, path, entry)
        if self.by_nginx and isinstance(entry.what.data, Path):
            signed = f"{self.address(entry.what.data)}?{signed.partition('?')[2]}"
        if self.line is not None:
            signed = urlsplit(signed)._replace(netloc=f"localhost:{self.line.port}").geturl()
        return signed

    def _start(self, *, tls: bool, cap: int | None, late: str | None) -> None:
        folder = Path(self._place.name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        certificates = ""
        if tls:
            authority, _ = make_authority(folder)
            assert self.ca_file is not None
            self.trusted = folder / "trusted.pem"
            self.trusted.write_bytes(self.ca_file.read_bytes() + authority.read_bytes())
            certificates = (
                f" ssl;\n    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_certificate {folder}/leaf.pem;"
                f"\n    ssl_certificate_key {folder}/leaf.key"
            )
        limits = [f"limit_rate {cap};"] if cap else []
        config = CONFIG.format(
            cores=os.cpu_count(),
            folder=folder,
            user=f"user {getpass.getuser()};" if os.geteuid() == 0 else "",
            port=port,
            tls=certificates,
            late=f"upstream late {{ server {urlsplit(late).netloc}; keepalive 64; }}" if late else "",
            limit="\n    ".join([*limits, *([ASKS] if late else [])]),
        )
        (folder / "nginx.conf").write_text(config)
        self._nginx = subprocess.Popen(["nginx", "-c", folder / "nginx.conf"])
        self.files = f"http{'s' if tls else ''}://localhost:{port}"
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"nginx does not start: {(folder / 'error.log').read_text()}")
