"""Configurations as the deployment guides for Odoo print them: they must load unchanged."""

from collections.abc import Callable

import pytest

from prefork.config import Settings
from prefork.config.hosted import told

Configure = Callable[..., Settings]

NINE_WORKERS = """\
[options]
# 1. Enable Multiprocessing
workers = 9
# 2. Memory Limits (Prevent Memory Leaks)
# Soft Limit: Worker is recycled after finishing current request
limit_memory_soft = 671088640 ; 640 MB
# Hard Limit: Worker is killed instantly (Panic mode)
limit_memory_hard = 805306368 ; 768 MB
# 3. Time Limits (Prevent Infinite Loops)
# Maximum time a request can take (e.g., heavy report)
limit_time_cpu = 60
limit_time_real = 120
"""

COMPLETE = """\
# /etc/odoo/odoo.conf

# ---- Core process settings ----
workers = 4                  # HTTP worker count; formula: (2 × vCPU) + 1
max_cron_threads = 1         # Background/cron worker count

# ---- Memory limits (bytes) ----
# Soft: worker recycles gracefully after current request if exceeded
limit_memory_soft = 671088640   # 640 MB

# Hard: worker killed immediately if exceeded (no graceful finish)
limit_memory_hard = 805306368   # 768 MB

# ---- Time limits (seconds) ----
limit_time_cpu  = 60         # CPU time per request
limit_time_real = 120        # Wall-clock time per request

# ---- Longpolling port ----
# Gevent worker starts automatically on this port when workers > 0
longpolling_port = 8072

# ---- Other recommended settings ----
proxy_mode = True            # Required when behind Nginx
db_maxconn = 64              # Max PostgreSQL connections per worker
"""

FORMULA = """\
[options]
; 4 CPUs * 2 + 1 = 9 workers
workers = 9

; Reserve 1 separate worker just for background tasks (like sending emails)
max_cron_threads = 1
"""

LIMITS = """\
limit_time_cpu = 600
limit_time_real = 1200
limit_memory_hard = 2684354560
limit_memory_soft = 2147483648
"""

FRONTEND = """\
workers = 8

max_cron_threads = 0 # CRITICAL: 0 Crons

http_enable = True

proxy_mode = True
"""

BACKEND = """\
workers = 2

max_cron_threads = 4

http_enable = False # CRITICAL: Rejects HTTP

proxy_mode = True
"""


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            NINE_WORKERS,
            {
                "workers": 9,
                "limit_memory_soft": 671088640,
                "limit_memory_hard": 805306368,
                "limit_time_cpu": 60.0,
                "limit_time_real": 120.0,
            },
        ),
        (
            COMPLETE,
            {"workers": 4, "max_cron_threads": 1, "limit_memory_soft": 671088640, "websocket_port": 8072, "proxy_mode": True},
        ),
        (FORMULA, {"workers": 9, "max_cron_threads": 1}),
        (
            LIMITS,
            {"limit_time_cpu": 600.0, "limit_time_real": 1200.0, "limit_memory_hard": 2684354560, "limit_memory_soft": 2147483648},
        ),
        (FRONTEND, {"workers": 8, "max_cron_threads": 0, "http_enable": True, "proxy_mode": True}),
        (BACKEND, {"workers": 2, "max_cron_threads": 4, "http_enable": False, "proxy_mode": True}),
        ("proxy_mode = True", {"proxy_mode": True}),
    ],
    ids=["nine-workers", "complete", "formula", "limits", "frontend", "backend", "proxy"],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_printed_blocks_load(configure: Configure, text: str, values: dict[str, object], ends: str) -> None:
    settings = configure(text.replace("\n", ends))
    assert {name: settings.value(name) for name in values} == values


def test_the_complete_block_keeps_what_is_odoos(configure: Configure) -> None:
    assert configure(COMPLETE).host_options == {"db_maxconn": "64"}


def test_odoo_is_told_what_has_a_comment_behind_it(configure: Configure) -> None:
    text = f"{FRONTEND}limit_time_cpu = 60\ndb_maxconn = 64 ; each\nxmlrpc_port = 1 # old\n"
    assert told(configure(text)) == {"workers": "8", "max_cron_threads": "0", "db_maxconn": "64", "http_port": "1"}
    assert told(configure(text, {"max_cron_threads": "3"}))["max_cron_threads"] == "3", "a flag is above the file"
    assert "admin_passwd" not in told(configure("admin_passwd = a ; b")), "a secret is not cut"


def test_the_flag_for_server_wide_modules(configure: Configure) -> None:
    assert configure("load = base,web").server_wide_modules == ("base", "web")
