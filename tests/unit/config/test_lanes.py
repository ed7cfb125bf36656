from collections.abc import Callable
from pathlib import Path

import pytest

from prefork.config import Machine, Settings, warnings
from prefork.lanes import Lane

Configure = Callable[..., Settings]
Problems = Callable[..., list[str]]

TREE = Path(__file__).parents[2] / "stand_in"


def test_lanes(configure: Configure) -> None:
    settings = configure("workers = 9\nlanes = reports:/report/*|/print:0-3,\n  api : /api/* : 2\n")
    assert settings.lanes == (Lane("reports", ("/report/*", "/print"), 0, 3), Lane("api", ("/api/*",), 2, None))


def test_odoos_reports_leave_a_worker_for_what_they_ask(configure: Configure) -> None:
    assert configure(f"workers = 4\nodoo = {TREE}").lanes == (Lane("reports", ("/report/pdf/*", "/report/download"), 0, 3),)
    assert configure(f"workers = 1\nodoo = {TREE}").lanes == ()
    assert configure("workers = 4").lanes == ()
    assert configure(f"workers = 4\nodoo = {TREE}\nlanes =").lanes == ()


@pytest.mark.parametrize("text", ["", "a:/a:1", "a:/x:y/*|*.pdf:0-3, b-2:/b:0, C_:/%41:1-1"])
def test_what_is_shown_can_be_read(configure: Configure, text: str) -> None:
    settings = configure(f"workers = 9\nlanes = {text}")
    assert settings.shown("lanes") == (text or "not set")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("reports", '"reports" is not a lane; write name:pattern:count, such as reports:/report/pdf/*:0-3'),
        ("reports:/r", '"reports:/r" is not a lane; write name:pattern:count, such as reports:/report/pdf/*:0-3'),
        (
            "my lane:/r:1",
            '"my lane" is not a name for a lane; begin with a letter, and use up to 12 letters, digits, - and _',
        ),
        ("default:/r:1", "default is the lane of all other requests; choose another name"),
        ("r:report/*:1", 'lane r: the pattern "report/*" must begin with / or *, such as /report/pdf/*'),
        ("r:/a|:1", 'lane r: the pattern "" must begin with / or *, such as /report/pdf/*'),
        ("r:/a?b=1:1", 'lane r: the pattern "/a?b=1" is compared with the path alone; leave out ? and what follows it'),
        ("r:/a:", 'lane r: "" is not a number of workers; write 1 to reserve one, or 0-3 to allow three at once'),
        ("r:/a:-1", 'lane r: "-1" is not a number of workers; write 1 to reserve one, or 0-3 to allow three at once'),
        ("r:/a:0-0", "lane r: 0-0 would never serve a request; allow at least one worker"),
        ("r:/a:3-2", "lane r: 3-2 allows fewer workers than it reserves; write the smaller number first"),
        (
            "r:/a:1, r:/b:1",
            "two lanes are called r; give each its own name, or one lane both patterns: r:/a/*|/b/*:1",
        ),
        (",".join(f"r{n}:/:0" for n in range(16)), "16 lanes are more than the 15 that can be told apart"),
    ],
)
def test_what_is_no_lane(problems: Problems, text: str, sentence: str) -> None:
    assert problems(f"lanes = {text}") == [f"odoo.conf:1: lanes: {sentence}"]


@pytest.mark.parametrize(
    ("text", "workers"), [("a:/a:2", "2 workers (default)"), ("a:/a:1, b:/b:2-5\nworkers = 3", "3 workers (odoo.conf:2)")]
)
def test_reservations_leave_a_worker_to_the_rest(problems: Problems, text: str, workers: str) -> None:
    (said,) = problems(f"lanes = {text}\ninterface = wsgi")
    assert said.startswith("odoo.conf:1: lanes: the lanes reserve ")
    assert said.endswith(f" of {workers}; leave at least one for the rest, or raise workers")


def test_what_they_leave_depends_on_what_the_application_turns_out_to_be(configure: Configure, problems: Problems) -> None:
    """Of a loop each worker has many places: both are held against what is known before the import, and again behind it."""
    text = "app = a:b\nworkers = 2\nconcurrency = 8\nlanes = a:/a:6"
    (said,) = warnings(configure(text), Machine(8, 1 << 40))
    assert said.sentence == (
        "unless the application is of ASGI, `prefork serve` will not start: the lanes reserve 6 of 2 workers (odoo.conf:2); "
        "leave at least one for the rest, or raise workers"
    )
    assert warnings(configure(f"{text}\ninterface = asgi"), Machine(8, 1 << 40)) == []
    (refused,) = problems("workers = 2\nconcurrency = 8\nlanes = a:/a:16")
    assert "the lanes reserve 16 of 2 workers" in refused
    (refused,) = problems("workers = 2\nconcurrency = 8\nlanes = a:/a:16\ninterface = asgi")
    assert "the lanes reserve 16 of 16 places" in refused


def test_a_limit_is_doubted_as_what_the_application_may_be(configure: Configure) -> None:
    text = "app = a:b\nworkers = 2\nlanes = a:/a:0-3"
    (said,) = warnings(configure(text), Machine(8, 1 << 40))
    assert said.sentence.startswith("unless the application is of ASGI, lane a: a limit of 3 leaves none of the 2 workers")
    (said,) = warnings(configure(f"{text}\ninterface = wsgi"), Machine(8, 1 << 40))
    assert said.sentence.startswith("lane a: a limit of 3 leaves none of the 2 workers")
    assert warnings(configure(f"{text}\ninterface = asgi"), Machine(8, 1 << 40)) == []


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("a:/a:0-4", "set it to 3 or less, or raise workers"),
        ("a:/a:0-3, b:/b:1", "set it to 2 or less, or raise workers"),
        ("a:/a:0-1, b:/b:3", "raise workers"),
    ],
)
def test_a_limit_that_leaves_no_worker(configure: Configure, text: str, advice: str) -> None:
    (said,) = warnings(configure(f"app = a:b\nworkers = 4\nlanes = {text}"), Machine(8, 1 << 40))
    assert "lane a: a limit of " in str(said)
    assert str(said).endswith(f" leaves none of the 4 workers to the rest; {advice}")


@pytest.mark.parametrize("text", ["a:/a:0-3", "a:/a:1-3", "a:/a:0-2, b:/b:1", "a:/a:3"])
def test_lanes_without_doubt(configure: Configure, text: str) -> None:
    assert warnings(configure(f"app = a:b\nworkers = 4\nlanes = {text}"), Machine(8, 1 << 40)) == []
