"""Publishes what it is told, and says who may hear what: by a cookie, as an application would by its session."""

import json
from wsgiref.validate import validator

from prefork import bus

SESSIONS = {"sid=open": True, "sid=own": {"own"}}


@validator
def app(environ, start_response):
    channel, payload = json.loads(environ["wsgi.input"].read(-1))
    bus.publish(None, channel, payload)
    start_response("204 No Content", [])
    return []


def authorize(environ, channels):
    assert environ["PATH_INFO"] in {"/websocket", "/longpolling/poll"}
    return SESSIONS.get(environ.get("HTTP_COOKIE", ""), False)
