"""Who is killed of those that workers leave behind."""

from __future__ import annotations

from prefork.master.strays import Strays

OWN = {1, 2, 3}


class Family:
    """Processes that are the master's children, and those that were killed."""

    def __init__(self) -> None:
        self.here = {*OWN}
        self.killed: list[int] = []
        self.strays = Strays(lambda: self.here, self.killed.append)

    def look(self, *arrived: int) -> list[int]:
        self.here |= set(arrived)
        self.strays.step(OWN)
        killed, self.killed[:] = sorted(self.killed), []
        return killed


def test_what_comes_with_a_death_is_killed_once() -> None:
    family = Family()
    assert family.look() == []
    family.strays.bereave()
    assert family.look(10, 11) == [10, 11]
    assert family.look() == []
    family.strays.bereave()
    assert family.look() == []


def test_a_daemon_outlives_the_workers() -> None:
    family = Family()
    family.look(10)
    family.look()
    family.strays.bereave()
    assert family.look(11) == [11]


def test_one_that_comes_right_before_the_death_is_noticed_is_no_daemon() -> None:
    family = Family()
    assert family.look(10) == []
    family.strays.bereave()
    assert family.look() == [10]


def test_the_children_of_one_that_was_killed_follow_it() -> None:
    family = Family()
    family.strays.bereave()
    assert family.look(10) == [10]
    family.here.discard(10)
    family.strays.bereave(10)
    assert family.look(20) == [20]


def test_the_children_of_a_daemon_do_not() -> None:
    family = Family()
    family.look(10)
    family.look()
    family.here.discard(10)
    family.strays.bereave(10)
    assert family.look(20) == []


def test_a_pid_that_is_used_again_is_another_process() -> None:
    family = Family()
    family.look(10)
    family.look()
    family.strays.bereave(10)
    family.strays.bereave()
    assert family.look() == [10]
