"""Which processes count as workers, for servers of several kinds."""

import os

import pytest

from prefork.usage import processes
from prefork.usage.processes import Crew, NoSuchProcess, Process, crew

PYTHON = "/usr/bin/python3.11"
ODOO = f"{PYTHON} /opt/odoo/odoo-bin -c odoo.conf"


def process(pid: int, parent: int, title: str, program: str = PYTHON) -> Process:
    return Process(pid, parent, title, program)


CASES = {
    "odoo": (
        [process(1, 0, ODOO), process(2, 1, ODOO), process(3, 1, ODOO), process(4, 1, f"{PYTHON} odoo-bin gevent -c a")],
        (2, 3),
    ),
    "odoo with titles": (
        [
            process(1, 0, ODOO),
            process(2, 1, "odoo: WorkerHTTP 2"),
            process(3, 1, "odoo: WorkerCron 3"),
            process(4, 1, "odoo: gevent"),
        ],
        (2,),
    ),
    "gunicorn with titles": ([process(1, 0, "gunicorn: master [a]"), process(2, 1, "gunicorn: worker [a]")], (2,)),
    "prefork": (
        [
            process(1, 0, "prefork: master [a]"),
            process(2, 1, "prefork: dispatcher"),
            process(3, 1, "prefork: template g1 [a]"),
            process(4, 1, "prefork: http 1 [a]", "/srv/venv/bin/python"),
            process(5, 1, "prefork: cron 1 [a]", "/srv/venv/bin/python"),
        ],
        (4,),
    ),
    "uwsgi with names": ([process(1, 0, "uWSGI master"), process(2, 1, "uWSGI worker 1"), process(3, 1, "uWSGI http 1")], (2,)),
    "what it has started itself": ([process(1, 0, ODOO), process(2, 1, ODOO), process(3, 1, "wkhtmltopdf", "/usr/bin/w")], (2,)),
    "grandchildren": ([process(1, 0, ODOO), process(2, 1, ODOO), process(3, 2, ODOO)], (2,)),
}


@pytest.mark.parametrize("case", CASES)
def test_workers(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody, workers = CASES[case]
    monkeypatch.setattr(processes, "everybody", lambda: {each.pid: each for each in everybody})
    assert crew(1) == Crew(1, workers)


def test_a_shell_that_has_started_the_server_is_not_its_master(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = [process(1, 0, "sh start.sh", "/bin/sh"), process(2, 1, ODOO), process(3, 2, ODOO)]
    monkeypatch.setattr(processes, "everybody", lambda: {each.pid: each for each in everybody})
    assert crew(1) == Crew(2, (3,))


def test_a_process_without_workers_is_measured_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = [process(1, 0, ODOO), process(2, 1, f"{PYTHON} odoo-bin gevent")]
    monkeypatch.setattr(processes, "everybody", lambda: {each.pid: each for each in everybody})
    assert crew(1) == Crew(1, (1,), alone=True)


def test_a_real_one_is_found() -> None:
    found = processes.look(os.getpid())
    assert found
    assert (found.pid, found.parent, found.program) == (os.getpid(), os.getppid(), os.path.realpath("/proc/self/exe"))


def test_one_that_does_not_exist_is_refused() -> None:
    with pytest.raises(NoSuchProcess, match="there is no process 4194305; give the pid of the server's master"):
        crew(4_194_305)
