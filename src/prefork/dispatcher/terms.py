"""On which terms connections are lent: whether at all, and what no worker answers from a loan. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefork.dispatcher.options import Options


def lends(options: Options) -> bool:
    """Whether connections are lent. What decides about a request before a worker has it must see it first."""
    return (
        options.lend_connections
        and options.keepalive_timeout > 0
        and not options.limit_time_real_routes
        and not any(lane.reserved for lane in options.lanes)
    )


def patterns(options: Options) -> Iterator[str]:
    """The paths whose requests no worker is given, or not any worker."""
    yield "/_prefork/*"
    yield from options.health_paths
    yield from options.websocket_paths
    yield from options.longpolling_paths
    yield from options.websocket_routes
    for prefix, _ in options.static:
        yield prefix.rstrip("/") + "/*"
    if options.addons:
        yield "/*/static/*"
    for lane in options.lanes:
        yield from lane.patterns
