"""An application that uses what is its worker's: the epoll that tells of loans. Of either interface."""

import json
import os
import re
import select
import stat
from pathlib import Path
from urllib.parse import parse_qs
from wsgiref.validate import validator


@validator
def app(environ, start_response):
    body = said(environ["PATH_INFO"], environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def looped(scope, receive, send):
    assert scope["type"] == "http"
    body = said(scope["path"], scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def said(path, query):
    worker = os.getpid()
    told = globals()["do_" + (path.strip("/") or "nothing")](**{key: values[0] for key, values in parse_qs(query).items()})
    return json.dumps({"pid": os.getpid(), "worker": worker, "told": told}).encode()


def do_nothing():
    return 0


def do_remove(of):
    """Take all that is on loan to this worker out of its epoll, if it is that one; returns how many that are."""
    if os.getpid() != int(of):
        return 0
    descriptors = [number for number in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{number}")]
    sockets = {os.fstat(number).st_ino: number for number in descriptors if stat.S_ISSOCK(os.fstat(number).st_mode)}
    removed = 0
    for number in descriptors:
        for line in Path(f"/proc/self/fdinfo/{number}").read_text().splitlines():
            found = re.match(r"tfd: +(\d+) events: +([0-9a-f]+) .* ino:([0-9a-f]+)", line)
            if found and int(found[2], 16) & select.EPOLLEXCLUSIVE:
                remove(number, int(found[1]), sockets[int(found[3], 16)])
                removed += 1
    return removed


def remove(epoll, key, socket):
    """The kernel knows what is in there by its file and the number that it had: so it gets that number for a moment."""
    used = os.path.exists(f"/proc/self/fd/{key}")
    before = os.dup(key) if used else -1
    os.dup2(socket, key)
    mine = select.epoll.fromfd(os.dup(epoll))
    mine.unregister(key)
    mine.close()
    if used:
        os.dup2(before, key, inheritable=False)
        os.close(before)
    else:
        os.close(key)
