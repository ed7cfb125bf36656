"""Jobs that a directory is the queue of, so that stories can be told of the workers that run them.

`NAME.due` says what to do; it has another ending while a worker has it. What was done is a line in `done`. A file called `outage`
is one.
"""

import itertools
import os
import signal
import time
from pathlib import Path
from wsgiref.validate import validator

from prefork.worker.cron import Unavailable

PLACE = Path(os.environ.get("CHORES", "."))
KEPT = []


@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


class Chore:
    numbers = itertools.count(1)

    def __init__(self, path, worker):
        self.path = path
        self.name = path.stem
        self.number = next(self.numbers)
        self.worker = worker

    def call(self):
        task, _, argument = self.path.read_text().partition(" ")
        note(f"begin {self.name} {self.worker.pid} {self.worker.node}")
        globals()["do_" + task](argument)

    def finish(self, error):
        self.path.unlink()
        note(f"{'fail' if error else 'end'} {self.name} {self.worker.pid} {self.worker.node}")


class Chores:
    """The source. A worker gives back what its predecessor of the same number has left."""

    def __init__(self, worker):
        self.worker = worker
        self.mine = f".taken-{Path(worker.node.partition(':')[2]).parent.name}-{worker.number}"

    def connect(self):
        self.look()
        for left in PLACE.glob(f"*{self.mine}"):
            left.rename(left.with_suffix(".due"))

    def look(self):
        if (PLACE / "outage").exists():
            raise Unavailable("the chores are locked away")

    def fileno(self):
        return -1

    def claim(self):
        self.look()
        for path in sorted(PLACE.glob("*.due")):
            try:
                return Chore(path.rename(path.with_suffix(self.mine)), self.worker)
            except FileNotFoundError:
                continue  # somebody was faster
        return None

    def patience(self):
        return 0.02

    def close(self):
        pass


def note(line):
    with open(PLACE / "done", "a") as file:
        file.write(line + "\n")


def do_nothing(argument):
    pass


def do_last(task):
    """Do something, and nothing else is done before the outage ends that begins with it."""
    (PLACE / "outage").touch()
    task, _, argument = task.partition(" ")
    globals()["do_" + task](argument)


def do_sleep(argument):
    time.sleep(float(argument))


def do_fork(argument):
    """A child comes back as well, and is waited for."""
    if child := os.fork():
        os.waitpid(child, 0)
        note(f"waited {argument} {os.getpid()} -")


def do_wait(argument):
    """Until there is a file of this name."""
    while not (PLACE / argument).exists():
        time.sleep(0.01)


def do_spin(argument):
    end = time.process_time() + float(argument)
    while time.process_time() < end:
        pass


def do_fail(argument):
    raise ValueError(argument)


def do_exit(argument):
    raise SystemExit(argument)


def do_leak(argument):
    KEPT.append(b"x" * (int(argument) << 20))
    time.sleep(0.3)


def do_swell(argument):
    """Take so many MiB, and stay."""
    KEPT.append(b"x" * (int(argument) << 20))
    time.sleep(60)


def do_die(argument):
    """The first time only."""
    if not (PLACE / "died").exists():
        (PLACE / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
