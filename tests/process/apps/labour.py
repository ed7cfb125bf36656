"""A WSGI application for any server: a request waits, or works, for as long as the file that it names is there."""

import os
import time
from wsgiref.validate import validator


def served(environ, start_response):
    path, file = environ["PATH_INFO"], environ["QUERY_STRING"]
    if file:
        with open(f"{file}.seen", "w"):
            pass
    while file and os.path.exists(file):
        if path == "/wait":
            time.sleep(0.1)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


app = validator(served)
