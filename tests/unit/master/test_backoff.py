"""How long to wait after failed starts."""

from __future__ import annotations

from prefork.master.backoff import CAP, FIRST, FREE, HOPELESS, SETTLED, Backoff


def test_the_first_failures_are_free_then_the_delay_doubles_up_to_the_cap() -> None:
    backoff = Backoff()
    delays = [backoff.failed(float(now)) for now in range(FREE + 60)]
    assert delays[:FREE] == [0.0] * FREE
    assert delays[FREE : FREE + 4] == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST]
    assert delays == sorted(delays)
    assert delays[-1] == CAP
    assert backoff.failures == FREE + 60


def test_the_next_start_is_counted_from_the_failure() -> None:
    backoff = Backoff()
    assert backoff.not_before == 0.0
    for _ in range(FREE + 1):
        backoff.failed(100.0)
    assert backoff.not_before == 100.0 + FIRST


def test_so_many_in_a_row_are_hopeless_for_what_was_never_ready() -> None:
    backoff = Backoff()
    found = []
    for now in range(HOPELESS):
        found.append(backoff.hopeless)
        backoff.failed(float(now))
    assert (found, backoff.hopeless) == ([False] * HOPELESS, True)


def test_the_first_traceback_is_kept() -> None:
    backoff = Backoff()
    backoff.failed(1.0)
    backoff.failed(2.0, "first")
    backoff.failed(3.0, "second")
    assert backoff.first == "first"


def test_only_a_settled_worker_that_was_started_afterwards_ends_the_count() -> None:
    backoff = Backoff()
    for _ in range(FREE + 1):
        backoff.failed(10.0, "broken")
    backoff.lives(born=9.0, ready=9.5, now=100.0)
    assert backoff.failures == FREE + 1, "one that is older than the failure proves nothing"
    backoff.lives(born=11.0, ready=12.0, now=12.0 + SETTLED)
    assert backoff.failures == FREE + 1, "one that has only just begun proves nothing"
    backoff.lives(born=11.0, ready=12.0, now=12.1 + SETTLED)
    assert (backoff.failures, backoff.not_before, backoff.first) == (0, 0.0, None)
    assert backoff.failed(20.0) == 0.0
