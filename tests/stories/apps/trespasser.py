"""An application that uses what is its worker's: the epoll that tells of loans, and what a fork inherits. Of either interface."""

import contextlib
import json
import os
import re
import select
import stat
import time
from pathlib import Path
from urllib.parse import parse_qs
from wsgiref.validate import validator

LONG = 32 << 20  # bytes: more than a client's socket takes


@validator
def app(environ, start_response):
    if environ["PATH_INFO"] == "/long":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(LONG))])
        return forked_in_between()
    body = said(environ["PATH_INFO"], environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def forked_in_between():
    """An answer, with a child that lives on before its last byte."""
    yield bytes(LONG - 1)
    do_fork("stay")
    yield b"x"


async def looped(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/live/wait":
        await receive()
        await receive()  # the end of its client
        return
    body = said(scope["path"].removeprefix("/live"), scope["query_string"].decode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def said(path, query):
    worker = os.getpid()
    told = globals()["do_" + (path.strip("/") or "nothing")](**{key: values[0] for key, values in parse_qs(query).items()})
    return json.dumps({"pid": os.getpid(), "worker": worker, "told": told}).encode()


def do_nothing():
    return 0


def do_remove(of):
    """Take all that is on loan to this worker out of its epoll, if it is that one and has several; returns how many that are."""
    if os.getpid() != int(of):
        return 0
    descriptors = [number for number in map(int, os.listdir("/proc/self/fd")) if os.path.exists(f"/proc/self/fd/{number}")]
    sockets = {os.fstat(number).st_ino: number for number in descriptors if stat.S_ISSOCK(os.fstat(number).st_mode)}
    loans = []
    for number in descriptors:
        for line in Path(f"/proc/self/fdinfo/{number}").read_text().splitlines():
            found = re.match(r"tfd: +(\d+) events: +([0-9a-f]+) .* ino:([0-9a-f]+)", line)
            if found and int(found[2], 16) & select.EPOLLEXCLUSIVE:
                loans.append((number, int(found[1]), sockets[int(found[3], 16)]))
    if len(loans) < 2:  # beside that of this request: nobody would miss anything, and the worker is replaced for it
        return 0
    for loan in loans:
        remove(*loan)
    return len(loans)


def remove(epoll, key, socket):
    """The kernel knows what is in there by its file and the number that it had: so it gets that number for a moment."""
    used = os.path.exists(f"/proc/self/fd/{key}")
    before = os.dup(key) if used else -1
    os.dup2(socket, key)
    mine = select.epoll.fromfd(os.dup(epoll))
    with contextlib.suppress(FileNotFoundError):  # the dispatcher has taken it home meanwhile
        mine.unregister(key)
    mine.close()
    if used:
        os.dup2(before, key, inheritable=False)
        os.close(before)
    else:
        os.close(key)


def do_silence(stream):
    """Close a standard stream, as a slip or a library for daemons does: the next descriptor is that number."""
    os.close(int(stream))


def do_fail():
    print("a word of the application's", flush=True)
    raise ValueError("a secret of the application's")


def do_fork(how):
    """A child that ends, lives on, or comes back as its parent does; returns how it has ended, or its pid."""
    child = os.fork()
    if child == 0 and how == "raise":
        raise ValueError("of the child's")
    if child == 0 and how == "exit":
        raise SystemExit(3)
    if child == 0 and how == "stay":
        os.setsid()
        time.sleep(60)
    if child and how != "stay":
        return os.waitpid(child, 0)[1] >> 8
    return child
