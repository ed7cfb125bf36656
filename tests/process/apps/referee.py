"""The standard library's referee for WSGI, with relaxations where it is stricter than the standard; each has its name here.

ASTERISK: the target of `OPTIONS *` is no path (RFC 9112, 3.2.4), and the referee wants each PATH_INFO to begin with a slash.
UNTYPED: an answer that only names a file leaves its type to whoever sends the file, and the referee wants a Content-Type.
TYPED: an answer without content may name a type (RFC 9110, 8.3), as every framework does, and the referee wants none.
VISIBLE: a server may look at what was returned (PEP 3333: a list of one; wsgi.file_wrapper), and the referee hides it.
Everything else about environ, headers, body and closing is checked as ever.
"""

from wsgiref.validate import validator

ASTERISK, STAND_IN = "*", "/*"
NAMING = {"x-sendfile", "x-accel-redirect"}
UNTYPED = ("Content-Type", "left/to-the-server")  # the referee sees it, the server does not
TYPED = "X-Content-Type"  # what the referee sees, where the server sees the type of no content


def refereed(application, visible=False):
    """The application between two referees' eyes; `visible`: the server sees the very list or file that it returns."""

    def inside(environ, start_response):
        def start(status, headers, *exc_info):
            return start_response(status, disguised(status, headers), *exc_info)

        if environ["REQUEST_URI"] == ASTERISK:
            environ["PATH_INFO"] = ASTERISK
        return application(environ, start)

    checked = validator(inside)

    def outside(environ, start_response):
        def start(status, headers, *exc_info):
            return start_response(status, undisguised(headers), *exc_info)

        if environ["PATH_INFO"] == environ["REQUEST_URI"] == ASTERISK:
            environ["PATH_INFO"] = STAND_IN
        watched = checked(environ, start)
        return shown(watched, environ["wsgi.file_wrapper"]) if visible else watched

    return outside


def disguised(status, headers):
    """What the referee sees of the headers."""
    if untyped(headers):
        return [*headers, UNTYPED]
    if type(headers) is list and status[:3] in {"204", "304"}:
        return [(TYPED if name.lower() == "content-type" else name, value) for name, value in headers]
    return headers


def undisguised(headers):
    """The headers as the application gave them."""
    return [("Content-Type" if name == TYPED else name, value) for name, value in headers if (name, value) != UNTYPED]


def untyped(headers):
    """Whether an answer names a file, and no type."""
    names = {name.lower() for name, _ in headers} if type(headers) is list else set()
    return bool(names & NAMING) and "content-type" not in names


def shown(watched, file_wrapper):
    """What the application returned, where a server may tell it from others; its parts and its closing are checked all the same."""
    returned = watched.original_iterator
    if isinstance(returned, (list, tuple)):
        for _ in watched:
            pass
        watched.close()
        return returned
    if isinstance(returned, file_wrapper):
        close = returned.close

        def closed():
            watched.closed = True
            close()

        returned.close = closed
        return returned
    return watched
