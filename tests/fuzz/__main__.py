"""`python -m tests.fuzz SECONDS`: a trial, told for docs/soak.md. Its exit status is 1 when the server has suffered."""

import sys

from .trial import Report, attempt, serving

SEED, SCRIPTS = 1, 2000
VALIDATED = 10  # seconds
TOLD = """Requests from the corpus of smuggling (`tests/corpus`), each with a few bytes changed, pipelined over 32
connections for {report.seconds:.0f} seconds by one process beside the server: **{report.rate:,.0f} a second**, {report.requests:,}
in all over {report.connections:,} connections. Every answer was the one that had been worked out beforehand, and told of the
request that it answered; no process was replaced, no fault contained, no descriptor left open, and the process that grew most
since the warm-up grew by {growth:,.0f} KiB.

The mix: up to twenty requests that are served although they were changed, and one change more of any kind behind them.
{report.served:,} requests were served and {report.refused:,} refused, {each:.1f} on a connection; {report.short:,} connections had
three or fewer, and {report.halves:,} more left with half a request. A second had {rate:,.0f} connections.

A well-behaved client beside it asked {asked:,} times and got every answer right: median {median:.1f} ms, p99 {late:.1f} ms.

Then {checked.seconds:.0f} seconds with the application under `wsgiref.validate`: it had
nothing to say against any of {checked.served:,} requests and their answers, {checked.rate:,.0f} a second with {checked.refused:,}
refused."""


def main() -> int:
    """Hold the trials and tell of them."""
    try:
        report = held("mirror:mirror", int(sys.argv[1]))
        checked = held("mirror:app", VALIDATED)
    except Suffered as suffered:
        print(f"**The server has suffered**: {suffered}")
        return 1
    median, late = report.quantile(0.5) * 1000, report.quantile(0.99) * 1000
    each, rate = report.requests / report.connections, report.connections / report.seconds
    asked, growth = len(report.latencies), report.growth / 1024
    print(TOLD.format(report=report, checked=checked, each=each, rate=rate, growth=growth, asked=asked, median=median, late=late))
    return 0


class Suffered(Exception):
    """What a server has not stood."""


def held(app: str, seconds: int) -> Report:
    """One trial. Raises Suffered."""
    suffered = ""
    with serving(app) as server:
        try:
            return attempt(server, seconds, SEED, SCRIPTS)
        except AssertionError as error:  # in here: outside, the server would print its log, a line for each refusal
            suffered = str(error)[:2000]
    raise Suffered(suffered)


if __name__ == "__main__":
    sys.exit(main())
