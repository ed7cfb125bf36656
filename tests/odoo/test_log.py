"""The keys of odoo.conf that say where Odoo writes, and how much."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from facts import await_fact

from .conftest import Serve
from .installation import OdooServer
from .person import Person

pytestmark = pytest.mark.timeout(300)
DEBUG = "asked which worker this is"
LINE_OF_ODOO = re.compile(r" INFO \S+ odoo\.")


@contextmanager
def quiet(server: OdooServer) -> Iterator[OdooServer]:
    """A server that does not say where it is heard that it is ready."""
    try:
        server.launch()
        await_fact(lambda: is_running(server), "a running server", server)
        yield server
    finally:
        server.close()


def is_running(server: OdooServer) -> bool:
    """Whether it says so itself; before that there is nobody to ask."""
    try:
        return bool(server.status()["state"] == "running")
    except OSError:
        return False


def test_the_log_goes_to_its_file_and_a_handler_opens_one_logger(serve: Serve, tmp_path: Path):
    log = tmp_path / "odoo.log"
    with quiet(serve(logfile=log, log_handler=":INFO,odoo.addons.prefork_probe.controllers:DEBUG")) as server:
        Person(server.port).get("/probe/worker?db=shop")
        await_fact(lambda: DEBUG in log.read_text(), "the line of the opened logger", server)
        assert "odoo.modules.registry" in log.read_text(), "Odoo's own lines belong there, too"


def test_the_level_of_the_log_is_that_of_odoo_as_well(serve: Serve):
    with quiet(serve(log_level="warn")) as server:
        Person(server.port).get("/probe/worker?db=shop")
        assert not any(" INFO " in line for line in server.log.output)
        assert not server.events("access")


@pytest.mark.parametrize("syslog", [False, True])
def test_the_lines_of_odoo_are_ours_unless_syslog_gets_them(serve: Serve, syslog: bool):
    with serve(syslog=syslog) as server:
        Person(server.port).get("/probe/worker?db=shop")
        server.wait_for("access", target="/probe/worker?db=shop")
        assert any(LINE_OF_ODOO.search(line) for line in server.log.output) != syslog


def test_the_pid_file_names_the_master_as_long_as_it_runs(serve: Serve, tmp_path: Path):
    file = tmp_path / "odoo.pid"
    with serve(pidfile=file) as server:
        assert int(file.read_text()) == server.pid
    assert not os.path.exists(file)
