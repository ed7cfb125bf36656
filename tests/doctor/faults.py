"""The faults that doctor is tried with: those of files are tables, the others belong to the tests that make them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., None])
FAULTS: list[tuple[str, str]] = []  # each with the checks that find it, as docs/doctor.md has them


def fault(name: str, checks: str) -> Callable[[Test], Test]:
    """Say which fault a test makes."""

    def note(test: Test) -> Test:
        FAULTS.append((name, checks))
        return test

    return note


@dataclass(frozen=True)
class Slip:
    """An option that is set to something else. The fix is pasted into the file."""

    name: str
    check: str
    level: str
    options: dict[str, str]


@dataclass(frozen=True)
class Cut:
    """A text of nginx's file that is another one. The fix stands in its place or `before` something, or `heal` undoes it."""

    name: str
    check: str
    level: str
    old: str
    new: str
    heal: str = ""
    before: str = ""


ASIDE = "location @site {"
SLIPS = [
    Slip("threaded mode", "threaded-mode", "fail", {"workers": "0"}),
    Slip("a guessed number of workers", "guessed-workers", "fail", {"workers": "400"}),
    Slip("more workers than memory", "memory-fits", "fail", {"workers": "500"}),
    Slip("one worker left", "one-worker-left", "warn", {"workers": "1"}),
    Slip("a hard limit above the memory", "hard-limit-fits", "fail", {"limit_memory_hard": str(1 << 44)}),
    Slip("a soft limit at the hard one", "soft-limit-range", "warn", {"limit_memory_soft": "800000000"}),
    Slip("a soft limit above the hard one", "soft-limit-range", "fail", {"limit_memory_soft": "900000000"}),
    Slip("a soft limit below a worker", "soft-limit-room", "warn", {"limit_memory_soft": "100M", "limit_memory_hard": "125M"}),
    Slip("no limit of memory", "limits-of-memory", "warn", {"limit_memory_soft": "0"}),
    Slip("no limit of time", "limits-of-time", "warn", {"limit_time_real": "0"}),
    Slip("time limits the wrong way round", "time-limits-ordered", "warn", {"limit_time_cpu": "600"}),
    Slip("a limit that kills idle cron workers", "cron-limit-beat", "warn", {"limit_time_real_cron": "30"}),
    Slip("proxy_mode off", "proxy-mode", "fail", {"proxy_mode": "False"}),
    Slip("needless modules for all", "modules-needed", "warn", {"server_wide_modules": "base,web,account,stock"}),
    Slip("sessions in memory", "sessions-outlive-workers", "fail", {"session_store": "memory"}),
    Slip("attachments by Python", "attachments-offloaded", "warn", {"x_sendfile": "False"}),
]
CUTS = [
    Cut("no live route", "live-route-present", "fail", "websocket {", "unused {", before=ASIDE),
    Cut("the live route of another version", "live-route-present", "fail", "websocket {", "longpolling {", before=ASIDE),
    Cut(
        "the live route to the wrong port",
        "live-route-port",
        "fail",
        "proxy_pass http://site_live;",
        "proxy_pass http://site_http;",
    ),
    Cut("no Upgrade on the live route", "live-route-headers", "fail", "proxy_set_header Upgrade           $http_upgrade;", "#u"),
    Cut("an impatient live route", "live-route-patience", "warn", "proxy_read_timeout 1h;", "proxy_read_timeout 20s;"),
    Cut("no X-Forwarded-Host", "forwarded-headers", "fail", "X-Forwarded-Host  $host", "X-Lost $host", "X-Forwarded-Host $host"),
    Cut("nginx gives up first", "timeouts-ordered", "warn", "proxy_read_timeout        160s;", "proxy_read_timeout 30s;"),
    Cut("orders sent twice", "nothing-done-twice", "fail", "error timeout;", "error timeout non_idempotent;", "error timeout;"),
    Cut("statics by Python", "statics-offloaded", "warn", "~ ^/[A-Za-z0-9_]+/static/", "/elsewhere", before=ASIDE),
    Cut("downloads that are empty", "attachments-offloaded", "fail", "/web/filestore {", "/web/elsewhere {", before=ASIDE),
    Cut("HTTP without TLS", "tls-at-the-edge", "fail", "ssl http2;", "default_server;", "ssl http2;"),
    Cut("old versions of TLS", "tls-versions", "warn", "ssl_protocols       TLSv1.2 TLSv1.3;", "ssl_protocols TLSv1 TLSv1.2;"),
    Cut("a misspelt directive", "nginx-directives", "fail", "proxy_redirect off;", "proxy_redirct off;"),
    Cut("a file that nginx refuses", "nginx-reads", "fail", "gzip on;", "gzip on; }", "gzip on;"),
]
FAULTS += [(each.name, each.check) for each in (*SLIPS, *CUTS)]
