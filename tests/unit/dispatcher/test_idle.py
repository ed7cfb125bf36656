"""Which idle worker works next."""

from typing import NamedTuple

from prefork.dispatcher.idle import MANY, Idle


class Place(NamedTuple):
    loop: str
    number: int


def loops(*places: str, held_up: str = "") -> Idle[Place]:
    """Idle places, each with the name of its loop; those of `held_up` do not turn."""
    idle: Idle[Place] = Idle(lambda place: place.loop, lambda loop: loop not in held_up)
    for number, loop in enumerate(places):
        idle.add(Place(loop, number))
    return idle


def test_of_those_alone_the_last_one() -> None:
    idle: Idle[int] = Idle()
    for worker in (1, 2, 3):
        idle.add(worker)
    assert [idle.take(), idle.take()] == [3, 2]
    assert list(idle) == [1]


def test_the_loop_with_the_most_places_left() -> None:
    idle = loops("a", "a", "b", "b", "b")
    taken = [place.loop for _ in range(5) if (place := idle.take())]
    assert taken[0] == "b"
    assert sorted(taken) == ["a", "a", "b", "b", "b"]
    assert taken.index("a") < 3, "the load is shared"
    assert idle.take() is None
    assert len(idle) == 0
    assert not idle.loops


def test_a_loop_that_does_not_turn_is_passed_over() -> None:
    idle = loops("a", "a", "a", "b", held_up="a")
    assert idle.take() == Place("b", 3)
    assert idle.take() is None
    assert len(idle) == 3, "they are idle all the same"


def test_who_has_gone_is_not_taken() -> None:
    idle = loops("a", "b")
    idle.remove(Place("a", 0))
    assert list(idle) == [Place("b", 1)]
    assert "a" not in idle.loops


def test_who_has_found_least_by_itself_is_taken_first() -> None:
    lines = {1: 4, 2: 0, 3: 2, 4: 3}
    idle: Idle[int] = Idle(line=lambda worker, most: min(lines[worker], most))
    for worker in lines:
        idle.add(worker)
    assert [idle.take() for _ in lines] == [2, 3, 4, 1]


def test_no_line_is_counted_where_there_is_no_choice_and_none_beyond_what_decides() -> None:
    """To count the lines of thousands of connections would take longer than to hand a request over."""
    lines, counted = {1: 500, 2: 1, 3: 5, 4: 500}, []

    def line(worker: int, most: int) -> int:
        counted.append((worker, most))
        return min(lines[worker], most)

    idle: Idle[int] = Idle(line=line)
    for worker in lines:
        idle.add(worker)
    assert idle.take() == 2
    assert counted == [(4, MANY), (3, MANY), (2, 5), (1, 1)]
    assert [idle.take(), idle.take()] == [3, 4], "the last one of those with long lines"
    counted.clear()
    assert idle.take() == 1
    assert not counted


def test_a_loop_without_room_is_not_taken_and_a_place_inside_a_request_last() -> None:
    room = {"a": None, "b": 1}
    idle: Idle[Place] = Idle(lambda place: place.loop, rank=lambda loop, _: room[loop], inside=lambda place: place.number in {3, 4})
    for number, loop in enumerate("aabbb"):
        idle.add(Place(loop, number))
    assert idle.take() == Place("b", 2)
    assert idle.take() == Place("b", 4), "which declines it"
    room["b"] = None
    assert idle.take() is None
    assert len(idle) == 3


def test_the_loop_of_the_highest_rank_whatever_its_places() -> None:
    ranks = {"a": 0, "b": 1}
    idle: Idle[Place] = Idle(lambda place: place.loop, rank=lambda loop, _: ranks[loop])
    for number, loop in enumerate("aab"):
        idle.add(Place(loop, number))
    assert [place.loop for _ in range(3) if (place := idle.take())] == ["b", "a", "a"]
