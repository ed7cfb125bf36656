"""Runs cases of Autobahn|Testsuite against a server that echoes, some at a time, as the suite's own client does.

    python fuzz.py DIRECTORY PORT CASE…

CASE is the beginning of a case's number. Prints a JSON object: behaviour, behaviour at the end, and result of each.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet import reactor

AT_ONCE = 4


def to_bytes(text: Any) -> Any:
    """What a case sends."""
    return text.encode("latin-1") if isinstance(text, str) else text


class Fuzzer(WebSocketClientProtocol):
    """One case, and what it calls `p`. A case ends with its connection."""

    def __init__(self, case: type, done: Callable[[str, Any], None]) -> None:
        super().__init__()
        self.connectionWasOpen = self.createWirelog = False
        self.txFrameStats: dict[int, int] = {}
        self.number = number(case)
        self.done = done
        self.case = case(self)

    # What cases ask for.

    def enableWirelog(self, enable: bool) -> None:
        """Nothing is logged."""

    def sendFrame(self, opcode: int, payload: Any = b"", **more: Any) -> None:
        self.txFrameStats[opcode] = self.txFrameStats.get(opcode, 0) + 1
        super().sendFrame(opcode, to_bytes(payload), **more)

    def sendMessage(self, payload: Any, isBinary: bool = False, **more: Any) -> None:
        super().sendMessage(to_bytes(payload), isBinary, **more)

    def sendMessageFrameData(self, payload: Any, sync: bool = False) -> Any:
        return super().sendMessageFrameData(to_bytes(payload), sync)

    def sendCloseFrame(self, code: int | None = None, reasonUtf8: Any = None, isReply: bool = False) -> None:
        super().sendCloseFrame(code, to_bytes(reasonUtf8), isReply)

    def sendClose(self, code: int | None = None, reason: Any = None) -> None:
        super().sendClose(code, to_bytes(reason).decode() if reason else reason)

    def continueLater(self, delay: float, function: Callable[[], None], tag: str | None = None) -> None:
        self.later(delay, function)

    def killAfter(self, delay: float) -> None:
        self.later(delay, self._fail_connection)

    def closeAfter(self, delay: float) -> None:
        self.later(delay, self.sendClose)

    def later(self, delay: float, function: Callable[[], None]) -> None:
        reactor.callLater(delay, lambda: self.state != self.STATE_CLOSED and function())

    # What cases are told.

    def onOpen(self) -> None:
        self.connectionWasOpen = True
        self.case.onOpen()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.case.onMessage(payload.decode("latin-1"), isBinary)

    def onPong(self, payload: bytes) -> None:
        self.case.onPong(payload.decode("latin-1"))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.case.onClose(wasClean, code, reason)

    def connectionLost(self, reason: Any) -> None:
        super().connectionLost(reason)
        try:
            self.case.onConnectionLost(self.failedByMe)
        finally:
            self.done(self.number, self.case)


class Factory(WebSocketClientFactory):
    """Makes the connection of one case."""

    def __init__(self, port: int, case: type, done: Callable[[str, Any], None]) -> None:
        super().__init__(f"ws://127.0.0.1:{port}/echo")
        # As the suite has it; the times are for machines that have something else to do, too.
        self.setProtocolOptions(failByDrop=False, openHandshakeTimeout=60, closeHandshakeTimeout=20, serverConnectionDropTimeout=20)
        self.case, self.done = case, done

    def buildProtocol(self, addr: object) -> Fuzzer:
        made = Fuzzer(self.case, self.done)
        made.factory = self
        return made


def number(case: type) -> str:
    """What the suite calls a case."""
    return case.__name__.removeprefix("Case").replace("_", ".")


def run(port: int, cases: list[type]) -> dict[str, list[str]]:
    """What came of each case."""
    left, found = list(cases), {}

    def begin() -> None:
        if left:
            reactor.connectTCP("127.0.0.1", port, Factory(port, left.pop(0), done))

    def done(name: str, case: Any) -> None:
        found[name] = [case.behavior, case.behaviorClose, f"{case.result} {case.resultClose}"]
        begin()
        if len(found) == len(cases):
            reactor.stop()

    for _ in range(AT_ONCE):
        reactor.callWhenRunning(begin)
    reactor.run()
    return found


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from suite import Cases

    json.dump(run(int(sys.argv[2]), [case for case in Cases if f"{number(case)}.".startswith(tuple(sys.argv[3:]))]), sys.stdout)
