"""What would not survive a fork is found and named."""

from __future__ import annotations

import socket
import threading
from collections import Counter

from prefork.worker.census import Census, connections, take, threads


def new_threads(before: tuple[str, ...]) -> list[str]:
    return sorted((Counter(threads()) - Counter(before)).elements())


def test_threads_by_their_names() -> None:
    before = threads()
    end = threading.Event()
    running = [threading.Thread(target=end.wait, name=name) for name in ("pool-1", "metrics")]
    for thread in running:
        thread.start()
    assert new_threads(before) == ["metrics", "pool-1"]
    end.set()
    for thread in running:
        thread.join()
    assert new_threads(before) == []
    assert "MainThread" not in threads()


def test_connections_by_their_peers() -> None:
    before = Counter(connections(set()))
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as unused:
        assert Counter(connections(set())) == before, "listening and unconnected sockets can be shared"
        with socket.create_connection(listener.getsockname()) as connection:
            port = listener.getsockname()[1]
            assert Counter(connections(set())) - before == Counter([f"TCP 127.0.0.1:{port}"])
            assert Counter(connections({connection.fileno()})) == before, "our own do not count"
        assert unused.fileno() > 0


def test_connections_of_other_families() -> None:
    before = Counter(connections(set()))
    one, other = socket.socketpair()
    with one, other:
        assert Counter(connections(set())) - before == Counter(["unix pair", "unix pair"])


def test_the_whole() -> None:
    assert Census((), ()).clean()
    assert not Census(("pool-1",), ()).clean()
    assert not Census((), ("TCP 127.0.0.1:5432",)).clean()
    assert take(set()) == Census(threads(), connections(set()))
