"""The scenarios of `make test-lab`, by name. Each gets an empty place for its lab, and gives its text and what did not hold."""

from collections.abc import Callable
from pathlib import Path

from tests.lab.scenarios import asynchronous, failures, isolation, millions, pooling, recovery, sessions, upgrade

Scenario = Callable[[Path], tuple[str, list[str]]]
ALL: dict[str, Scenario] = {
    "failures": failures.run,
    "asynchronous": asynchronous.run,
    "recovery": recovery.run,
    "pooling": pooling.run,
    "millions": millions.run,
    "isolation": isolation.run,
    "sessions": sessions.run,
    "upgrade": upgrade.run,
}
