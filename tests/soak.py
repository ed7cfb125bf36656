"""`make soak`: every lifecycle story many times, chaos for a minute, a minute of fuzzing; docs/soak.md tells what came of each.

Each part writes its own section when it ends, so a soak that is interrupted has lost only the part it was in: `python tests/soak.py
PART…` goes on with others. The exit status is 1 when one of them failed.
"""

import datetime as dt
import os
import platform
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from prefork import compiled

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "soak.md"
REPORT = ROOT / ".pytest_cache" / "soak.xml"
ROUNDS = int(os.environ.get("STORY_ROUNDS", "20"))
CHAOS = 3  # minutes
FUZZING = 60  # seconds
HEAD = """# Soak

Written by `make soak`, each section when its part ended: a race that is lost once in a while shows here."""
ON_LOAN = "requests on loan"  # what stories note where connections are lent
Times = dict[str, list[float]]


def main(names: list[str]) -> int:
    """Run these parts, or all, and write the section of each."""
    unknown = set(names) - set(PARTS)
    if unknown:
        print(f"soak: there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    failed = False
    for number, name in enumerate(names or PARTS, 1):
        print(f"soak: {name}, part {number} of {len(names or PARTS)}", flush=True)
        title, run = PARTS[name]
        what, began = told(), time.monotonic()
        text, well = run()
        failed |= not well
        write(title, f"{what}, {(time.monotonic() - began) / 60:.1f} minutes.\n\n{text}")
    return int(failed)


def write(title: str, text: str) -> None:
    """Put a section into the page, in place of an earlier one of its title."""
    sections = dict(re.findall(r"^## (.+)\n\n((?:(?!^## ).*\n)+)", PAGE.read_text(), re.MULTILINE))
    sections[title] = text
    order = [title for title, _ in PARTS.values()]
    body = [f"## {title}\n\n{sections[title].strip()}\n" for title in order if title in sections]
    PAGE.write_text("\n".join([f"{HEAD}\n", *body]))


def told() -> str:
    """When and where, and of what."""
    kernel = platform.release().partition("-")[0]
    where = f"Linux {kernel}, Python {platform.python_version()}, {os.cpu_count()} processors"
    form = "compiled" if compiled.modules() and not compiled.changed() else "from source"
    return f"{dt.datetime.now(dt.UTC).date()}, {where}, {commit()}, {form}"


def commit() -> str:
    """That of this checkout, and whether the server's sources differ from it."""
    name = git("rev-parse", "--short", "HEAD").strip()
    return f"commit {name} and changes" if git("status", "--porcelain", "src") else f"commit {name}"


def git(*arguments: str) -> str:
    """What git says of this checkout."""
    return subprocess.run(["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def stories() -> tuple[str, bool]:
    """Every story but those that have a part of their own, one module after the other."""
    own = {"test_precision.py", "test_integrity.py", "test_chaos.py", "test_mill.py", "test_fastapi.py", "test_listeners.py"}
    modules = sorted(path for path in (ROOT / "tests" / "stories").glob("test_*.py") if path.name not in own)
    cases = [case for module in modules for case in tell(module.name, ROUNDS, "--full")]
    return f"{passed(cases)}\n\n{table_of_times(cases)}", well(cases)


def lent() -> tuple[str, bool]:
    """Those of lives and limits once more, with connections on loan; two at a time, which makes them disturb each other."""
    cases = [case for module in LENT for case in tell(module, ROUNDS, "--full", "--lend", "-n", "2")]
    return f"{LOANS}\n\n{passed(cases)}\n\n{table_of_times(cases, loans=True)}", well(cases)


def integrity() -> tuple[str, bool]:
    """Random traffic, every byte of whose answers is compared."""
    cases = tell("test_integrity.py", ROUNDS, "--full")
    return f"{BYTES}\n\n{passed(cases)} {counts(cases)}\n\n{table_of_times(cases, loans=True)}", well(cases)


def precision() -> tuple[str, bool]:
    """What `test_precision.py` has measured."""
    cases = tell("test_precision.py", ROUNDS)
    return f"{MEASURED}\n\n{passed(cases)}\n\n{table_of_figures(cases)}", well(cases)


def jobs() -> tuple[str, bool]:
    """Ten thousand of them."""
    cases = tell("test_mill.py", 1, "--full")
    return f"{GRIND}\n\n{passed(cases)} {counts(cases)}", well(cases)


def reloads() -> tuple[str, bool]:
    """Fifty of them, and kills."""
    cases = tell("test_fastapi.py", 1, "--full")
    return f"{TILL}\n\n{passed(cases)} {counts(cases)}", well(cases)


def listeners() -> tuple[str, bool]:
    """A thousand, on the bus."""
    cases = tell("test_listeners.py", 1, "--full")
    return f"{BUS}\n\n{passed(cases)} {counts(cases)}", well(cases)


def chaos() -> tuple[str, bool]:
    """A minute of it, several times."""
    cases = tell("test_chaos.py", CHAOS, "--full")
    return f"{HARM}\n\n{passed(cases)} {counts(cases)}", well(cases)


def fuzzing() -> tuple[str, bool]:
    """What `tests.fuzz` says."""
    command = [sys.executable, "-m", "tests.fuzz", str(FUZZING)]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return result.stdout.strip(), result.returncode == 0


LENT = ("test_kill.py", "test_lending.py", "test_limits.py", "test_reload.py", "test_supply.py")
LOANS = """With `lend_connections`, two stories at a time: kills, limits of memory and time, reloads, recycling and scaling. *On
loan* is how many requests workers have read themselves in the median telling: none where nothing is lent (threads,
`limit_time_real_routes`), few where requests take long."""
BYTES = """Clients with random traffic of an application whose answers say whose they are at every few bytes, all of which are
compared: up to 10 MiB with and without a length, uploads that are what is answered, requests that are pipelined, clients that read
slowly or leave in the middle, and fourteen new connections at once that mostly ask for much, beside kept-alive ones that ask for
little. Half of the tellings kill workers (SIGKILL), recycle and reload meanwhile. A telling passes when no byte was another one
than it had to be and every request was answered; beside kills answers may be cut in their middle, and uploads answered with 502."""
MEASURED = """Each limit is broken beside siblings that go on asking, and so is its twin, the same work within the limit. *Late*
is the time from the limit to the burial of the worker (where it is only replaced: to the decision), by the server's own stamps;
after it, less the time that master and dispatcher waited for a processor. *Slower* is the longest that a sibling waited beside
the kill, less the longest beside the twin."""
HARM = """Sixty seconds of SIGKILL, SIGSEGV, SIGSTOP, a hog of memory, a call into C and a regular expression that never end, a fork
bomb of five, and children that moved to a session of their own, all as requests; beside it idle workers are killed from outside,
and the log is a full disk. A telling passes when innocent clients lost no request and no connection, each guilty request has its
incident, of a cause that it has given, and nothing was left behind."""
GRIND = """Ten thousand due jobs of 20 ms on two nodes with two workers each and one PostgreSQL. A worker is killed (SIGKILL) in its
job about once a second, and PostgreSQL restarts in the middle. The telling passes when every job is done, when none has run more
often than its history names (*lost*: a kill or a lease that ended), and when PostgreSQL showed no open transaction of a worker in
its job, whenever a job looked."""
TILL = """A FastAPI application with a pool of connections to PostgreSQL, background tasks, and 50 WebSockets in its two HTTP
workers, through 50 reloads and ten kills (SIGKILL) of workers, while it is asked, ordered from and listened to. The telling passes
when no safe request fails, reloads cost no order and close every WebSocket with 1012, whatever was placed before the kills is
confirmed, and nothing is left after the reloads: no descriptor or thread of master and dispatcher, no process, no connection to the
database."""
BUS = """A thousand WebSockets at a server with two websocket workers listen to five of a hundred channels each, while 20,000
messages are published in transactions that overlap, some of which are undone. Both workers are recycled, PostgreSQL restarts, both
are recycled again, and the server reloads. The telling passes when every client has heard every message of its channels once and
in order, and no connection ended or was refused but with 1012."""
PARTS: dict[str, tuple[str, Callable[[], tuple[str, bool]]]] = {
    "stories": ("Stories", stories),
    "lent": ("Stories with connections on loan", lent),
    "integrity": ("Every byte", integrity),
    "precision": ("Precision of limits", precision),
    "jobs": ("Jobs", jobs),
    "reloads": ("Reloads of an ASGI application", reloads),
    "listeners": ("A thousand listeners", listeners),
    "chaos": ("Chaos", chaos),
    "fuzzing": ("Fuzzing", fuzzing),
}


def tell(module: str, rounds: int, *options: str) -> list[ET.Element]:
    """Tell the stories of a module so many times; gives pytest's report on each telling."""
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"tests/stories/{module}", "-m", "story", "-q", "--show-capture=no", *options]
    subprocess.run([*command, f"--junit-xml={REPORT}"], cwd=ROOT, env={**os.environ, "STORY_ROUNDS": str(rounds)}, check=False)
    return list(ET.parse(REPORT).getroot().iter("testcase"))


def well(cases: list[ET.Element]) -> bool:
    """Whether there are any and none has failed."""
    return bool(cases) and not any(map(has_failed, cases))


def has_failed(case: ET.Element) -> bool:
    """Whether a telling has failed."""
    return case.find("failure") is not None or case.find("error") is not None


def passed(cases: list[ET.Element]) -> str:
    """How many of them."""
    return f"**{len(cases) - sum(map(has_failed, cases))} of {len(cases)} passed.**"


def name_of(case: ET.Element) -> str:
    """Its name, the same for each telling, whose number comes first; or last, behind the values of a fixture."""
    return re.sub(r"(?<=\[)\d+-?|-\d+(?=\]$)", "", case.get("name", ""), count=1).replace("[]", "")


def table_of_times(cases: list[ET.Element], *, loans: bool = False) -> str:
    """How often each was told, and how long that took; and how much of it was on loan."""
    times: Times = defaultdict(list)
    failures: dict[str, int] = defaultdict(int)
    for case in cases:
        times[name_of(case)].append(float(case.get("time", "0")))
        failures[name_of(case)] += has_failed(case)
    lent = measured(cases) if loans else {}
    rows = []
    for name, spent in sorted(times.items()):
        counted = lent.get((name, ON_LOAN), [])
        share = f" {median([0.0] * (len(spent) - len(counted)) + counted):.0f} |" if loans else ""
        rows.append(f"| {name} | {len(spent)} | {failures[name]} |{share} {median(spent):.1f} | {max(spent):.1f} |")
    columns = ["story", "told", "failed", *["on loan"] * loans, "median s", "longest s"]
    return "\n".join([f"| {' | '.join(columns)} |", f"{'|---' * len(columns)}|", *rows])


def median(figures: list[float]) -> float:
    """The upper one of two."""
    return sorted(figures)[len(figures) // 2]


def measured(cases: list[ET.Element]) -> dict[tuple[str, str], list[float]]:
    """The figures that stories have noted, by story and name."""
    figures: dict[tuple[str, str], list[float]] = defaultdict(list)
    for case in cases:
        for noted in case.iter("property"):
            figures[name_of(case), noted.get("name", "")].append(float(noted.get("value", "nan")))
    return figures


def counts(cases: list[ET.Element]) -> str:
    """The sum of each, over all stories."""
    sums: dict[str, float] = defaultdict(float)
    for (_, name), figures in measured(cases).items():
        sums[name] += sum(figures)
    return f"Together: {', '.join(f'{figure:,.0f} {name}' for name, figure in sums.items())}."


def table_of_figures(cases: list[ET.Element]) -> str:
    """The median and the worst of each."""
    rows = [
        f"| {story} | {name} | {len(figures)} | {median(figures) * 1000:.0f} | {max(figures) * 1000:.0f} |"
        for (story, name), figures in measured(cases).items()
    ]
    return "\n".join(["| story | figure | measured | median ms | worst ms |", "|---|---|---|---|---|", *rows])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
