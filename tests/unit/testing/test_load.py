"""The accounting of load: against a server that answers each connection with the bytes it is given."""

import socket
import threading
from collections.abc import Iterator, Sequence

import pytest

from prefork.testing import BrokenAnswer, Connection, Load, Request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Scripted:
    """One list of answers for each connection; after its last answer a connection is closed. `RESET` resets it."""

    RESET = b"reset"

    def __init__(self, *connections: Sequence[bytes]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.closed = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.serve, args=(connections,))
        self.thread.start()

    def serve(self, connections: tuple[Sequence[bytes], ...]) -> None:
        for answers in connections:
            connection, _ = self.listener.accept()
            with connection:
                for answer in answers:
                    self.requests.append(connection.recv(65536))
                    if answer == self.RESET:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    else:
                        connection.sendall(answer)
            self.closed.release()
        self.listener.close()

    def connect(self) -> Connection:
        return Connection("127.0.0.1", self.listener.getsockname()[1], timeout=5)


@pytest.fixture
def scripted() -> Iterator[type[Scripted]]:
    made: list[Scripted] = []

    def make(*connections: Sequence[bytes]) -> Scripted:
        made.append(Scripted(*connections))
        return made[-1]

    yield make
    for server in made:
        server.listener.close()
        server.thread.join(5)
        assert not server.thread.is_alive()


def test_a_connection_is_kept_and_its_end_is_seen_before_the_next_request(scripted):
    server = scripted([OK, OK], [OK])
    with server.connect() as connection:
        assert connection.exchange(Request("/0")).body == b"ok"
        assert not connection.stale()
        assert connection.exchange(Request("/1")).body == b"ok"
        assert server.closed.acquire(timeout=5)
        assert connection.stale()
        connection.close()
        assert connection.exchange(Request("/2")).status == 200
    assert [head.split()[1] for head in server.requests] == [b"/0", b"/1", b"/2"]


def test_an_idle_connection_that_was_closed_is_a_reconnect_and_no_failure(scripted):
    server = scripted([OK], [OK])

    def requests(thread: int, number: int) -> Request:
        assert number == 0 or server.closed.acquire(timeout=5)
        return Request()

    load = Load(server.url, requests, threads=1).start()
    load.wait(2)
    outcome = load.stop()
    assert outcome.ok == 2
    assert outcome.reconnects >= 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "before the answer was whole"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "before the answer was whole"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n", "belongs"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "is no length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok+", "1 bytes follow the answer"),
        (b"HTTP/1.1 200 OK\r\nwhat\r\n\r\n", "no header"),
        (b"SSH-2.0\r\n\r\n", "no status line"),
        (b"", "before the answer was whole"),
        (Scripted.RESET, "the connection broke"),
    ],
)
def test_a_broken_answer_says_how(scripted, answer, reason):
    server = scripted([answer])
    with server.connect() as connection, pytest.raises(BrokenAnswer, match=reason):
        connection.exchange(Request())


def test_an_answer_that_does_not_come_is_broken_after_the_timeout():
    listener = socket.create_server(("127.0.0.1", 0))
    with (
        listener,
        Connection("127.0.0.1", listener.getsockname()[1], timeout=0.05) as silent,
        pytest.raises(BrokenAnswer, match="nothing"),
    ):
        silent.exchange(Request())


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n3\r\nay!\r\n0\r\nT: 1\r\n\r\n", b"okay!"),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1", b"1"),
    ],
)
def test_each_framing_is_read(scripted, answer, body):
    server = scripted([answer])
    with server.connect() as connection:
        assert connection.exchange(Request()).body == body


def test_answers_without_a_body_end_with_their_head(scripted):
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n", OK])
    with server.connect() as connection:
        assert connection.exchange(Request(method="HEAD")).body == b""
        assert connection.exchange(Request()).status == 204
        assert connection.exchange(Request()).body == b"ok"


def test_a_request_carries_its_length_and_headers(scripted):
    server = scripted([OK, OK])
    with server.connect() as connection:
        connection.exchange(Request("/a", "POST", {"Accept": "text/html"}, b"x=1"))
        connection.exchange(Request("/b", "POST"), close=True)
        assert not connection.opened
    assert server.requests[0].endswith(b"Accept: text/html\r\nContent-Length: 3\r\n\r\nx=1")
    assert b"Content-Length: 0\r\nConnection: close\r\n" in server.requests[1]


def test_a_load_counts_every_request_once(scripted):
    bad = b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad"
    server = scripted([OK, bad, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])

    def requests(thread: int, number: int) -> Request:
        if number == 3:
            server.listener.close()
        return Request(f"/{number}")

    load = Load(server.url, requests, threads=1, timeout=5).start()
    load.wait(4)
    outcome = load.stop()
    assert outcome.ok == 1
    assert outcome.sent == outcome.ok + len(outcome.failed)
    status, cut, refused = outcome.failed[:3]
    assert (status.number, status.status, status.got) == (1, 500, b"bad")
    assert "status 500" in status.reason
    assert (cut.number, cut.status) == (2, None)
    assert cut.got.endswith(b"half")
    assert "ConnectionRefusedError" in refused.reason
    assert outcome.statuses == {200: 1, 500: 1}
    assert outcome.slowest == outcome.latencies[0] == outcome.quantile(0.99) > 0
    assert str(status) in outcome.summary()


def test_targets_are_taken_in_turn_and_each_may_have_its_connection(scripted):
    close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    server = scripted([close], [close], [close])
    with Load(server.url, ["/a", "/b"], threads=1, new_connections=True) as load:
        load.wait(3)
    assert [request.split()[1] for request in server.requests] == [b"/a", b"/b", b"/a"]
    assert load.stop().ok == 3
    assert load.stop().reconnects == 0


def test_waiting_for_requests_that_do_not_end_fails():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        load = Load(f"http://127.0.0.1:{listener.getsockname()[1]}", threads=1, timeout=1).start()
        with pytest.raises(AssertionError, match="not 1 more requests ended"):
            load.wait(1, timeout=0.05)
        load.stop()
