"""The servers of the limits report: each with the limits that it has, set to the same values. This module starts nothing.

Three seconds for a request; 150 MiB after which a worker is replaced, 300 MiB at which it is killed. Where a server has no limit of
memory, a number of requests after which a worker is replaced stands in, for the leak only: it is what their operators do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import servers
from servers import Server, direct_children, gunicorn, only, prefork, prefork_workers, uwsgi, uwsgi_workers

if TYPE_CHECKING:
    from servers import Launch

SECONDS = 3.0
SOFT, HARD = 150, 300  # MiB
REQUESTS = 100
BY_REQUESTS = frozenset({"gunicorn-sync", "uvicorn"})

HARM = only("sleep", "spin", "allocate", "leak", "crash")
PREFORK = {
    "limit_time_real": SECONDS, "limit_time_cpu": SECONDS, "limit_memory_soft": f"{SOFT}M", "limit_memory_hard": f"{HARD}M",
}  # fmt: skip
NO_LIMITS = dict.fromkeys(PREFORK, 0)
UWSGI = [
    "--harakiri", f"{SECONDS:.0f}", "--harakiri-verbose", "--reload-on-rss", str(SOFT), "--evil-reload-on-rss", str(HARD),
]  # fmt: skip
GRANIAN = ["--workers-max-rss", str(SOFT), "--rss-sample-interval", "1", "--workers-kill-timeout", "2", "--respawn-interval", "0.1"]


def granian(launch: Launch) -> list[str]:
    """Granian's command with its limits."""
    *command, application = servers.granian(launch)
    return [*command, *GRANIAN, application]


LIMITED = (
    Server(
        "prefork",
        "prefork",
        prefork("warning", **PREFORK),
        prefork_workers,
        f"limit_time_real and limit_time_cpu {SECONDS:.0f} s, limit_memory_soft {SOFT} MiB, limit_memory_hard {HARD} MiB",
        scenarios=HARM,
    ),
    Server(
        "gunicorn-sync",
        "gunicorn",
        gunicorn("--timeout", f"{SECONDS:.0f}"),
        direct_children,
        f"sync workers, --timeout {SECONDS:.0f}; no limit of memory; --max-requests {REQUESTS} for the leak",
        scenarios=HARM,
    ),
    Server(
        "uwsgi",
        "uWSGI",
        uwsgi("--http", "--http-keepalive", *UWSGI),
        uwsgi_workers,
        f"HTTP router with keep-alive, {' '.join(UWSGI)}",
        scenarios=HARM,
    ),
    Server(
        "uwsgi-socket",
        "uWSGI",
        uwsgi("--http-socket", "--add-header", "Connection: close", *UWSGI),
        uwsgi_workers,
        "the same limits; workers speak HTTP themselves, close every connection and say so",
        scenarios=HARM,
    ),
    Server(
        "granian",
        "granian",
        granian,
        direct_children,
        f"--respawn-failed-workers {' '.join(GRANIAN)}; no limit of time (--workers-lifetime counts from 60 s)",
        scenarios=HARM,
    ),
    Server(
        "uvicorn",
        "uvicorn",
        servers.uvicorn,
        direct_children,
        f"the application's ASGI form; no limits of time or memory; --limit-max-requests {REQUESTS} for the leak",
        scenarios=HARM,
    ),
    Server(
        "prefork-limits",
        "prefork",
        prefork("warning"),
        prefork_workers,
        "the limits that are set by default",
        scenarios=only("cost"),
    ),
    Server(
        "prefork-no-limits",
        "prefork",
        prefork("warning", **NO_LIMITS),
        prefork_workers,
        "all four limits 0",
        scenarios=only("cost"),
    ),
)
