"""A server of the library picows: what one client says, all others hear. `PROGRAM PORT`; GET / has a short answer."""

import sys

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

CROWD: set[WSTransport] = set()


class Client(WSListener):
    """One client."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """It is there."""
        CROWD.add(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """It says something."""
        said = frame.get_payload_as_bytes()
        if frame.msg_type == WSMsgType.TEXT:
            for other in CROWD - {transport}:
                other.send(WSMsgType.TEXT, said)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It has gone."""
        CROWD.discard(transport)


def answer(request: WSUpgradeRequest) -> Client | WSUpgradeResponseWithListener:
    """A client, or an answer to what is no WebSocket."""
    if request.path == b"/":
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_ok_response(b"hello"), None)
    return Client()


async def main() -> None:
    """Serve."""
    server = await ws_create_server(answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


uvloop.run(main())
