"""The options that bound waiting."""

from __future__ import annotations

from prefork.config import kinds
from prefork.config.option import grouped, option
from prefork.config.quantities import LONGEST, SHORTEST


@grouped
class Timeouts:
    """How long clients and requests may take before they reach a worker."""

    header_timeout: float = option(
        kinds.TIME, 30.0, "A client has this long to send a request's head", minimum=SHORTEST, maximum=LONGEST
    )
    body_timeout: float = option(
        kinds.TIME,
        60.0,
        "A client that sends nothing of a request's body for this long is cut off",
        minimum=SHORTEST,
        maximum=LONGEST,
    )
    keepalive_timeout: float = option(
        kinds.TIME,
        75.0,
        "An idle connection is kept open for this long; 0 closes it after each response",
        minimum=0,
        maximum=LONGEST,
    )
    wait_target: float = option(
        kinds.TIME,
        0.05,
        "How long 95 % of the requests may wait for a worker: what `prefork advise` finds workers for. With `workers = auto` a "
        "request that waits longer brings one more",
        minimum=SHORTEST,
        maximum=LONGEST,
    )
    queue_timeout: float = option(
        kinds.TIME,
        30.0,
        "A request that has waited this long for an idle worker gets 503",
        minimum=SHORTEST,
        maximum=LONGEST,
    )
