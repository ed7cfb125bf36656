"""A WSGI application that says what it was asked, and does what it is told to. Everything it gets and gives is validated."""

import gzip
import hashlib
import http.client
import itertools
import json
import os
from urllib.parse import parse_qs

from referee import refereed

NAMES = {"/": "echo", "*": "echo"}


def served(environ, start_response):
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    name = NAMES.get(environ["PATH_INFO"]) or environ["PATH_INFO"].strip("/").rpartition("/")[2]
    return globals().get("do_" + name, do_nothing)(environ, start_response, query)


hidden, visible = refereed(served), refereed(served, visible=True)


def app(environ, start_response):
    """Of /plain/… the server sees what was returned, a list or a file; of anything else an iterator."""
    return (visible if environ["PATH_INFO"].startswith("/plain/") else hidden)(environ, start_response)


def answer(start_response, said, status="200 OK"):
    body = json.dumps(said).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def do_echo(environ, start_response, query):
    """The request as the application sees it, its body as length and digest."""
    body = environ["wsgi.input"].read(-1)
    said = {key: value for key, value in environ.items() if isinstance(value, str)}
    return answer(start_response, {**said, "length": len(body), "digest": hashlib.sha256(body).hexdigest(), "pid": os.getpid()})


def do_note(environ, start_response, query):
    """Leave a trace of having been called."""
    with open(query["file"], "a") as file:
        file.write("called\n")
    return do_echo(environ, start_response, query)


def do_hold(environ, start_response, query):
    """Answer when the gate is opened."""
    with open(query["gate"]) as gate:
        gate.read()
    return do_echo(environ, start_response, query)


def do_report(environ, start_response, query):
    """When the gate is opened, ask the server itself for something, as the rendering of a PDF does for its images."""
    with open(query["gate"]) as gate:
        gate.read()
    connection = http.client.HTTPConnection("127.0.0.1", int(environ["SERVER_PORT"]), timeout=30)
    connection.request("GET", "/echo?asset")
    status = connection.getresponse().status
    connection.close()
    return answer(start_response, {"asset": status})


def do_big(environ, start_response, query):
    """`size` bytes in parts of `part` bytes; `length=1` announces them."""
    size = int(query.get("size", 0))
    part = int(query.get("part", size))
    headers = [("Content-Type", "application/octet-stream")]
    if "length" in query:
        headers.append(("Content-Length", str(size)))
    start_response("200 OK", headers)
    body = pattern(size)
    return [body] if part == size else (body[start : start + part] for start in range(0, size, part))


def do_endless(environ, start_response, query):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return itertools.repeat(pattern(70_000))


def pattern(size):
    """Bytes in which no two places look the same for long."""
    block = b"".join(b"%07d " % number for number in range(8192))
    return (block * (size // len(block) + 1))[:size]


def do_send(environ, start_response, query):
    """Name a file in the header `by`."""
    headers = [
        ("Content-Type", query.get("type", "text/plain")),
        (query["by"], query["path"].encode().decode("latin-1")),
        ("Content-Length", "7"),
    ]
    if "type" not in query:
        del headers[0]
    if "tag" in query:
        headers.append(("ETag", f'"{query["tag"]}"'))
    start_response("200 OK", headers)
    return [b"instead"]


def do_wrap(environ, start_response, query):
    """Hand over an open file, from `skip` on; `die=1`: and die behind it."""
    file = (gzip.open if "gzip" in query else open)(query["path"], "rb")
    file.read(int(query.get("skip", 0)))
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    wrapped = environ["wsgi.file_wrapper"](file)
    if "die" in query:
        wrapped.close = lambda: os.kill(os.getpid(), 9)
    return wrapped


def do_nothing(environ, start_response, query):
    return answer(start_response, {"error": "there is no such page"}, "404 Not Found")


def do_raise(environ, start_response, query):
    raise LookupError("a secret of the application")


def do_print(environ, start_response, query):
    """A line on standard output and one on standard error, past Python's buffers."""
    os.write(1, f"stdout {query['text']}\n".encode())
    os.write(2, f"stderr {query['text']}\n".encode())
    return do_echo(environ, start_response, query)


def do_redirect(environ, start_response, query):
    """Lead standard error elsewhere, as some daemons do."""
    with open(query["file"], "a") as file:
        os.dup2(file.fileno(), 2)
    return do_echo(environ, start_response, query)


def do_die(environ, start_response, query):
    """As the kernel's out-of-memory killer would have it."""
    os.kill(os.getpid(), 9)


def do_empty(environ, start_response, query):
    start_response("204 No Content", [])
    return []
