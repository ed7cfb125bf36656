"""The machine runs out of memory: who is replaced, in which order, and that nobody else notices."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from facts import await_fact

from conftest import APPS
from prefork.testing import Load, Request, Server
from prefork.testing.client import Connection

pytestmark = pytest.mark.story

GIB = 1 << 20  # in the kibibytes of /proc/meminfo
NO_ROOM = "there is no room for its replacement beside it"
LIFE = {"worker_ready", "worker_retiring", "worker_exited"}
LAUNCHER = Path(__file__).with_name("scarce.py")
Have = Callable[..., None]


@pytest.fixture
def have(tmp_path: Path) -> Have:
    """Sets what the machine has: kibibytes that are left, and the share of the time in which somebody waits for memory."""

    def write(available: int, waited: float = 0.0) -> None:
        for name, text in {
            "meminfo": f"MemTotal: {16 * GIB} kB\nMemAvailable: {available} kB\n",
            "pressure/memory": f"some avg10={waited:.2f} avg60=0.00 avg300=0.00 total=0\n",
        }.items():
            path = tmp_path / "proc" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(text)
            new.rename(path)

    write(8 * GIB)
    return write


@pytest.fixture
def server(tmp_path: Path, have: Have) -> Server:
    """A server on that machine, whose workers wear out after a while; not started yet."""
    made = Server("probe:app", app_dir=APPS, access_log=False, log_level="debug", limit_request=60, limit_request_jitter=0)
    made.command = (sys.executable, str(LAUNCHER), str(tmp_path))
    return made


def test_where_a_worker_more_does_not_fit_the_worn_leaves_first_and_no_request_is_lost(server: Server, have: Have) -> None:
    with server, Load(server.url, threads=4) as load:
        have(1)
        scarce = server.wait_for("memory_scarce")
        assert scarce["level"] == "warning"
        assert "leaves before the new one starts" in scarce["consequence"]
        retiring = server.wait_for("worker_retiring", reason=NO_ROOM)["pid"]
        server.wait_for("worker_exited", pid=retiring)
        server.wait_for("worker_retiring", after=server.mark(), reason=NO_ROOM)
        lives = [(event["event"], event["pid"]) for event in server.events() if event["event"] in LIFE]
        after = lives[lives.index(("worker_retiring", retiring)) + 1 :]
        assert after[:2] == [("worker_exited", retiring), ("worker_ready", after[1][1])]
        have(8 * GIB)
        mark = server.mark()
        server.wait_for("worker_retiring", after=mark, reason="its replacement is ready")
        outcome = load.stop()
        assert not outcome.failed, outcome.summary()
        assert outcome.reconnects == 0


def test_the_idle_worker_that_has_grown_makes_room(server: Server, have: Have) -> None:
    with server:
        with Connection("127.0.0.1", server.port) as connection:
            grown = json.loads(connection.exchange(Request("/leak?mib=100")).body)["pid"]
        await_fact(lambda: (memory(server)[grown] or 0) > 100 << 20, "100 MiB in a worker", server)
        have(GIB // 2, waited=40.0)
        scarce = server.wait_for("memory_scarce")
        assert scarce["pressure"] == 40.0
        assert server.wait_for("worker_retiring", reason="its replacement is ready")["pid"] == grown
        server.wait_for("worker_exited", pid=grown)
        assert grown not in server.workers().values()


def memory(server: Server) -> dict[int, int | None]:
    """Bytes that workers use, as `status` says."""
    return {worker["pid"]: worker["memory"] for worker in server.status()["workers"]}
