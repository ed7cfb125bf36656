"""What a console costs that knows 50 servers, with half a year of each: its list, a chart of 180 days, its memory.

    .venv/bin/python bench/fleet.py [SECONDS]

The servers' answers are those of a real one; the console is a process of its own, asked over HTTP. It keeps an hour of samples in
memory, so that is for how long it is left to itself first. The figures are in docs/console.md.
"""

import json
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from monitoring import CODE, INSTANCES, fill
from prefork.instances import history, users
from prefork.instances.database import NAME, Database
from prefork.meters import Meter
from prefork.testing import Server, free_port

ASKED = 20  # times
WATCHED = 3600.0  # seconds


class Answers(socketserver.StreamRequestHandler):
    """One connection to a control socket."""

    def handle(self) -> None:
        """Answer what is asked as the real server did."""
        for line in self.rfile:
            known: dict[str, Any] = self.server.said  # type: ignore[attr-defined]
            said = known.get(json.loads(line)["command"], {"ok": False, "error": "not here"})
            self.wfile.write(json.dumps(said).encode() + b"\n")


class StandIn(socketserver.ThreadingUnixStreamServer):
    """The control socket of a server."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, place: Path, said: dict[str, Any]) -> None:
        place.mkdir()
        super().__init__(str(place / "prefork.sock"), Answers)
        self.said = said
        threading.Thread(target=self.serve_forever, daemon=True).start()


@contextmanager
def console(place: Path) -> Iterator[tuple[int, str]]:
    """A console by itself; its pid and address."""
    port = free_port()
    command = [sys.executable, "-m", "prefork", "console", "--data-dir", str(place), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while "console" not in process.stderr.readline():
            pass
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process.pid, f"http://127.0.0.1:{port}"
        process.terminate()


def took(web: httpx2.Client, path: str, console: Meter) -> tuple[float, float]:
    """Seconds for an answer, and of processor time for it, with what the console does besides: the median of many, and the mean."""
    found, before = [], console.processor()
    for _ in range(ASKED):
        began = time.perf_counter()
        answer = web.get(path)
        found.append(time.perf_counter() - began)
        assert answer.status_code == 200, answer.text
    return statistics.median(found), (console.processor() - before) / ASKED


def resident(pid: int) -> int:
    """Bytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))


def main() -> None:
    """Print them."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        place = Path(directory)
        (place / "tiny.py").write_text(CODE)
        server = stack.enter_context(Server("tiny:app", app_dir=place, workers=4))
        said = {command: server.ask({"command": command}) for command in ("status", "origin", "metrics", "routes")}
        with Database(place / NAME) as db:
            for number in range(INSTANCES):
                fill(db, f"shop-{number}", place / f"shop-{number}", time.time())
                stack.callback(StandIn(place / f"shop-{number}", said).server_close)
            history.condense(db, time.time())
            password = users.generated()
            users.add(db, "bench", password, "administrator")
        pid, address = stack.enter_context(console(place))
        with httpx2.Client(base_url=address, timeout=30) as web:
            assert web.post("/login", data={"name": "bench", "password": password}).status_code == 303
            time.sleep(float(sys.argv[1]) if sys.argv[1:] else WATCHED)
            for path in ("/api/v1/instances", "/instances", "/instances/shop-25/series?range=180d"):
                seconds, processor = took(web, path, Meter(pid))
                print(f"{path}: {seconds * 1000:.0f} ms, {processor * 1000:.0f} ms of processor time", flush=True)
        print(f"resident: {resident(pid) / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
