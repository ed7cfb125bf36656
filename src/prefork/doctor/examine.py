"""Runs every check that the evidence is enough for, in the order of their groups."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefork.doctor.checks import CHECKS, ORDER
from prefork.doctor.verdict import Check, Finding, failed

if TYPE_CHECKING:
    from prefork.doctor.evidence import Evidence

# Evidence that was asked for and cannot be had is a fault of its own: what it is called, why it matters, how to look again.
OPENING = {
    "conf": ("configuration-reads", "workers", "A file that cannot be read is not in force: workers do not appear", "ls -l {}"),
    "server": ("server-runs", "service", "What does not run serves nobody", "systemctl status odoo"),
    "live": ("server-answers", "service", "What does not run serves nobody", "systemctl status prefork"),
    "proxy": ("nginx-reads", "proxy", "nginx keeps its old configuration, or does not start", "nginx -t"),
    "site": ("site-answers", "site", "This is what users see", "curl -sv -o /dev/null {}"),
    "database": ("database-answers", "connections", "Without its database the application serves nothing", "pg_isready -d {}"),
}
SOURCE = "Multi-processing, issues: workers not appearing in ps; Quick answer, action items: check logs"


@dataclass(frozen=True)
class Verdict:
    """What one check has said."""

    check: Check
    finding: Finding

    def told(self) -> dict[str, str]:
        """For programs."""
        found = self.finding
        return {"check": self.check.name, "verdict": found.verdict, "seen": found.seen, "why": self.check.why, "fix": found.fix}


@dataclass(frozen=True)
class Report:
    """All verdicts, and the checks that were not run with the evidence that they lack."""

    verdicts: tuple[Verdict, ...]
    unrun: tuple[tuple[Check, tuple[str, ...]], ...]
    blind: bool

    def count(self, level: str) -> int:
        """How many verdicts are of a level."""
        return sum(each.finding.verdict == level for each in self.verdicts)


def examine(evidence: Evidence, places: dict[str, str] | None = None) -> Report:
    """The verdicts on evidence. `places` says what was named for each kind of it, to be shown in fixes."""
    seen, unseen = evidence.seen(), evidence.unseen()
    verdicts = [unopened(name, why, (places or {}).get(name, "")) for name, why in unseen.items()]
    unrun = []
    for each in CHECKS.values():
        missing = tuple(name for name in each.needs if name not in seen)
        finding = None if missing else each.on(seen)
        if finding:
            verdicts.append(Verdict(each, finding))
        else:
            unrun.append((each, missing or ("rights",)))
    verdicts.sort(key=lambda each: ORDER.index(each.check.about))  # what cannot be had stands first in its group
    looked = [name for name in seen if name not in {"machine", "version"}]
    return Report(tuple(verdicts), tuple(unrun), blind=not looked)


def unopened(name: str, why: str, place: str) -> Verdict:
    """The verdict on evidence that cannot be had."""
    title, about, matters, fix = OPENING[name]

    def judge(**_: Any) -> Finding:
        return failed(why, fix.format(shlex.quote(place)))

    return Verdict(Check(title, about, matters, SOURCE, judge, (), ()), judge())
