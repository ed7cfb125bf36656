"""A WSGI application that answers as its request's body says, well or badly. It is validated wherever what is told is allowed."""

import io
import json
from wsgiref.validate import check_content_type, check_environ, check_headers, check_status

from referee import refereed


def app(environ, start_response):
    check_environ(environ)
    told = environ["wsgi.input"].read(-1)
    environ["wsgi.input"] = io.BytesIO(told)
    return (strict if allowed(json.loads(told)) else behave)(environ, start_response)


def allowed(told):
    """Whether the referee has nothing against the head that is told: its complaint would hide what the server makes of that."""
    headers = [tuple(header) for header in told["headers"]]
    try:
        check_status(told["status"])
        check_headers(headers)
        check_content_type(told["status"], headers)
    except (AssertionError, ValueError):
        return False
    return True


def behave(environ, start_response):
    told = json.loads(environ["wsgi.input"].read(-1))
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


strict = refereed(behave, visible=True)


def generated(start_response, told, parts):
    """Start only when the first part is asked for, and fail behind the last one where that is told."""
    start_response(told["status"], [tuple(header) for header in told["headers"]])
    yield from parts
    if told["form"] == "fail":
        raise LookupError("told to fail")
