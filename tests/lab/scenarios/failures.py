"""Each node killed, each link cut, and what clients, jobs and listeners noticed of it."""

import time
from pathlib import Path

from tests.lab.hits import HITS, Bounds, Hit, broken
from tests.lab.page import table
from tests.lab.rig import Rig, rigged, tell

from prefork.lab import power
from prefork.lab.accounts import Account

BEFORE, AFTER = 4.0, 3.0  # seconds of load around a hit
HEAD = [
    *(
        "what happens",
        "pages failed",
        "slowest page",
        "no order for",
        "connects refused for",
        "orders",
        "lost",
        "jobs lost",
        "twice",
    ),
    *("messages lost", "all well after"),
]


def run(place: Path) -> tuple[str, list[str]]:
    """Every hit, one after the other, in one lab."""
    rows, found = [], []
    with rigged(place) as rig:
        for hit in HITS:
            text, wrong = judged(rig, hit, hit.bounds)
            rows.append(text)
            found += [f"{hit.name}: {each}" for each in wrong]
            if wrong and not rig.mended():
                found.append("the lab could not be mended, and what follows was not run")
                break
    return table(HEAD, rows), found


def judged(rig: Rig, hit: Hit, bounds: Bounds) -> tuple[list[str], list[str]]:
    """Its row, and what did not hold. What could not be done does not hold."""
    try:
        account, back = struck(rig, hit)
    except (AssertionError, OSError, power.Failed) as error:
        tell(f"{hit.name}: {error}")
        return [f"{hit.name} **(not measured)**", *[""] * (len(HEAD) - 1)], [str(error)]
    wrong = broken(bounds, account)
    tell(f"{hit.name}: {'; '.join(wrong) or 'as promised'}")
    for each in account.sentences():
        tell(f"    {each}")
    return row(hit.name, account, back, wrong), wrong


def struck(rig: Rig, hit: Hit) -> tuple[Account, float]:
    """The account of a load during which it happens and is mended, and how long it then took until all was well."""
    rig.await_well()
    with rig.load() as load:
        time.sleep(BEFORE)
        mend = hit.strike(rig)
        time.sleep(hit.held)
        mend()
        back = rig.await_well()
        time.sleep(AFTER)
        return load.stop(), back


def row(name: str, account: Account, back: float, wrong: list[str]) -> list[str]:
    """A line of the table."""
    return [
        f"{name}{' **(not as promised)**' if wrong else ''}",
        f"{account.reads_failed} of {account.reads}",
        f"{account.slowest_read:.1f} s",
        f"{account.gap_writes:.1f} s",
        f"{account.refused_for:.1f} s",
        str(account.acknowledged),
        str(account.lost),
        str(account.jobs_lost),
        f"{account.jobs_twice}" + (f" ({account.runs_broken} runs failed or lost)" if account.runs_broken else ""),
        str(account.messages_lost),
        f"{back:.0f} s",
    ]
