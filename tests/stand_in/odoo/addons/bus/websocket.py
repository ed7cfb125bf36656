"""Our own imitation of how Odoo serves a WebSocket: a loop that waits for a socket, with the names that its host relies on."""

import json
import selectors
import socket
import time
from enum import IntEnum

from odoo.addons.bus.models.bus import Bus, dispatch, place
from odoo.tools import config

MOST = 20


class Opcode(IntEnum):
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9


class ConnectionState(IntEnum):
    OPEN = 0
    CLOSING = 1
    CLOSED = 2


DATA_OP = {Opcode.TEXT, Opcode.BINARY}


class InvalidDatabaseException(Exception):
    pass


class Expired(Exception):
    code = 4001


class TooFast(Exception):
    code = 1013


class Frame:
    def __init__(self, opcode, payload=b"", code=0):
        self.opcode, self.payload, self.code, self.reason = opcode, payload, code, None


class Timeouts:
    def __init__(self):
        self.opened = time.monotonic()

    def has_timed_out(self):
        return time.monotonic() - self.opened > float(config.get("websocket_keep_alive_timeout") or 3600)


class Websocket:
    def __init__(self, sock, session, cookies):
        self.__socket = sock
        self.__ringing, self.__rung = socket.socketpair()
        self.__selector = selectors.DefaultSelector()
        self.__selector.register(sock, selectors.EVENT_READ)
        self.__selector.register(self.__rung, selectors.EVENT_READ)
        self._timeout_manager = Timeouts()
        self.session = session
        self.last = self.heard = 0
        self.channels = set()
        self.state = ConnectionState.OPEN

    def get_messages(self):
        while self.state is not ConnectionState.CLOSED:
            try:
                ready = [key.fileobj for key, _ in self.__selector.select(45)]
                if self._timeout_manager.has_timed_out():
                    self.disconnect(4002)
                elif self.__socket in ready:
                    yield self._process_next_message()
                elif not ready:
                    self._send_frame(Frame(Opcode.PING))
            except Exception as error:
                self.disconnect(getattr(error, "code", 1011))

    def subscribe(self, channels, last):
        self.channels, self.last = channels, self.last or last
        self.trigger_notification_dispatching()

    def disconnect(self, code):
        self._send_frame(Frame(Opcode.CLOSE, code=code))

    def _limit_rate(self):
        self.heard += 1
        if self.heard > MOST:
            raise TooFast

    def _dispatch_bus_notifications(self):
        if self.session.expired():
            raise Expired
        self.__rung.recv(1)
        if found := Bus()._poll(self.channels, self.last):
            self.last = found[-1]["id"]
            self._send_frame(Frame(Opcode.TEXT, found))

    def _terminate(self):
        self.__socket.shutdown(socket.SHUT_WR)
        self.__selector.unregister(self.__socket)
        self.__selector.close()
        self.__socket.close()
        self.state = ConnectionState.CLOSED
        dispatch.unsubscribe(self)
        with open(place("left"), "a") as left:
            left.write("one\n")


class WebsocketRequest:
    def __init__(self, database, httprequest, websocket):
        self.database, self.ws = database, websocket

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        pass

    def serve_websocket_message(self, message):
        said = json.loads(message)
        if said["event_name"] == "subscribe":
            dispatch.subscribe(said["data"]["channels"], said["data"]["last"], self.database, self.ws)
        elif said["event_name"] == "away":
            raise InvalidDatabaseException


class WebsocketConnectionHandler:
    @classmethod
    def open_connection(cls, request, version):
        sock = request.httprequest._HTTPRequest__environ["socket"]
        return lambda: cls._serve_forever(Websocket(sock, request.session, {}), "shop", request.httprequest, version)

    @classmethod
    def _serve_forever(cls, websocket, database, httprequest, version):
        for message in websocket.get_messages():
            with WebsocketRequest(database, httprequest, websocket) as request:
                request.serve_websocket_message(message)
