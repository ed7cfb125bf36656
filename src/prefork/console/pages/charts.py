"""What the charts of an instance show, pure: from recorded samples to named lines with a colour and a unit.

A sample is as `usage.sample.Sample.told` has it. The browser gets lines to draw and knows nothing of what they mean.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    Told = Mapping[str, Any]
    Values = Mapping[str, float | None]

MISSING = 2.5  # times the length of a sample: so far away the next one does not follow it
SERIES = 8  # colours for lines that are alike
FEW = 12  # workers that can be told apart on a chart


def usage(sample: Told) -> Values:
    """Both measures."""
    return {"in flight": sample["in_flight"], "processor": sample["cpu"]}


def wait(sample: Told) -> Values:
    """How long requests waited for a worker."""
    return {name: sample["wait"][name] for name in ("p95", "p50")}


def latency(sample: Told) -> Values:
    """How long workers had them."""
    return {name: sample["service"][name] for name in ("p99", "p95", "p50")}


def requests(sample: Told) -> Values:
    """Answers by their class, a second."""
    counts = sample["requests"]
    return {name: counts[name] / sample["seconds"] if sample["seconds"] else None for name in ("2xx", "3xx", "4xx", "5xx")}


def memory(sample: Told) -> Values:
    """That of each worker while it is known and there are few, else the highest and the mean."""
    told = sample["memory"]
    each = [size for size in told["workers"].values() if size is not None]
    if len(each) > FEW:
        return {"highest": max(each), "mean": sum(each) / len(each)}
    return dict(told["workers"]) or {"highest": told["most"], "mean": told["mean"]}


def connections(sample: Told) -> Values:
    """How many there were."""
    return {"clients": sample["connections"], "WebSockets": sample["websockets"]}


def jobs(sample: Told) -> Values:
    """How many were done."""
    return {"runs": sample["jobs"]}


class Chart(NamedTuple):
    """A chart: what it shows of a sample, the unit, the colours of its lines (others get one each), the least height."""

    heading: str
    read: Callable[[Told], Values]
    unit: str
    colours: Mapping[str, str] = {}
    whole: bool = False
    least: float = 1.0
    bars: bool = False


CHARTS = {
    "usage": Chart("Worker usage", usage, "percent", {"in flight": "series-1", "processor": "series-2"}, whole=True),
    "wait": Chart("Queue wait", wait, "seconds", {"p95": "series-2", "p50": "series-1"}, least=0.001),
    "latency": Chart("Served in", latency, "seconds", {"p99": "series-6", "p95": "series-2", "p50": "series-1"}, least=0.001),
    "requests": Chart("Answers by status", requests, "rate", {"2xx": "good", "3xx": "quiet", "4xx": "warn", "5xx": "bad"}),
    "memory": Chart("Memory per worker", memory, "bytes", {"highest": "series-2", "mean": "series-1"}, least=16 << 20),
    "connections": Chart("Connections", connections, "number", {"clients": "series-1", "WebSockets": "series-5"}, least=4),
    "jobs": Chart("Job runs", jobs, "number", {"runs": "series-4"}, least=4, bars=True),
}
LIMITS = {"soft limit": "warn", "hard limit": "bad"}


def board(samples: Sequence[Told], marks: Sequence[Mapping[str, Any]], limits: Mapping[str, int], step: float) -> dict[str, Any]:
    """All charts of one range. What a sample lacks is a gap in its line, and so is a time without samples."""
    found = list(spaced(samples, step))
    return {
        "time": [at for at, _ in found],
        "step": step,
        "marks": [dict(mark) for mark in marks],
        "charts": {
            key: lines(chart, [sample for _, sample in found], limits if key == "memory" else {}) for key, chart in CHARTS.items()
        },
    }


def spaced(samples: Sequence[Told], step: float) -> Iterator[tuple[float, Told | None]]:
    """Samples by their times; where others are missing behind one, there is nothing at its end: a line would lead on otherwise."""
    for sample, later in zip_longest(samples, samples[1:]):
        yield sample["at"], sample
        length = max(sample["seconds"], step)
        if later is not None and later["at"] - sample["at"] > MISSING * length:
            yield sample["at"] + length, None


def lines(chart: Chart, samples: Sequence[Told | None], limits: Mapping[str, int]) -> dict[str, Any]:
    """One chart, with the limits that are set."""
    values = [chart.read(sample) if sample else {} for sample in samples]
    colours = coloured(chart, {name for each in values for name in each})
    return {
        "unit": chart.unit,
        "filled": chart.whole,
        "bars": chart.bars,
        "least": chart.least,
        "lines": [
            {"name": name, "colour": colour, "values": [each.get(name) for each in values]} for name, colour in colours.items()
        ],
        "limits": [{"name": name, "colour": colour, "value": limits[name]} for name, colour in LIMITS.items() if limits.get(name)],
    }


def point(sample: Told) -> dict[str, Any]:
    """One sample more, with the colours of its lines: it may have some that no sample had before."""
    return {"time": sample["at"], "charts": {key: ends(chart, sample) for key, chart in CHARTS.items()}}


def ends(chart: Chart, sample: Told) -> list[dict[str, Any]]:
    """The new end of each line."""
    values = chart.read(sample)
    return [{"name": name, "colour": colour, "value": values[name]} for name, colour in coloured(chart, set(values)).items()]


def coloured(chart: Chart, met: AbstractSet[str]) -> dict[str, str]:
    """The lines in their order, each with its colour."""
    names = [name for name in chart.colours if name in met] + sorted(met - chart.colours.keys(), key=natural)
    return {name: chart.colours.get(name, f"series-{place % SERIES + 1}") for place, name in enumerate(names)}


def natural(name: str) -> tuple[str, int]:
    """`http.2` stands before `http.10`."""
    head = name.rstrip("0123456789")
    return (head, int(name[len(head) :] or 0))
