"""Which controller a request is for, as soon as Odoo knows it: said to whoever has to account for the request."""

from __future__ import annotations

from typing import Any


def follow_controllers() -> None:
    """Have each request say which controller it is for, as soon as that is known."""
    import odoo

    request = odoo.http.WebRequest if hasattr(odoo.http, "WebRequest") else odoo.http.Request  # up to 15, and since
    if hasattr(request, "_set_request_dispatcher"):
        wrapped = request._set_request_dispatcher

        def set_dispatcher(self: Any, rule: Any) -> Any:
            say(self, rule.endpoint)
            return wrapped(self, rule)

        request._set_request_dispatcher = set_dispatcher
    else:
        set_handler = request.set_handler

        def handled(self: Any, endpoint: Any, *arguments: Any) -> Any:
            say(self, endpoint)
            return set_handler(self, endpoint, *arguments)

        request.set_handler = handled


def say(request: Any, endpoint: Any) -> None:
    """Tag a request with its database, user and controller."""
    tag = request.httprequest.environ.get("prefork.tag")
    if tag is None:  # a request that Odoo made up for itself
        return
    session = request.session
    user = getattr(session, "uid", None)
    tag(f"{getattr(request, 'db', None) or getattr(session, 'db', None) or '-'} user={user or '-'} {controller(endpoint)}")


def controller(endpoint: Any) -> str:
    """The name of a controller's method, as `module.Class.method`."""
    method = getattr(endpoint, "func", None) or getattr(endpoint, "method", None) or endpoint
    method = getattr(method, "__func__", method)
    module = getattr(method, "__module__", "").replace("odoo.addons.", "").replace(".controllers", "")
    return f"{module}.{getattr(method, '__qualname__', '?')}"
