"""Where a server listens: several addresses, unix sockets, those that systemd passes; and what it tells systemd."""

import contextlib
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefork.testing import Server
from prefork.testing.ports import free_port

from .apps.echo import pattern
from .conftest import APPS, Echo
from .wire import Wire, assert_answered_at_a_stop, request, until

ACTIVATE = Path(__file__).with_name("activate.py")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refusal(*command: str, **options: object) -> str:
    """What a server says that does not start."""
    server = Server("echo:app", app_dir=APPS, **options)
    if command:
        server.command = command
    server.launch()
    assert server.exit_status() == 1
    server.close()
    said = server.log.text()
    assert "Traceback" not in said
    return said


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "http.sock"


# Addresses.


def test_every_address_is_listened_on(echo: Echo, place: Path) -> None:
    with echo(workers=1, http_interface=["127.0.0.1", "::1", f"unix:{place}"]) as server:
        addresses = [f"http://127.0.0.1:{server.port}", f"http://[::1]:{server.port}", f"unix:{place}"]
        assert server.status()["addresses"] == addresses
        assert [event["address"] for event in server.events("listening")] == addresses
        for peer, wire in {"127.0.0.1": Wire(server), "::1": Wire(server, "::1"), "": Wire(server, place)}.items():
            with wire:
                said = json.loads(wire.get().body)
                assert said["REMOTE_ADDR"] == peer
                assert said["SERVER_NAME"] == (peer or "example.org")
                assert said["SERVER_PORT"] == (str(server.port) if peer else "80")
        explained = subprocess.run(
            [sys.executable, "-m", "prefork", "check", "--explain", "-c", server.configuration],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"127.0.0.1, ::1, unix:{place}" in explained.stdout


def test_a_host_name_is_an_address_like_any_other(echo: Echo) -> None:
    with echo(workers=1, http_interface="localhost") as server, Wire(server) as wire:
        assert server.status()["addresses"] == [f"http://127.0.0.1:{server.port}"]
        assert wire.get().status == 200


def test_the_empty_value_means_all_ipv4_addresses(echo: Echo) -> None:
    with echo(workers=1, http_interface="") as server, Wire(server) as wire:
        assert server.status()["addresses"] == [f"http://0.0.0.0:{server.port}"]
        assert json.loads(wire.get().body)["SERVER_NAME"] == "127.0.0.1"


def test_one_address_that_is_taken_refuses_all(place: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        said = refusal(http_interface=[f"unix:{place}", "127.0.0.1"], http_port=port)
    assert f"prefork: cannot listen on 127.0.0.1:{port}: address already in use; stop what uses it" in said
    assert not place.exists(), "the socket that could be opened has gone with it"


def test_a_name_that_does_not_exist_is_said() -> None:
    assert "prefork: cannot listen on no-such-host.invalid: " in refusal(http_interface="no-such-host.invalid")


def test_two_servers_share_an_address_if_both_want_to(echo: Echo) -> None:
    with echo(workers=1, reuse_port=True) as first, Wire(first) as kept:
        assert kept.get().status == 200
        with echo(workers=1, reuse_port=True, http_port=first.port) as second:
            assert first.stop() == 0
            with Wire(first) as wire:  # the same port, where only the second is left
                assert json.loads(wire.get().body)["pid"] in second.workers().values()
    with echo(workers=1) as alone:
        assert "address already in use" in refusal(reuse_port=True, http_port=alone.port)


# Unix sockets.


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 0o600), ({"http_socket_group": os.getegid()}, 0o660), ({"http_socket_mode": "0666"}, 0o666)],
    ids=["alone", "with a group", "with a mode"],
)
def test_a_unix_socket_has_its_permissions_and_is_gone_after_the_stop(
    echo: Echo, place: Path, options: dict[str, object], expected: int
) -> None:
    with echo(workers=1, http_interface=f"unix:{place}", **options) as server, Wire(server, place) as wire:
        assert mode(place) == expected
        assert place.stat().st_gid == os.getegid()
        assert wire.get().status == 200
        assert server.stop() == 0
        assert not place.exists()


def test_it_belongs_to_the_account_that_the_workers_run_as(place: Path) -> None:
    """Workers that cannot import Prefork as that account do not matter here: the socket comes first."""
    if os.geteuid() != 0:
        assert "only root can run workers as user" in refusal(http_interface=f"unix:{place}", user="nobody")
        return
    server = Server("echo:app", app_dir=APPS, http_interface=f"unix:{place}", user="nobody", http_socket_group="daemon")
    server.launch()
    server.wait_for("listening")
    found = place.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (65534, 0o660)
    assert place.group() == "daemon"
    server.close()
    assert not place.exists()


def test_the_socket_of_a_dead_server_is_replaced_and_that_of_a_live_one_is_not(echo: Echo, place: Path) -> None:
    killed = Server("echo:app", app_dir=APPS, workers=1, http_interface=f"unix:{place}").start()
    os.kill(killed.pid, signal.SIGKILL)
    killed.exit_status()
    killed.close()
    assert place.is_socket(), "nobody was left to remove it"
    with echo(workers=1, http_interface=f"unix:{place}") as server, Wire(server, place) as wire:
        said = refusal(http_interface=f"unix:{place}")
        assert f"prefork: cannot listen on unix:{place}: another server listens on it; stop what uses it" in said
        assert wire.get().status == 200
        with Wire(server, place) as new:
            assert new.get().status == 200, "the refused one has not touched it"
    assert not place.exists()


def test_what_is_no_socket_is_left_alone(place: Path) -> None:
    place.write_text("precious")
    assert f"{place} is no socket and is not replaced; remove it, or choose another path" in refusal(http_interface=f"unix:{place}")
    assert place.read_text() == "precious"


def test_a_socket_that_is_not_ours_any_more_is_left_alone(echo: Echo, place: Path) -> None:
    with echo(workers=1, http_interface=f"unix:{place}") as server:
        place.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(place))
            assert server.stop() == 0
            assert place.is_socket()


def test_a_path_that_is_too_long_is_said(tmp_path: Path) -> None:
    assert "bytes, a socket's path can have 107; choose a shorter one" in refusal(http_interface=f"unix:{tmp_path}/{'x' * 120}")


def test_a_proxy_on_a_unix_socket_is_trusted(echo: Echo, place: Path) -> None:
    with echo(workers=1, http_interface=f"unix:{place}", proxy_mode=True) as server, Wire(server, place) as wire:
        forwarded = {"X_Forwarded_For": "6.6.6.6, 203.0.113.7", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "shop.example"}
        said = json.loads(wire.get(**forwarded).body)
        assert (said["REMOTE_ADDR"], said["wsgi.url_scheme"], said["HTTP_HOST"]) == ("203.0.113.7", "https", "shop.example")
        assert (said["SERVER_NAME"], said["SERVER_PORT"]) == ("shop.example", "443")
        assert wire.get("/_prefork/ready").status == 200
        said = json.loads(wire.send(b"GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer().body)
        assert (said["REMOTE_ADDR"], said["SERVER_NAME"], said["SERVER_PORT"]) == ("", "localhost", "80")
        server.wait_for("access", client="203.0.113.7")
        server.wait_for("access", client="unix:")


def test_a_client_of_a_unix_socket_that_reads_slowly_holds_no_worker_and_gets_every_byte(echo: Echo, place: Path) -> None:
    with echo(workers=1, http_interface=f"unix:{place}") as server, Wire(server, place) as slow, Wire(server, place) as other:
        for form in ("/plain/big?size=8000000", "/big?size=8000000&part=70000"):
            slow.send(request("GET", form))
            assert other.get().status == 200, "the only worker is free"
            assert slow.answer().body == pattern(8_000_000)
        assert other.send(request("POST", "/echo", b"x" * 300_000)).answer().status == 200


@pytest.mark.story
def test_deaths_under_clients_of_a_unix_socket_give_one_answer_or_none(echo: Echo, place: Path) -> None:
    with echo(workers=2, http_interface=f"unix:{place}") as server, Wire(server, place) as kept:
        with Wire(server, place) as wire:
            assert wire.send(request("POST", "/die", b"x")).answer().status == 502
            assert wire.get().status == 200, "the connection goes on"
        for _ in range(3):
            with Wire(server, place) as wire:
                wire.send(request("GET", "/endless"))
                wire.socket.recv(1)
                busy = [worker["name"] for worker in server.status()["workers"] if worker["state"] == "busy"]
                mark = server.mark()
                server.kill(busy[0])
                failed = server.wait_for("request_failed", after=mark, target="/endless")
                assert failed["reason"].endswith("the connection is cut")
                assert not wire.rest().endswith(b"0\r\n\r\n"), "an answer that was cut must not look whole"
            until(lambda: server.status()["ready"] == 2, "another worker")
        assert kept.get().status == 200


def test_a_stop_finishes_what_came_in_by_a_unix_socket(echo: Echo, place: Path) -> None:
    with echo(workers=1, http_interface=f"unix:{place}") as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server, place)) for _ in range(4)]
        assert_answered_at_a_stop(server, wires)


# Sockets that systemd passes.


def activated(*sockets: str) -> tuple[str, ...]:
    return (sys.executable, str(ACTIVATE), *sockets, "--", sys.executable, "-m", "prefork")


def test_passed_sockets_are_used_instead_of_the_addresses(place: Path) -> None:
    server = Server("echo:app", app_dir=APPS, workers=1)
    port = free_port()
    server.command = activated(f"tcp:both:{port}", f"unix:{place}")
    with server:
        assert [event["address"] for event in server.events("socket_passed")] == [f"http://[::]:{port}", f"unix:{place}"]
        assert [event["descriptor_name"] for event in server.events("socket_passed")] == ["tcp", "unix"]
        assert not server.events("listening")
        with pytest.raises(ConnectionRefusedError):
            Wire(server)
        server.port = port
        for wire in (Wire(server), Wire(server, "::1"), Wire(server, place)):
            with wire:
                said = json.loads(wire.get().body)
                assert not [name for name in said if name.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))]
        with Wire(server) as wire:
            said = json.loads(wire.get().body)
            assert (said["REMOTE_ADDR"], said["SERVER_NAME"]) == ("127.0.0.1", "127.0.0.1"), "no ::ffff: before them"
        for pid in set(server.tree()) - {server.pid}:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            assert not [each for each in environment if each.startswith((b"LISTEN_", b"NOTIFY_", b"WATCHDOG_"))]
        server.reload()
        with Wire(server) as wire:
            assert wire.get().status == 200
        assert server.stop() == 0
    assert place.is_socket(), "it is systemd's to remove"


@pytest.mark.parametrize("kind", ["idle", "datagram"])
def test_what_is_no_listening_socket_is_refused(place: Path, kind: str) -> None:
    said = refusal(*activated(f"unix:{place}", kind))
    assert f'prefork: descriptor 4 "{kind}", passed by LISTEN_FDS, is no listening stream socket; the socket unit needs' in said


def test_sockets_that_were_passed_to_somebody_else_are_not_ours(echo: Echo) -> None:
    with echo(workers=1, env={"LISTEN_PID": "1", "LISTEN_FDS": "1"}) as server, Wire(server) as wire:
        assert server.events("listening")
        assert not [name for name in json.loads(wire.get().body) if name.startswith("LISTEN_")]


# What systemd is told.


class Manager:
    """systemd's end of the notification socket, which is an abstract one."""

    def __init__(self) -> None:
        name = f"prefork-test-{os.getpid()}-{time.monotonic_ns()}"
        self.wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.wire.bind("\0" + name)
        self.environ = {"NOTIFY_SOCKET": "@" + name}
        self.told: list[dict[str, str]] = []

    def hear(self, timeout: float = 0.0) -> bool:
        """Take one message, if there is one."""
        if not select.select([self.wire], [], [], timeout)[0]:
            return False
        self.told.append(dict(line.split("=", 1) for line in self.wire.recv(4096).decode().split("\n")))
        return True

    def await_(self, key: str, text: str = "", timeout: float = 15.0) -> dict[str, str]:
        """The next message with `key`, its value matching `text`; those before it are heard, too."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if self.hear(left) and key in self.told[-1] and re.search(text, self.told[-1][key]):
                return self.told[-1]
        raise AssertionError(f"no {key} came within {timeout} s; what came: {self.told}")

    def changes(self) -> list[str]:
        """Every change of state so far, in order."""
        while self.hear():
            pass
        return [key for said in self.told for key in ("READY", "RELOADING", "STOPPING") if key in said]


@pytest.fixture
def manager() -> Iterator[Manager]:
    manager = Manager()
    yield manager
    manager.wire.close()


def test_systemd_hears_of_every_change_in_order(echo: Echo, manager: Manager) -> None:
    with echo(workers=2, env=manager.environ) as server, Wire(server) as wire:
        assert manager.await_("READY")["STATUS"] == "running, workers ready: 2 of 2, generation 1"
        assert any("EXTEND_TIMEOUT_USEC" in said for said in manager.told), "a start that lasts is no hang"
        server.reload()
        assert int(manager.await_("RELOADING")["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert manager.await_("READY")["STATUS"] == "running, workers ready: 2 of 2, generation 2"
        server.scale(3)
        manager.await_("STATUS", "3 of 3")
        quiet = len(manager.told)
        for _ in range(20):
            assert wire.get().status == 200
        server.configure(workers="many")
        assert not server.ask({"command": "reload"})["ok"]
        manager.await_("RELOADING")
        assert "; the last reload failed: the configuration has errors" in manager.await_("READY")["STATUS"]
        assert len(manager.told) == quiet + 2, "requests are no news"
        server.configure(workers=2)
        server.reload()
        assert manager.await_("READY")["STATUS"] == "running, workers ready: 2 of 2, generation 3"
        assert server.stop() == 0
        assert manager.await_("STOPPING")["STATUS"] == "stopping: SIGTERM"
        assert manager.changes() == ["READY", *["RELOADING", "READY"] * 3, "STOPPING"]
        assert "MAINPID" not in {key for said in manager.told for key in said}


def test_a_watchdog_is_fed_only_while_the_dispatcher_turns(echo: Echo, manager: Manager) -> None:
    with echo(workers=1, env=manager.environ | {"WATCHDOG_USEC": "1000000"}) as server:
        manager.await_("WATCHDOG")
        manager.await_("WATCHDOG")
        with Wire(server) as wire:
            assert wire.get().status == 200, "it has turned: before that it is given the time of a start"
        pid = server.status()["dispatcher"]["pid"]
        os.kill(pid, signal.SIGSTOP)
        until(lambda: not fed(manager, 1.5), "the signs of life to end")
        assert server.status()["dispatcher"]["pid"] == pid, "the master turns, and has not given it up yet"
        os.kill(pid, signal.SIGCONT)
        manager.await_("WATCHDOG")


def fed(manager: Manager, seconds: float) -> bool:
    """Whether a sign of life comes within that time."""
    with contextlib.suppress(AssertionError):
        return bool(manager.await_("WATCHDOG", timeout=seconds))
    return False


def test_a_master_that_does_not_turn_feeds_no_watchdog(echo: Echo, manager: Manager) -> None:
    with echo(workers=1, env=manager.environ | {"WATCHDOG_USEC": "1000000"}) as server:
        manager.await_("WATCHDOG")
        server.signal(signal.SIGSTOP)
        until(lambda: not fed(manager, 1.5), "the signs of life to end")
        server.signal(signal.SIGCONT)
        manager.await_("WATCHDOG")


def test_a_start_that_fails_says_that_it_stops(manager: Manager) -> None:
    server = Server("no_such_module:app", app_dir=APPS, env=manager.environ)
    server.launch()
    assert server.exit_status() == 3
    assert manager.changes() == ["STOPPING"]
    server.close()


def test_a_notification_socket_that_nobody_has_fails_no_start(echo: Echo) -> None:
    with echo(workers=1, env={"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "1000000"}) as server, Wire(server) as wire:
        assert wire.get().status == 200
