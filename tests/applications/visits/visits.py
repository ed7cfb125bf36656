"""Counts the visits of each visitor, and keeps what is uploaded."""

import json
import os
import signal
from wsgiref.validate import validator

from prefork import filestore, sessions

FILES = filestore.configured()


@validator
def app(environ, start_response):
    path, session = environ["PATH_INFO"], environ["prefork.session"]
    if path.startswith("/files/"):
        return FILES.send(environ, start_response, path.rpartition("/")[2], name="ledger.txt")
    if path == "/upload":
        return answer(start_response, {"key": FILES.put(environ["wsgi.input"])})
    if path == "/die":
        session["lost"] = True
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/login":
        session.rotate()
        session["user"] = environ["QUERY_STRING"]
    if path == "/logout":
        session.clear()
    if path == "/count":
        session["visits"] = session.get("visits", 0) + 1
    return answer(start_response, {"pid": os.getpid(), **session} if path != "/plain" else {})


def answer(start_response, said):
    body = json.dumps(said).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


app = sessions.middleware(app)
