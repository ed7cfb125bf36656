"""An application with hooks. What they are called with is written to the file that the environment names."""

import json
import os
from wsgiref.validate import validator

FILE = os.environ["HOOKED_FILE"]
CALLS = []
IMPORTED_IN = os.getpid()


def note(moment, worker):
    CALLS.append([moment, worker.name, worker.pid, worker.generation, os.getpid(), IMPORTED_IN])
    with open(FILE, "a") as file:
        file.write(json.dumps(CALLS[-1]) + "\n")


def connect(worker):
    note("after_fork", worker)


def warm(worker):
    note("worker_ready", worker)


def flush(worker):
    note("worker_exit", worker)


def fail(worker):
    note("fail", worker)
    raise ConnectionError("the database is not there")


@validator
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(CALLS).encode()]
