"""Topologies, rendered for this machine: with a certificate that exists, and ports that are free."""

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.process.conftest import running
from websockets.asyncio.client import connect
from websockets.typing import Origin

from prefork.config import Settings
from prefork.render.files import render
from prefork.render.topology import Topology, parse, shipped
from prefork.testing import Server, free_port

Make = Callable[..., Topology]


def topology(name: str, **site: Any) -> Topology:
    """A topology that travels with Prefork, with other facts about its site."""
    found = parse(shipped(name), name)
    return replace(found, site=replace(found.site, **site))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A certificate and its key, and both in one file."""
    place = tmp_path_factory.mktemp("certificate")
    key, cert = place / "key.pem", place / "cert.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = ["openssl", "req", "-x509", *curve, "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert]
    subprocess.run(made, check=True, capture_output=True)
    (place / "both.pem").write_text(cert.read_text() + key.read_text())
    return {"certificate": str(cert), "certificate_key": str(key), "both": str(place / "both.pem")}


def edge(name: str, certificate: dict[str, str], *, proxy: str = "nginx", **site: Any) -> Topology:
    """A topology whose edge can be started here."""
    facts = {
        "certificate": certificate["both" if proxy == "haproxy" else "certificate"],
        "certificate_key": certificate["certificate_key"],
        "prefork": str(Path(sys.prefix, "bin/prefork")),
        "http_port": free_port(),
        "https_port": free_port(),
    }
    found = topology(name, **facts | site)
    return replace(found, nodes=tuple(replace(node, proxy=proxy) for node in found.nodes))


@pytest.fixture
def local(certificate: dict[str, str]) -> Make:
    """Makes a topology whose edge can be started here."""
    return lambda name, **site: edge(name, certificate, **site)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """What the files go by where nobody says otherwise."""
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture(scope="session")
def served() -> Iterator[Server]:
    """A server for the proxies that are rendered."""
    with running(workers=2, proxy_mode=True, websocket_workers=1) as server:
        yield server


def written(topology: Topology, settings: Settings, place: Path) -> Path:
    """The rendered trees, on disk."""
    for node, tree in render(topology, settings).items():
        for path, text in tree.items():
            (place / node / path).parent.mkdir(parents=True, exist_ok=True)
            (place / node / path).write_text(text)
    return place


def subscribed(port: int) -> Any:
    """What a WebSocket by TLS is answered. Closing the client of threads would not wake the one that reads, so it is asyncio's."""

    async def answer() -> Any:
        page, anybody = f"https://127.0.0.1:{port}", ssl._create_unverified_context()
        address = f"wss://127.0.0.1:{port}/websocket"
        async with connect(address, ssl=anybody, origin=Origin(page), ping_interval=None, open_timeout=30) as socket:
            await socket.send('{"subscribe": []}')
            return json.loads(await asyncio.wait_for(socket.recv(), 15))

    return asyncio.run(answer())
