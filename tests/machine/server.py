"""A server inside the machine, by its unit or by its command, and how its facts are waited for.

Nothing here measures time. What is waited for comes or does not; the host ends a machine that waits for ever.
"""

import http.client
import json
import subprocess
import time
from pathlib import Path

PORT = 8069
LONGEST = 900  # seconds that anything takes where another machine's processors stand for ours
SYSTEM = Path("/sys/fs/cgroup")
V1 = (SYSTEM / "memory").is_dir()


class Server:
    """A server with its data directory and its log."""

    def __init__(self, data: Path, *flags: str, log: Path | None = None) -> None:
        self.data = data
        self.log = log or data / "log"
        self.flags = [*flags, "--data-dir", str(data), "--logfile", str(self.log)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.unlink(missing_ok=True)
        self.process = subprocess.Popen(prefork("serve", "-c", "/payload/prefork.conf", "--no-console", *self.flags))
        await_fact(lambda: self.process.poll() is not None or self.events("server_ready"), "an end of the start")
        assert self.process.poll() is None, "it did not start"

    def events(self, name: str) -> list[dict]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def wait(self, name: str, count: int = 1) -> dict:
        await_fact(lambda: len(self.events(name)) >= count, f"{count} × {name}")
        return self.events(name)[-1]

    def status(self) -> dict:
        said = subprocess.run(prefork("status", "--json", "--data-dir", str(self.data)), check=True, capture_output=True).stdout
        return json.loads(said)

    def incident(self, name: str) -> dict:
        found = subprocess.run(
            prefork("incidents", name, "--json", "--data-dir", str(self.data)), check=True, capture_output=True
        ).stdout
        return json.loads(found)

    def pids(self) -> set[int]:
        return {worker["pid"] for worker in self.status()["workers"] if worker["state"] in {"idle", "busy"}}

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        assert self.process.wait() == 0

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()


def prefork(*words: str) -> list[str]:
    return ["/payload/bin/prefork", *words]


def await_fact(fact, what: str) -> None:
    """Wait for what no event tells of."""
    since = time.monotonic()
    while not fact():
        time.sleep(0.1)
        if time.monotonic() - since > LONGEST:
            raise AssertionError(f"never came: {what}")


def get(path: str, port: int = PORT) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Accept": "application/json"})
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said


def systemctl(*words: str) -> str:
    told = subprocess.run(["systemctl", *words], check=False, capture_output=True, text=True)
    assert told.returncode == 0, f"systemctl {' '.join(words)}: {told.stderr.strip()}"
    return told.stdout


def held(group: str) -> int:
    """The bytes of memory that the kernel holds a group below system.slice to."""
    place = (
        SYSTEM / "memory/system.slice" / group / "memory.limit_in_bytes" if V1 else SYSTEM / "system.slice" / group / "memory.max"
    )
    return int(place.read_text())


def shown(unit: str, name: str) -> str:
    """A property of a unit."""
    return systemctl("show", "-P", name, unit).strip()
