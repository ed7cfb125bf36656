"""What watching costs: a sample of a server with 16 workers, in the server and in the console, and charts of 50 instances.

    .venv/bin/python bench/monitoring.py

Needs no environment of its own, and writes nothing: its figures are in docs/usage.md.
"""

import random
import statistics
import tempfile
import time
from pathlib import Path

from prefork.instances import history, registry
from prefork.instances.database import Database
from prefork.instances.monitor import Monitor
from prefork.meters import Meter
from prefork.testing import Server
from prefork.usage.sample import Sample
from prefork.usage.sampler import PACE

WORKERS = 16
TURNS = 200
INSTANCES = 50
NOW = 1_790_035_200.0
CODE = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def sampling(place: Path) -> float:
    """Seconds of processor time that one sample takes, of master, dispatcher and console together."""
    (place / "tiny.py").write_text(CODE)
    with Server("tiny:app", app_dir=place, workers=WORKERS) as server, Database(place / "console.sqlite") as db:
        registry.keep_own(db, "tiny", Path(server.data_dir))
        monitor = Monitor(db)
        monitor.measure()
        status = server.status()
        meters = [Meter(status["pid"]), Meter(status["dispatcher"]["pid"])]
        idle = rate(meters)
        (watch,) = monitor.watches.values()
        began, before, own = time.monotonic(), [meter.processor() for meter in meters], time.process_time()
        for _ in range(TURNS):
            monitor.enlist()
            watch.open()
            watch.close()
        used = time.process_time() - own + sum(meter.processor() - then for meter, then in zip(meters, before, strict=True))
        return (used - idle * (time.monotonic() - began)) / TURNS


def rate(meters: list[Meter]) -> float:
    """The share of a processor that they use anyway."""
    began, before = time.monotonic(), [meter.processor() for meter in meters]
    time.sleep(5)
    return sum(meter.processor() - then for meter, then in zip(meters, before, strict=True)) / (time.monotonic() - began)


def charts(place: Path) -> dict[str, float]:
    """Seconds until the chart of one of many instances is there, by range: the median of ten."""
    with Database(place / "many.sqlite") as db:
        for number in range(INSTANCES):
            fill(db, f"shop-{number}", Path("/nowhere"), NOW)
        history.condense(db, NOW)
        return {span: statistics.median(chart(db, span) for _ in range(10)) for span in history.RANGES}


def fill(db: Database, instance: str, place: Path, now: float) -> None:
    """An instance with 180 days behind it."""
    registry.add_local(db, instance, instance, place)
    with db.transaction():
        for hour in range(180 * 24):
            history.record(db, instance, made(now - 3600 * (hour + 1), 3600.0), history.HOUR)
        for span in range(14 * 288):
            history.record(db, instance, made(now - 300 * (span + 1), 300.0))


def made(at: float, seconds: float) -> Sample:
    """A sample of a server that is in use."""
    waits = {number: random.randrange(1, 99) for number in range(5, 25)}
    services = {number: random.randrange(1, 99) for number in range(10, 40)}
    return Sample(at=at, seconds=seconds, configured=8, in_flight=random.random() * 100, cpu=20.0, waits=waits, services=services)


def chart(db: Database, span: str) -> float:
    """Seconds for one."""
    began = time.perf_counter()
    back, resolution = history.RANGES[span]
    told = [sample.told() for sample in history.series(db, "shop-25", NOW - back, NOW, resolution)]
    assert told
    return time.perf_counter() - began


def main() -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        cost = sampling(place)
        print(f"a sample of {WORKERS} workers: {cost * 1000:.2f} ms of processor time, {cost / PACE:.3%} of a core")
        for span, seconds in charts(place).items():
            print(f"a chart of {span}, one of {INSTANCES} instances: {seconds * 1000:.0f} ms")
        print(f"the file: {(place / 'many.sqlite').stat().st_size / INSTANCES / 2**20:.1f} MiB an instance")


if __name__ == "__main__":
    main()
