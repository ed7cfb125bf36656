"""Says who may hear what, for tests of WebSockets: by a cookie, as an application would by its session."""

SESSIONS = {"sid=open": True, "sid=own": {"own"}}


def authorize(environ, channels):
    assert environ["PATH_INFO"] in {"/websocket", "/longpolling/poll"}
    return SESSIONS.get(environ.get("HTTP_COOKIE", ""), False)
