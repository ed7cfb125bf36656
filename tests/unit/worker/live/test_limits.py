"""Origins, pace and waves."""

import pytest

from prefork.worker.live.limits import LEAST, PAUSE, Pace, same_host, wave, welcome


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "others", "fits"),
    [
        (None, "shop.example", "https", (), True),
        ("https://shop.example", "shop.example", "https", (), True),
        ("https://shop.example", "SHOP.example:443", "https", (), True),
        ("http://shop.example:8069", "shop.example:8069", "http", (), True),
        ("http://[::1]:8069", "[::1]:8069", "http", (), True),
        ("http://shop.example", "shop.example:8069", "http", (), False),
        ("https://shop.example.evil", "shop.example", "https", (), False),
        ("https://evil@shop.example", "evil", "https", (), False),
        ("null", "shop.example", "https", (), False),
        ("null", "", "https", (), False),
        ("https://shop.example:99999", "shop.example", "https", (), False),
        ("https://Partner.example", "shop.example", "https", ("https://partner.example",), True),
        ("https://other.example", "shop.example", "https", ("https://partner.example",), False),
        ("null", "shop.example", "https", ("*",), True),
    ],
)
def test_whose_pages_may_connect(origin: str | None, host: str, scheme: str, others: tuple[str, ...], fits: bool) -> None:
    assert welcome(origin, host, scheme, others) is fits


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("https://shop.example", "shop.example", True),
        ("http://shop.example:8069", "SHOP.example", True),
        ("https://shop.example.evil", "shop.example", False),
        ("null", "shop.example", False),
        ("null", "", False),
    ],
)
def test_which_pages_are_of_the_same_host(origin: str, host: str, same: bool) -> None:
    assert same_host(origin, host) is same


def test_a_pace_allows_a_burst_and_then_the_rate() -> None:
    pace = Pace()
    assert sum(pace.allows(10, 100.0) for _ in range(50)) == 20
    pace = Pace()
    assert all(pace.allows(10, 100 + n / 10) for n in range(200))


def test_no_rate_is_no_limit() -> None:
    pace = Pace()
    assert all(pace.allows(0, 1.0) for _ in range(10_000))


@pytest.mark.parametrize(
    ("count", "seconds", "size"), [(0, 10, LEAST), (30, 10, LEAST), (10_000, 10, 100), (10_001, 10, 101), (70, 0, 70)]
)
def test_all_are_closed_in_time(count: int, seconds: float, size: int) -> None:
    assert wave(count, seconds) == size
    assert size * seconds / PAUSE >= count or not seconds
