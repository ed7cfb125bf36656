"""An application with scheduled jobs, which write down what they do."""

import os
import time
from wsgiref.validate import validator

import prefork

DONE = os.environ["CLERK"]


def note(word: str) -> None:
    with open(DONE, "a") as file:
        file.write(word + "\n")


@prefork.job
def write(word: str) -> None:
    note(word)


@prefork.job
def slow(word: str) -> None:
    time.sleep(0.02)
    note(word)


@prefork.cron.every("1 second")
def tick() -> None:
    note("tick")


prefork.cron.every("1 second")(prefork.sessions.collect)


@prefork.cron.every("1 second")
def forget_files() -> None:
    """What is written down, as a file's key, is used."""
    with open(DONE, "a+") as file:
        file.seek(0)
        prefork.filestore.collect(file.read().split(), older_than=-1)


@validator
def app(environ, start_response):
    job = slow if environ["PATH_INFO"] == "/slow" else write
    count = int(environ["QUERY_STRING"] or 1)
    for number in range(count):
        job.defer(str(number))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"deferred"]
