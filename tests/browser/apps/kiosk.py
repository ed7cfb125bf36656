"""An application for the tour: pages that compute a little, and a report that never ends."""

import time
from wsgiref.validate import validator


@validator
def app(environ, start_response):
    if environ["PATH_INFO"] == "/report":
        write_report()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [page()]


def page():
    until = time.process_time() + 0.002
    while time.process_time() < until:
        pass
    return b"hello"


def write_report():
    while True:  # the guilty line
        time.sleep(0.01)
