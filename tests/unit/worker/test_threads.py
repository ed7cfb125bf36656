"""Several threads over their pairs: they serve at once, count together, and end the process when one of them fails."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from prefork.messages import Ending, inbox, pack_request, pair, receive, send, unpack_ending
from prefork.scoreboard import Scoreboard
from prefork.worker.http import Means
from prefork.worker.output import Output
from prefork.worker.threads import serve_in_threads

from .conftest import hosted, request

if TYPE_CHECKING:
    import pytest

    from prefork.worker.hosts.named import Named

NUMBER = 3
NOTHING = Means(spool=-1, spool_max=0, output=Output())  # the clients of these tests read what they get


class Threads:
    """`serve_in_threads` in a thread of its own; `ends` are the dispatcher's."""

    def __init__(self, host: Named, limit: int = 1000) -> None:
        scoreboard = Scoreboard.create()
        wires = [pair() for _ in range(NUMBER)]
        self.ends = [ours for ours, _ in wires]
        self.clients = [pair() for _ in range(NUMBER)]
        places = [(theirs, scoreboard.slot(number)) for number, (_, theirs) in enumerate(wires)]
        self.status: list[int] = []
        self.main = threading.Thread(target=lambda: self.status.append(serve_in_threads(places, 4, host, NOTHING, limit)))
        self.main.start()

    def give(self, number: int) -> None:
        send(self.ends[number], pack_request(request(keep=False)), [self.clients[number][0].fileno()])

    def ending(self, number: int) -> Ending:
        return unpack_ending(receive(self.ends[number], inbox())[0])

    def close(self) -> int:
        for end in self.ends:
            end.close()
        for thread in [self.main, *(thread for thread in threading.enumerate() if thread.name.startswith("http."))]:
            thread.join(10)
        for one, other in self.clients:
            one.close()
            other.close()
        (status,) = self.status
        return status


def test_requests_are_served_at_once_and_all_threads_leave() -> None:
    together = threading.Barrier(NUMBER, timeout=10)
    names = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        names.append(threading.current_thread().name)
        together.wait()
        start_response("200 OK", [])
        return [b""]

    threads = Threads(hosted(application))
    for number in range(NUMBER):
        threads.give(number)
    assert [threads.ending(number).status for number in range(NUMBER)] == [200] * NUMBER
    assert sorted(names) == ["http.5", "http.6", "http.7"]
    assert threads.close() == 0


def test_the_limit_is_for_all_threads_together() -> None:
    threads = Threads(hosted(answer), limit=3)
    worn = []
    for number in range(NUMBER):
        threads.give(number)
        worn.append(threads.ending(number).worn)
    assert worn == [False, False, True]
    assert threads.close() == 0


def test_the_processor_time_is_that_of_the_thread() -> None:
    spun = threading.Event()

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if threading.current_thread().name == "http.5":
            spun.wait(10)
        else:
            for _ in range(10**6):
                pass
            spun.set()
        start_response("200 OK", [])
        return [b""]

    threads = Threads(hosted(application))
    threads.give(0)
    threads.give(1)
    waited, worked = threads.ending(0), threads.ending(1)
    assert 0 < waited.cpu < worked.cpu
    assert threads.close() == 0


def test_a_thread_that_fails_ends_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    threads = Threads(hosted(answer))
    send(threads.ends[1], b"no request")
    threads.main.join(10)
    assert threads.status == [1]
    assert "Traceback" in capsys.readouterr().err
    assert threads.close() == 1


def answer(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("200 OK", [])
    return [b""]
