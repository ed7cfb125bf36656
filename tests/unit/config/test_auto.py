"""`workers = auto`: its bounds, their defaults, and what follows for everything that asks how many workers there are."""

from collections.abc import Callable

import pytest
from tests.conftest import ROOT

from prefork.config import Machine, Settings, read_machine, warnings
from prefork.config.hosted import told
from prefork.render.topology import Node
from prefork.render.tuning import processes

Configure = Callable[..., Settings]
Problems = Callable[..., list[str]]
MOST = round(4 * read_machine().cpus) + 1
APP = "app = a:b\n"
ODOO = f"odoo = {ROOT / 'tests' / 'stand_in'}"


def test_a_number_is_its_own_bounds(configure: Configure) -> None:
    settings = configure("workers = 4")
    assert (settings.automatic, settings.fewest_workers, settings.most_workers, settings.workers_max) == (False, 4, 4, None)


@pytest.mark.parametrize(
    ("text", "fewest", "most"),
    [
        ("workers = auto", min(2, MOST), MOST),
        ("workers = AUTO\nplan = free", 1, 1),
        ("workers = auto\nplan = base", 2, 2),
        ("workers = auto\nworkers_max = 1", 1, 1),
        ("workers = auto\nworkers_min = 3\nworkers_max = 12", 3, 12),
    ],
)
def test_it_has_bounds(configure: Configure, text: str, fewest: int, most: int) -> None:
    settings = configure(text)
    assert settings.automatic
    assert not settings.threaded
    assert (settings.fewest_workers, settings.most_workers, settings.processes) == (fewest, most, fewest)
    assert settings.shown("workers") == "auto"


def test_without_http_there_is_nothing_to_find(configure: Configure) -> None:
    settings = configure("workers = auto\nhttp_enable = False")
    assert (settings.automatic, settings.processes) == (False, 0)


def test_it_comes_from_every_layer(configure: Configure) -> None:
    assert configure("", {"workers": "auto"}).automatic
    assert configure("", PREFORK_WORKERS="auto").automatic


def test_what_contradicts_itself_is_a_problem(problems: Problems) -> None:
    assert problems("workers = auto\nworkers_min = 5\nworkers_max = 3") == [
        "odoo.conf:2: workers_min: 5 is above workers_max, 3 (odoo.conf:3); lower it, or raise the other"
    ]
    (above,) = problems("workers = auto\nworkers_min = 3\nworkers_max = 4\nplan = base")
    assert "the plan base allows 2 HTTP workers, not 3" in above
    assert problems("workers = always") == ['odoo.conf:1: workers: "always" is not a whole number']
    assert problems("workers_min = 0") == ["odoo.conf:1: workers_min: 0 is below the lowest value, 1"]


def test_lanes_must_leave_one_of_the_fewest(configure: Configure, problems: Problems) -> None:
    (crowded,) = problems("workers = auto\nworkers_min = 2\nworkers_max = 9\nlanes = a:/a/*:2\ninterface = wsgi")
    assert "the lanes reserve 2 of 2 workers" in crowded
    lanes = configure("workers = auto\nworkers_max = 9\n" + ODOO).lanes
    assert [(lane.name, lane.limit) for lane in lanes] == [("reports", 8)], "as many as there can be, but one"


def test_too_many_are_doubted_one_is_not(configure: Configure) -> None:
    machine = Machine(2, 1 << 40)
    doubts = [str(each) for each in warnings(configure(APP + "workers = auto\nworkers_max = 30\nworkers_min = 1"), machine)]
    assert doubts == ["odoo.conf:2: workers: 30 are more than 2 CPUs keep running; start from 2 × CPUs + 1 = 5"]


def test_odoo_is_told_a_number(configure: Configure) -> None:
    assert told(configure("workers = auto\nworkers_max = 7"))["workers"] == "7"


@pytest.mark.parametrize(
    ("text", "each"), [("", 2), ("db_maxconn = 16", 16), (ODOO, 64), (ODOO + "\ndb_maxconn = 8", 8), ("db_maxconn = x", 2)]
)
def test_the_connections_of_a_worker(configure: Configure, text: str, each: int) -> None:
    assert configure(text).connections_each == each


def test_a_database_is_sized_for_the_most_that_there_can_be() -> None:
    def node(**options: str) -> Node:
        return Node(name="a", address="10.0.0.1", roles=("app",), options=options)

    assert processes(node(workers="auto", workers_max="12")) == 12
    assert processes(node(workers="auto")) == 17
    assert processes(node(workers="5")) == 5
    assert processes(node()) == 9
