"""A disk that hangs: it stalls what is sent from it, and nothing else, and leaves nothing behind when it goes."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefork.dispatcher.disk import FEW, STALLED
from prefork.testing import Server

from .apps.echo import pattern
from .conftest import Echo
from .mounts import FLUSH, GETATTR, INIT, IOCTL, LOOKUP, OPEN, POSSIBLE, READ, WHY_NOT, Mount
from .wire import Answer, Wire, request, until

pytestmark = pytest.mark.skipif(not POSSIBLE, reason=WHY_NOT)
LARGE = pattern(3_000_000)
OPENS = frozenset({INIT, LOOKUP, GETATTR, OPEN, IOCTL, FLUSH})


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """public/ and other/ are served; public/dead is where mounts go, public/link leads there."""
    for name in ("public", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hello.txt").write_bytes(b"hello, world")
        (tmp_path / name / "large.bin").write_bytes(LARGE)
    (tmp_path / "public" / "link").symlink_to(tmp_path / "public" / "dead" / "file")
    return tmp_path / "public"


@pytest.fixture
def server(echo: Echo, public: Path) -> Iterator[Server]:
    static = f"/static={public},/other={public.parent / 'other'}"
    with echo(workers=2, static=static, sendfile_roots=public, graceful_timeout=0.5, access_log=False) as server:
        for target in ("/static/hello.txt", "/static/large.bin", "/echo"):
            get(server, target)  # what is needed for each of them is there: threads, connections
        yield server


def get(server: Server, target: str) -> Answer:
    """A whole request on a connection of its own, which nobody else's hanging may delay."""
    with Wire(server) as wire:
        started = time.monotonic()
        answer = wire.get(target)
        assert time.monotonic() - started < 3, f"{target} had to wait"
        return answer


def served_as_ever(server: Server, public: Path) -> None:
    assert get(server, "/static/hello.txt").body == b"hello, world"
    assert get(server, "/static/large.bin").body == LARGE
    assert get(server, f"/plain/send?by=X-Sendfile&path={public}/large.bin").body == LARGE
    assert get(server, f"/wrap?path={public}/large.bin").body == LARGE
    assert get(server, "/_prefork/ready").status == 200
    with Wire(server) as wire:
        assert json.loads(wire.send(request("POST", "/echo", LARGE)).answer().body)["length"] == len(LARGE)
    with Wire(server, window=4096) as slow:
        assert slow.get("/big?size=8000000&part=300000").body == pattern(8_000_000)


def held(server: Server) -> tuple[int, int]:
    """Descriptors and threads of the dispatcher."""
    place = Path(f"/proc/{server.status()['dispatcher']['pid']}")
    return len(list((place / "fd").iterdir())), len(list((place / "task").iterdir()))


def at_rest(server: Server) -> int:
    """Descriptors of the dispatcher when it has no connection."""
    until(lambda: server.status()["dispatcher"]["connections"] == 0, "all connections to be closed")
    return held(server)[0]


def busy(server: Server) -> int:
    """How many workers have a request."""
    return [worker["state"] for worker in server.status()["workers"]].count("busy")


def served(server: Server) -> int:
    """How many requests the workers have finished."""
    return sum(worker["requests"] for worker in server.status()["workers"])


def nothing_is_left(server: Server, before: int) -> None:
    def settled() -> bool:
        descriptors, threads = held(server)
        # Fewer, where the first look saw one that was on its way out.
        return descriptors <= before and threads <= 1 + 2 * FEW and server.status()["dispatcher"]["connections"] == 0

    until(settled, f"everything to be let go: {before} descriptors, {held(server)}")
    assert not server.events("dispatcher_died")
    assert not server.events("fault_contained")


def stalled(server: Server, stack: contextlib.ExitStack, targets: list[str]) -> list[Wire]:
    """Requests that hang."""
    wires = [stack.enter_context(Wire(server)) for _ in targets]
    for wire, target in zip(wires, targets, strict=True):
        wire.send(request("GET", target))
    return wires


def test_a_mount_that_never_answers_stalls_its_own_files_only(server: Server, public: Path) -> None:
    before = at_rest(server)
    with Mount(public / "dead") as mount, contextlib.ExitStack() as stack:
        wires = stalled(server, stack, ["/static/dead/file", "/static/link", "/static/dead/a/b"] * 4)
        for _ in range(3):
            served_as_ever(server, public)
        assert all(wire.silent() for wire in wires)
        leaving = stalled(server, stack, ["/static/link"] * 4)
        for wire in leaving:
            wire.socket.close()
        server.reload()
        served_as_ever(server, public)
        mount.go()
        for wire in wires:
            assert wire.answer().status == 503
            assert wire.get("/static/hello.txt").status == 200, "the connection lives on"
    nothing_is_left(server, before)


@pytest.mark.parametrize(
    "target", ["/static/link", "/plain/send?by=X-Sendfile&path={public}/link", "/plain/wrap?path={public}/link"]
)
def test_a_mount_that_stalls_in_the_middle_of_a_download(server: Server, public: Path, target: str) -> None:
    """It is open, then nothing answers any more: not its reading, and not its closing."""
    before = at_rest(server)
    with Mount(public / "dead", len(LARGE), OPENS) as mount, contextlib.ExitStack() as stack:
        wires = stalled(server, stack, [target.format(public=public)] * 8)
        until(lambda: READ in mount.asked, "a download to hang")
        by_workers = 8 if "{public}" in target else 0
        until(lambda: served(server) == 1 + by_workers, "all of them to be with the dispatcher")
        mount.answered = frozenset()
        wires[0].socket.close()
        wires[1].send(request("GET", "/echo"))
        served_as_ever(server, public)
        mount.go()
        for wire in wires[1:]:
            with contextlib.suppress(ConnectionResetError):
                assert wire.answer().status == 503, "a part of a file was taken for all of it"
    nothing_is_left(server, before)


def test_a_place_where_very_many_hang_is_not_tried_again(server: Server, public: Path) -> None:
    before = at_rest(server)
    with Mount(public / "dead") as mount, contextlib.ExitStack() as stack:
        wires = stalled(server, stack, ["/static/link"] * (STALLED + 10))

        def refused() -> bool:
            return get(server, "/static/hello.txt").status == 503

        until(refused, "the place to be given up")
        assert get(server, "/other/hello.txt").body == b"hello, world"
        assert get(server, "/other/large.bin").body == LARGE
        assert held(server)[1] <= 1 + STALLED + 10 + 2 * FEW
        mount.go()
        for wire in wires:
            assert wire.answer().status == 503
        until(lambda: not refused(), "the place to be tried again")
        served_as_ever(server, public)
    nothing_is_left(server, before)


def test_who_waits_too_long_is_let_go_and_takes_nothing_with_him(echo: Echo, public: Path) -> None:
    with echo(workers=1, static=f"/static={public}", body_timeout=0.5, access_log=False) as server:
        get(server, "/static/large.bin")
        before = at_rest(server)
        with Mount(public / "dead"), contextlib.ExitStack() as stack:
            for wire in stalled(server, stack, ["/static/link"] * 6):
                with pytest.raises(ConnectionResetError):
                    wire.rest()
            assert get(server, "/static/large.bin").body == LARGE
        nothing_is_left(server, before)


@pytest.mark.parametrize("answered", [frozenset[int](), OPENS], ids=["nothing", "all but reading"])
def test_a_stop_does_not_wait_for_a_disk_longer_than_agreed(server: Server, public: Path, answered: frozenset[int]) -> None:
    with Mount(public / "dead", len(LARGE), answered) as mount, contextlib.ExitStack() as stack:
        stalled(server, stack, ["/static/link"] * 6)
        until(lambda: (READ if answered else INIT) in mount.asked, "a download to hang")
        server.signal(signal.SIGTERM)
        assert "6 requests" in server.wait_for("stop_forced")["reason"]
        assert server.exit_status(15) == 0
        # What the other side has seen and not answered holds its process, even one that is killed.
        left = {int(pid) for event in server.events("stop_incomplete") for pid in event["pids"].split(", ")}
        assert bool(left) == bool(answered)
        assert all(os.path.exists(f"/proc/{pid}") for pid in left)
    assert server.wait_for("stopped")["seconds"] < 10
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in left), "them to end with the mount")


def test_an_application_that_names_a_file_in_a_dead_mount_waits_alone(server: Server, public: Path) -> None:
    with Mount(public / "dead") as mount, Wire(server) as waiting:
        waiting.send(request("GET", f"/plain/send?by=X-Sendfile&path={public}/link"))
        until(lambda: busy(server) == 1, "a worker to hang")
        served_as_ever(server, public)
        assert waiting.silent()
        mount.go()
        assert waiting.answer().status == 503
        assert waiting.get().status == 200
    assert len(server.workers()) == 2
    assert os.listdir(public / "dead") == []
