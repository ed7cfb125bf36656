"""`prefork metrics --listen`: the metrics over HTTP, for a Prometheus on another machine or beside the container.

Like every exporter it lets in whoever reaches its address, and tells nothing but figures. The console's /metrics asks for a token.
"""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import click

from prefork.config.addresses import port
from prefork.control.answers import explained, lacking
from prefork.control.client import Unreachable, ask
from prefork.metrics import CONTENT_TYPE, exposition

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 10.0  # seconds for a client to ask, and for the server to answer


class Exporter(ThreadingHTTPServer):
    """Answers what the server at a control socket tells. Raises OSError where the address cannot be listened on."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], control: Path) -> None:
        self.control = control
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Scrape)


class Scrape(BaseHTTPRequestHandler):
    """One connection."""

    server: Exporter
    timeout = PATIENCE
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the metrics, or why there are none."""
        if self.path.partition("?")[0] != "/metrics":
            self._say(404, "the metrics are at /metrics\n")
            return
        try:
            told = ask(self.server.control, {"command": "metrics"}, PATIENCE)
        except Unreachable as error:
            self._say(503, f"{error}\n")
            return
        if told.get("ok") is not True:
            self._say(503, f"{told.get('error')}\n")
        elif lacks := lacking("metrics", told):
            self._say(503, f"{explained(f'the server in {self.server.control.parent}', lacks, told.get('version'))}\n")
        else:
            self._say(200, exposition(told))

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE if status == 200 else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """What the header Server says."""
        return "prefork"

    def log_message(self, *_: object) -> None:
        """Scrapes are no news."""


def export(address: str, control: Path) -> None:
    """Answer at `HOST:PORT` until somebody ends this."""
    host, _, end = address.rpartition(":")
    number = port(end)
    if not host or number is None:
        raise click.UsageError(f"--listen: {address} is no address; write one such as 127.0.0.1:8073")
    try:
        exporter = Exporter((host.strip("[]"), number), control)
    except OSError as error:
        raise click.ClickException(f"{address} cannot be listened on: {(error.strerror or str(error)).lower()}") from None
    with exporter:
        exporter.serve_forever()
