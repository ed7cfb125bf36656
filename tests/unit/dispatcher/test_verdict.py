"""What a worker's death means: every combination of what its slot and its client's socket say."""

from __future__ import annotations

from itertools import product

import pytest

from prefork.dispatcher.verdict import MOST_DELIVERIES, Verdict, corrected, judge
from prefork.scoreboard import BEGUN, DONE, NOTHING, RECEIVED, WRITING, Progress

NUMBER = 7
METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "DELETE", "PATCH")


def progress(state: int, number: int = NUMBER, whole: bool = False) -> Progress:
    return Progress(number, state, 200, keep=True, whole=whole)


@pytest.mark.parametrize(("method", "attempt"), list(product(METHODS, (1, 2))))
@pytest.mark.parametrize("seen", [progress(NOTHING), progress(RECEIVED), progress(DONE, NUMBER - 1), progress(BEGUN, 0)])
def test_not_begun_means_another_worker_whatever_the_method(method: str, attempt: int, seen: Progress) -> None:
    assert judge(seen, NUMBER, method, attempt, 1) is Verdict.AGAIN
    assert judge(seen, NUMBER, method, attempt, MOST_DELIVERIES - 1) is Verdict.AGAIN
    assert judge(seen, NUMBER, method, attempt, MOST_DELIVERIES) is Verdict.FAIL


@pytest.mark.parametrize("method", METHODS)
def test_begun_means_once_more_only_for_safe_methods(method: str) -> None:
    safe = method in {"GET", "HEAD", "OPTIONS", "TRACE"}
    assert judge(progress(BEGUN), NUMBER, method, 1, 1) is (Verdict.RETRY if safe else Verdict.FAIL)
    assert judge(progress(BEGUN), NUMBER, method, 2, 2) is Verdict.FAIL


@pytest.mark.parametrize("method", METHODS)
def test_after_the_first_byte_there_is_no_second_head(method: str) -> None:
    assert judge(progress(WRITING), NUMBER, method, 1, 1) is Verdict.CUT
    assert judge(progress(DONE), NUMBER, method, 1, 1) is Verdict.DONE


@pytest.mark.parametrize(
    ("whole", "size", "out", "state"),
    [
        (True, 100, 0, BEGUN),
        (False, 100, 0, BEGUN),
        (True, 100, 1, WRITING),
        (True, 100, 99, WRITING),
        (True, 100, 100, DONE),
        (False, 100, 100, WRITING),
        (False, 100, 500, WRITING),
    ],
)
def test_the_clients_socket_corrects_the_slot(whole: bool, size: int, out: int, state: int) -> None:
    seen = progress(WRITING, whole=whole)
    assert corrected(seen, size, out) == seen._replace(state=state)


@pytest.mark.parametrize(("out", "state"), [(0, BEGUN), (99, WRITING), (100, BEGUN), (200, WRITING)])
def test_hints_alone_are_no_beginning_of_an_answer(out: int, state: int) -> None:
    """There is no status as long as nothing else has been written."""
    seen = progress(WRITING)._replace(status=0)
    assert corrected(seen, 100, out) == seen._replace(state=state)


@pytest.mark.parametrize("state", [NOTHING, RECEIVED, BEGUN, DONE])
def test_other_states_need_no_correction(state: int) -> None:
    assert corrected(progress(state), 100, 100) == progress(state)


@pytest.mark.parametrize("whole", [True, False])
def test_a_socket_that_does_not_tell_corrects_nothing(whole: bool) -> None:
    for state in (NOTHING, RECEIVED, BEGUN, WRITING, DONE):
        assert corrected(progress(state, whole=whole), 100, None) == progress(state, whole=whole)
