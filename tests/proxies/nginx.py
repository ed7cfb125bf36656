"""An nginx in front of a server under test: a directory, a configuration and a port of its own, in the foreground.

It dies with the tests, also when they are killed. Closing it is a check: an error that it logged is a fault of the server behind
it, whatever its clients were told.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.process.wire import until

from prefork.testing import Server, free_port

PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])  # not on every account's PATH
ACCOUNT = "user root;" if os.geteuid() == 0 else ""  # nobody else may enter the test's directory
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
REFUSAL = re.compile(r"client intended to send too large body|limiting requests, excess|ModSecurity: Access denied")
COMPLAINT = re.compile(r"\[(?:error|crit|alert|emerg)\]")
CONFIGURATION = """
{account}
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    {temporary}
    client_max_body_size 64m;
    proxy_max_temp_file_size 16m;
    upstream prefork {{
        server 127.0.0.1:{upstream};
        {keepalive}
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://prefork;
            {connection}
            proxy_buffering {buffering};
            proxy_request_buffering {buffering};
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto {scheme};
            proxy_set_header X-Forwarded-Host $host;
        }}
        {locations}
    }}
}}
"""


@dataclass(frozen=True)
class Way:
    """How nginx speaks to the server: over kept connections in HTTP/1.1 or new ones in 1.0, and whether it buffers."""

    keep_alive: bool = True
    buffering: bool = True

    def __str__(self) -> str:
        return f"{'kept-alive' if self.keep_alive else 'new connections'}, {'buffered' if self.buffering else 'unbuffered'}"


class Nginx:
    """nginx before `server`. `scheme` is the one it claims its clients use, `locations` are added to its configuration."""

    def __init__(self, server: Server, directory: Path, way: Way, *, scheme: str = "$scheme", locations: str = "") -> None:
        port = free_port()
        text = CONFIGURATION.format(
            account=ACCOUNT,
            directory=directory,
            temporary="\n    ".join(f"{name}_temp_path {directory}/{name};" for name in TEMPORARY),
            upstream=server.port,
            keepalive="keepalive 16;" if way.keep_alive else "",
            connection='proxy_http_version 1.1; proxy_set_header Connection "";' if way.keep_alive else "",
            buffering="on" if way.buffering else "off",
            port=port,
            scheme=scheme,
            locations=locations,
        )
        self._prepare(directory, port, text)

    def _prepare(self, directory: Path, port: int, text: str) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = directory / "error.log"
        self._directory = directory
        (directory / "nginx.conf").write_text(text)

    def __enter__(self) -> Self:
        program = shutil.which("nginx", path=PLACES)
        assert program, "nginx is missing: apt-get install nginx"
        command = [program, "-e", self._log, "-p", self._directory, "-c", self._directory / "nginx.conf", "-g", "daemon off;"]
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL)
        try:
            until(self._answers, "nginx to listen")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop()
        if kind is None:
            assert not self.complaints(), self.complaints()

    def complaints(self) -> list[str]:
        """The errors that nginx has logged."""
        return [line for line in self._log.read_text().splitlines() if COMPLAINT.search(line)]

    def workers(self) -> set[int]:
        """The pids of nginx's own workers."""
        pid = self._process.pid
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def reload(self) -> None:
        """Have it read its configuration again, and wait until a new worker of its own is there."""
        before = self.workers()
        self._process.send_signal(signal.SIGHUP)
        until(lambda: self.workers() - before, "nginx to have a new worker")

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"nginx ended: {self._log.read_text()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class RenderedNginx(Nginx):
    """nginx with a site that was rendered, on the site's own port for HTTPS."""

    def __init__(self, site: Path, directory: Path, port: int) -> None:
        temporary = "\n    ".join(f"{name}_temp_path {directory}/{name};" for name in TEMPORARY)
        main = f"{ACCOUNT}\nworker_processes 1;\npid {directory}/nginx.pid;\nerror_log {directory}/error.log warn;\nevents {{}}\n"
        self._prepare(directory, port, f"{main}http {{\n    access_log off;\n    {temporary}\n    include {site};\n}}\n")
        self.url = f"https://127.0.0.1:{port}"

    def complaints(self) -> list[str]:
        """The errors that nginx has logged, without its refusals: they are what the site asks for."""
        return [line for line in super().complaints() if not REFUSAL.search(line)]
