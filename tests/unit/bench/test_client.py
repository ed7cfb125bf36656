"""What the benchmark's client counts as a failed request: a counter that forgives would flatter every server."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from client import LONGEST, MEAN, SHORTEST, Tally, ask, evenly, findings, mix
from connection import Connection, Failed

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.contextmanager
def serving(*connections: list[bytes]) -> Iterator[int]:
    """A server on loopback: one list for each connection it accepts, in it one answer for each request; then it closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answers in connections:
            peer, _ = listener.accept()
            with peer:
                for answer in answers:
                    if not peer.recv(65536):
                        break
                    peer.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


def outcome(answer: bytes) -> str:
    """The failure that one answer, and then the end of the connection, amounts to; empty for none."""
    with serving([answer]) as port:
        try:
            Connection(port, keep_alive=False).get("/")
        except Failed as failure:
            return str(failure)
    return ""


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (ANSWER, ""),
        (b"", "no answer: closed"),
        (ANSWER[:20], "answer: closed"),
        (ANSWER[:-1], "answer: closed"),
        (ANSWER + b"!", "answer of the wrong length"),
        (ANSWER.replace(b"200 OK", b"503 Busy"), "status 503"),
        (b"nonsense\r\n\r\n", "malformed answer"),
        (b"HTTP/1.1 200 OK\r\n\r\nok", "answer of the wrong length"),
    ],
)
def test_only_a_complete_answer_with_200_is_a_success(answer: bytes, failure: str) -> None:
    assert outcome(answer) == failure


def test_a_kept_connection_that_was_closed_before_the_request_is_replaced() -> None:
    with serving([ANSWER], [ANSWER]) as port:
        connection = Connection(port, keep_alive=True)
        connection.get("/")
        assert connection.socket is not None
        assert connection.socket.recv(1, socket.MSG_PEEK) == b""  # blocks until the server has closed
        connection.get("/")
        connection.close()


def test_a_kept_connection_that_closes_upon_the_request_is_a_failure() -> None:
    with serving([ANSWER, b""]) as port:
        connection = Connection(port, keep_alive=True)
        connection.get("/")
        with pytest.raises(Failed, match="no answer: closed"):
            connection.get("/")


def test_a_refused_connection_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(Failed, match="connect: ConnectionRefusedError"):
        Connection(port, keep_alive=False).get("/")


def test_the_findings_of_all_threads_are_put_together() -> None:
    tallies = [Tally([0.3, 0.1], {"status 503": 1}), Tally([0.2], {"status 503": 2, "no answer: closed": 1})]
    assert findings(tallies) == {"latencies": [0.1, 0.2, 0.3], "failures": {"status 503": 3, "no answer: closed": 1}}


def test_a_failed_request_has_no_latency() -> None:
    tally = Tally()
    with serving([b""]) as port:
        assert not ask(Connection(port, keep_alive=False), "/", 0.0, tally)
    assert (tally.latencies, tally.failures) == ([], {"no answer: closed": 1})


def test_requests_come_evenly() -> None:
    assert list(evenly("/", rate=4, seconds=1)) == [(0.0, "/"), (0.25, "/"), (0.5, "/"), (0.75, "/")]


def test_a_mix_is_the_same_each_time_and_has_its_rate_and_its_mean() -> None:
    """Enough of them that chance is small: a tail this heavy moves the mean of thousands by some per cent."""
    requests = list(mix("/burn?ms=", rate=100, seconds=2000))
    assert requests == list(mix("/burn?ms=", rate=100, seconds=2000))
    moments = [due for due, _ in requests]
    work = [float(path.removeprefix("/burn?ms=")) for _, path in requests]
    assert moments == sorted(moments)
    assert len(moments) == pytest.approx(200_000, rel=0.02)
    assert (min(work), max(work)) == (pytest.approx(SHORTEST, abs=0.001), LONGEST)
    assert sum(work) / len(work) == pytest.approx(MEAN, rel=0.05)
