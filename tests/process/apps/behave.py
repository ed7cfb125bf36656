"""A WSGI application that answers as its request's body says, well or badly; so it cannot be validated."""

import json


def app(environ, start_response):
    told = json.loads(environ["wsgi.input"].read())
    parts = [part.encode("latin-1") for part in told["parts"]]
    if told["form"] == "list":
        start_response(told["status"], [tuple(header) for header in told["headers"]])
        return parts
    if told["form"] == "write":
        write = start_response(told["status"], [tuple(header) for header in told["headers"]])
        for part in parts:
            write(part)
        return []
    return generated(start_response, told, parts)


def generated(start_response, told, parts):
    """Start only when the first part is asked for, and fail behind the last one where that is told."""
    start_response(told["status"], [tuple(header) for header in told["headers"]])
    yield from parts
    if told["form"] == "fail":
        raise LookupError("told to fail")
