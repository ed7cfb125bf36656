"""What an instance gets of what is free: from numbers to numbers, and the sentences where there is too little."""

import socket

import pytest

from prefork.config import Machine as Measured
from prefork.instances.changes import BeyondPlan, Conflict, Invalid
from prefork.provision import free
from prefork.provision.grant import Free, Grant, ceiling, grant, kept
from prefork.provision.wish import Wish, check, check_id
from prefork.sizing.machine import GIB, MIB, Machine

MACHINE = Machine(4, 16 * GIB)


def left(memory: int = 14 * GIB, connections: int = 97) -> Free:
    return Free(MACHINE, memory, connections, 97, (8100, 8101))


def wish(**asked: object) -> Wish:
    return Wish(app="shop:app", **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plan", "workers", "hard", "connections", "each"),
    [("free", 1, 500 * MIB, 6, 2), ("base", 2, 675 * MIB, 12, 3), ("pro", 9, 800 * MIB, 48, 4)],
)
def test_a_plan_comes_with_workers_memory_and_a_part_of_the_database(
    plan: str, workers: int, hard: int, connections: int, each: int
) -> None:
    found = grant(wish(plan=plan), left())
    assert (found.workers, found.cron, found.hard, found.connections, found.each) == (workers, 1, hard, connections, each)
    assert found.memory == (workers + 1) * hard
    assert found.soft == hard * 80 // 100
    assert (found.http_port, found.websocket_port) == (8100, 8101)
    assert kept(found.told()) == found


def test_without_a_plan_it_gets_what_is_free() -> None:
    found = grant(wish(), left())
    assert (found.workers, found.hard) == (9, 1425 * MIB)
    assert found.memory <= 14 * GIB


def test_what_is_asked_for_counts_more_than_the_plan() -> None:
    found = grant(wish(plan="pro", memory=4 * GIB, cpus=1.0, workers=2), left())
    assert (found.workers, found.hard, found.reasons) == (2, 1350 * MIB, ("2 asked for",))


@pytest.mark.parametrize(
    ("asked", "most"),
    [({}, None), ({"plan": "agency"}, None), ({"plan": "base"}, 2 * GIB), ({"plan": "pro", "memory": 4 * GIB}, 4 * GIB)],
)
def test_all_of_an_instance_together_has_the_memory_of_its_plan(asked: dict[str, object], most: int | None) -> None:
    assert ceiling(wish(**asked)) == most


@pytest.mark.parametrize(
    ("asked", "member", "said"),
    [
        ({"memory": 3 * GIB}, "memory", "the plan base comes with 2 GiB, not 3 GiB"),
        ({"cpus": 4.0}, "cpus", "the plan base comes with 2 CPUs, not 4"),
        ({"workers": 3}, "workers", "the plan base allows 2 HTTP workers, not 3"),
    ],
)
def test_more_than_the_plan_has_is_refused(asked: dict[str, object], member: str, said: str) -> None:
    with pytest.raises(BeyondPlan) as refused:
        check(wish(plan="base", **asked))
    assert refused.value.sentences == {member: said}


@pytest.mark.parametrize(
    ("asked", "free_now", "member", "said"),
    [
        ({"plan": "pro"}, left(memory=5 * GIB), "plan", "8 GiB are wanted, and 5 GiB of the machine's 16 GiB are free"),
        ({"memory": 6 * GIB}, left(memory=5 * GIB), "memory", "6 GiB are wanted"),
        ({"memory": GIB, "workers": 4}, left(), "workers", "4 workers for requests and 1 for jobs need 1.8 GiB"),
        ({"memory": 500 * MIB}, left(), "memory", "there are 500 MiB for them"),
        ({"plan": "base"}, left(connections=7), "workers", "4 processes need 8 connections to the database, and 7 are free"),
    ],
)
def test_too_little_is_refused_with_the_numbers(asked: dict[str, object], free_now: Free, member: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        grant(wish(**asked), free_now)
    assert said in refused.value.sentences[member]


@pytest.mark.parametrize(
    ("asked", "member"),
    [
        ({}, "app"),
        ({"app": "a:b", "odoo": "/opt/odoo"}, "app"),
        ({"app": "a:b", "plan": "gold"}, "plan"),
        ({"app": "a:b", "domain": "shop.example"}, "domain"),
        ({"app": "a:b", "options": {"http_port": "80"}}, "http_port"),
        ({"app": "a:b", "options": {"jobs": "a\nworkers = 9"}}, "jobs"),
        ({"app": "a:b", "app_dir": "/srv/a ; b"}, "app_dir"),
    ],
)
def test_what_is_wrong_with_a_wish_is_said_by_its_member(asked: dict[str, object], member: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(Wish(**asked))  # type: ignore[arg-type]
    assert member in refused.value.sentences


@pytest.mark.parametrize("identity", ["new", "default", "1st", "a-", "../a", "a" * 32, ""])
def test_what_cannot_name_an_instance(identity: str) -> None:
    with pytest.raises(Invalid):
        check_id(identity)


def test_one_application_takes_the_place_of_the_other() -> None:
    assert wish().with_changes({"odoo": "/opt/odoo"}) == Wish(odoo="/opt/odoo")
    assert wish(plan="base").with_changes({"plan": None}) == wish()


def given(**more: int) -> Grant:
    usual = {"workers": 1, "cron": 1, "soft": 1, "hard": 1, "time_cpu": 1, "time_real": 1, "memory": GIB, "connections": 10}
    return Grant(**{"http_port": 1, "websocket_port": 2, **usual, **more})  # type: ignore[arg-type]


def test_what_one_has_no_other_gets() -> None:
    measured = Measured(4.0, 16 * GIB)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = free.look([given(http_port=port + 1)], range(port, port + 200), 100, measured)
    assert port not in found.ports
    assert port + 1 not in found.ports
    assert len(set(found.ports)) == 2
    assert (found.memory, found.connections) == (16 * GIB - int(1.6 * GIB) - GIB, 87)


def test_where_no_port_is_free_it_says_what_to_do() -> None:
    with pytest.raises(Conflict, match="give the console others with --ports"):
        free.look([given(http_port=8100, websocket_port=8101)], range(8100, 8102), 100)
