"""How times of routes are written."""

import pytest

from prefork.config.kinds import route_times, route_times_words


@pytest.mark.parametrize(
    ("text", "routes"),
    [
        ("", ()),
        ("/report/*:600", (("/report/*", 600.0),)),
        ("/report/*:10m, *.pdf:1.5,/x : 0", (("/report/*", 600.0), ("*.pdf", 1.5), ("/x", 0.0))),
        ("/a:b:5", (("/a:b", 5.0),)),
    ],
)
def test_times(text: str, routes: tuple[tuple[str, float], ...]) -> None:
    assert route_times(text) == routes
    assert route_times(route_times_words(routes)) == routes


@pytest.mark.parametrize("text", ["/report", "report:5", ":5", "/report:", "/report:soon", "/report:-1"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        route_times(text)
