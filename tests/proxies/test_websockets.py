"""WebSockets and long polls through nginx, which leads them to either port."""

import json
from pathlib import Path

import pytest
from tests.process.wire import Wire, request
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from prefork.testing import Server

from .conftest import Echo
from .nginx import Nginx, Way

OFF = {"error": "the bus is off, there is nothing to subscribe to"}
LOCATION = """
location ~ ^/(web/)?websocket$ {{
    proxy_pass http://127.0.0.1:{port};
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    proxy_set_header Host $http_host;
}}
"""


@pytest.mark.parametrize("own", [True, False], ids=["own port", "main port"])
def test_a_websocket_comes_through_and_hears_of_a_reload(echo: Echo, tmp_path: Path, own: bool) -> None:
    with echo(workers=1, websocket_workers=1, proxy_mode=True) as server:
        locations = LOCATION.format(port=server.websocket_port if own else server.port)
        with Nginx(server, tmp_path, Way(), locations=locations) as nginx:
            page = f"http://127.0.0.1:{nginx.port}"
            with connect(page.replace("http", "ws") + "/websocket", origin=page, ping_interval=None) as socket:
                socket.send('{"subscribe": []}')
                assert json.loads(socket.recv(15)) == OFF
                server.reload()
                with pytest.raises(ConnectionClosedError, match="1012"):
                    socket.recv(15)
            assert polled(server, nginx) == (503, OFF)


def polled(server: Server, nginx: Nginx) -> tuple[int, object]:
    """A long poll through nginx, as any other path."""
    with Wire(server, port=nginx.port) as wire:
        answer = wire.send(request("POST", "/longpolling/poll", b'{"channels": []}')).answer()
    return answer.status, json.loads(answer.body)
