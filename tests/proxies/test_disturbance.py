"""Through nginx, too, no safe request fails while workers are killed and both servers are reloaded."""

import signal
from pathlib import Path

import pytest

from prefork.testing import Load, Outcome, Server

from .nginx import Nginx, Way

ECHO = Path(__file__).parents[1] / "process" / "apps"
# An answer of which a part is out cannot be made again, so a kill may cut those that take their time.
SHORT = ["/echo"]
LONG = [*SHORT, "/plain/big?size=200000", "/big?size=50000&part=5000"]
pytestmark = pytest.mark.story


def assert_nothing_lost(outcome: Outcome) -> None:
    """Every request was answered, and the load was one."""
    assert not outcome.failed, outcome.summary()
    assert outcome.ok > 100


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept upstream", "new upstream"])
@pytest.mark.parametrize("new_connections", [False, True], ids=["kept clients", "new clients"])
def test_four_kills_behind_nginx_lose_no_request(tmp_path: Path, keep_alive: bool, new_connections: bool) -> None:
    with Server("echo:app", ECHO, access_log=False) as server, Nginx(server, tmp_path, Way(keep_alive)) as nginx:
        with Load(nginx.url, SHORT, new_connections=new_connections) as load:
            for _ in range(4):
                load.wait(60)
                mark = server.mark()
                server.kill(min(server.workers()))
                server.wait_for("worker_died", after=mark)
                server.wait_for("worker_ready", after=mark)
            load.wait(60)
            outcome = load.stop()
        assert_nothing_lost(outcome)
        assert outcome.reconnects == 0 or new_connections, "nginx closed a client's connection because a worker died"


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept upstream", "new upstream"])
def test_a_reload_behind_nginx_closes_no_connection(tmp_path: Path, keep_alive: bool) -> None:
    with Server("echo:app", ECHO, access_log=False) as server, Nginx(server, tmp_path, Way(keep_alive)) as nginx:
        with Load(nginx.url, LONG) as load:
            for _ in range(2):
                load.wait(60)
                server.reload()
            load.wait(60)
            outcome = load.stop()
        assert_nothing_lost(outcome)
        assert outcome.reconnects == 0


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept upstream", "new upstream"])
def test_nginx_and_the_server_reload_at_once(tmp_path: Path, keep_alive: bool) -> None:
    with Server("echo:app", ECHO, access_log=False) as server, Nginx(server, tmp_path, Way(keep_alive)) as nginx:
        # With a connection for each request: a worker of nginx that leaves closes its idle ones, also when a request is on its way.
        with Load(nginx.url, LONG, new_connections=True) as load:
            for _ in range(2):
                load.wait(60)
                mark = server.mark()
                server.signal(signal.SIGHUP)
                nginx.reload()
                server.wait_for("reload_done", after=mark)
            load.wait(60)
            outcome = load.stop()
        assert_nothing_lost(outcome)
