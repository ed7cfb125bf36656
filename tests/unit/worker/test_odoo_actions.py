"""How long an action is left to the server that was quicker."""

import sys
from types import SimpleNamespace

import pytest

from prefork.worker.cron import Unavailable
from prefork.worker.hosts.odoo.actions import Actions

ACTION = ("shop", 7)


class Away(Exception):
    """What the driver raises."""


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch) -> Actions:
    """As they are made, without Odoo; one is left alone."""
    monkeypatch.setitem(sys.modules, "psycopg2", SimpleNamespace(Error=Away))
    made = Actions.__new__(Actions)
    made.cursor = SimpleNamespace(_cnx=SimpleNamespace(notifies=[], poll=lambda: None))
    made.aside = {ACTION: 1e9}
    return made


def test_what_another_server_runs_is_left_alone_until_something_becomes_due(actions: Actions) -> None:
    actions.hear()
    assert ACTION in actions.aside
    actions.cursor._cnx.notifies.append("shop")
    actions.hear()
    assert (actions.aside, actions.cursor._cnx.notifies) == ({}, [])


def test_a_connection_that_broke_is_an_outage(actions: Actions) -> None:
    def poll() -> None:
        raise Away("the server closed\nthe connection")

    actions.cursor._cnx.poll = poll
    with pytest.raises(Unavailable, match="the server closed the connection"):
        actions.hear()
