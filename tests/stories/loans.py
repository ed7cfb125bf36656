"""Which requests workers have read themselves, as the access log tells."""

from prefork.testing import Server


def lent(server: Server) -> list[str]:
    """Their ids: each names the worker, which has made it."""
    return [event["request_id"] for event in server.events("access") if "." in event["request_id"]]
