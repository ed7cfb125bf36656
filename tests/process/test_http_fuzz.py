"""The first seconds of what `make soak` does for a minute."""

from tests.fuzz.trial import attempt, serving


def test_near_misses_by_the_thousand_harm_nobody() -> None:
    with serving() as server:
        report = attempt(server, seconds=3, seed=2, count=200, least=1001)
    assert report.requests > 1000
    assert len(report.latencies) > 10
