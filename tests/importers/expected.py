"""What each of forty configurations, written as people write them, has to become: ten for each kind of file, in `styles/`.

`{place}` is a directory that holds the application `shop.py` and directories `static`, `run`, `log` and `venv`.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Style(NamedTuple):
    """A file below `styles/`, and the settings that come out. `changed` and `left` are settings that must be said to be so."""

    file: str
    settings: dict[str, Any]
    changed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


STYLES = (
    Style(
        "gunicorn-four-lines/gunicorn.conf.py",
        {"app": "shop:app", "http_interface": ("127.0.0.1",), "http_port": 8000, "workers": 3, "limit_time_real": 45.0},
        changed=("timeout",),
    ),
    Style("gunicorn-by-processors/gunicorn.conf.py", {"workers": 2, "http_port": 8000}, left=("threads",)),
    Style(
        "gunicorn-from-the-environment/gunicorn.conf.py",
        {"http_interface": ("0.0.0.0",), "http_port": 8123, "workers": 2, "log_level": "info"},
    ),
    Style(
        "gunicorn-a-unix-socket-behind-nginx/gunicorn.conf.py",
        {
            "http_interface": ("unix:{place}/run/shop.sock",),
            "proxy_mode": True,
            "trusted_proxies": ("127.0.0.1",),
            "umask": 7,
            "backlog": 512,
        },
    ),
    Style(
        "gunicorn-two-places/gunicorn.conf.py",
        {"app": "shop:application", "http_interface": ("127.0.0.1", "::1"), "http_port": 8000},
    ),
    Style(
        "gunicorn-recycling/gunicorn.conf.py",
        {
            "app": "shop:make()",
            "limit_request": 1000,
            "limit_request_jitter": 50,
            "graceful_timeout": 20.0,
            "keepalive_timeout": 5.0,
            "preload": "auto",
        },
    ),
    Style(
        "gunicorn-hooks-and-logs/gunicorn.conf.py",
        {"logfile": "{place}/log/error.log", "access_log": True},
        left=("post_fork", "when_ready", "access_log_format"),
    ),
    Style("gunicorn-uvicorn-workers/gunicorn.conf.py", {"workers": 2, "interface": "asgi"}, left=("worker_connections",)),
    Style("gunicorn-computed-in-a-loop/gunicorn.conf.py", {"backlog": 1024}, left=("raw_env",)),
    Style(
        "gunicorn-tls-and-statsd/gunicorn.conf.py",
        {"workers": 1, "limit_time_real": 30.0},
        left=("keyfile", "certfile", "statsd_host", "daemon", "proc_name"),
    ),
    Style(
        "uwsgi-as-in-the-tutorials/uwsgi.ini",
        {
            "app": "shop:app",
            "workers": 5,
            "http_interface": ("unix:{place}/run/shop.sock",),
            "http_socket_mode": 432,
            "proxy_mode": True,
        },
        changed=("socket",),
    ),
    Style(
        "uwsgi-http-and-a-file/uwsgi.ini",
        {"http_port": 9090, "app": "shop:app", "app_dir": "{place}", "workers": 4},
        changed=("wsgi-file",),
        left=("threads", "stats"),
    ),
    Style("uwsgi-names-for-paths/uwsgi.ini", {"app_dir": "{place}", "app": "shop:app", "http_port": 8001, "workers": 2}),
    Style("uwsgi-its-own-directory/uwsgi.ini", {"app_dir": "{place}", "logfile": "{place}/log/uwsgi.log", "http_port": 8002}),
    Style(
        "uwsgi-memory-and-time/uwsgi.ini",
        {
            "limit_time_real": 30.0,
            "limit_request": 5000,
            "limit_request_jitter": 100,
            "limit_memory_soft": 314572800,
            "limit_memory_hard": 419430400,
            "limit_time_worker": 3600.0,
            "graceful_timeout": 15.0,
        },
        changed=("reload-on-rss",),
    ),
    Style("uwsgi-statics/uwsgi.ini", {"static": (("/static", "{place}/static"),), "max_header_size": 16384, "backlog": 100}),
    Style(
        "uwsgi-cheaper/uwsgi.ini",
        {"workers": "auto", "workers_min": 2, "workers_max": 8, "preload": "false", "access_log": False},
        changed=("cheaper",),
        left=("cheaper-algo",),
    ),
    Style("uwsgi-cron-and-spooler/uwsgi.ini", {"http_port": 8006}, left=("spooler", "mule", "cron", "env")),
    Style("uwsgi-with-underscores/uwsgi.ini", {"http_port": 8007, "dev": True}),
    Style("uwsgi-gevent-and-an-emperor/uwsgi.ini", {"logfile": "{place}/log/s.log"}, left=("gevent", "emperor", "if-env")),
    Style(
        "unit-one-listener/unit.json",
        {"http_interface": ("0.0.0.0",), "http_port": 8300, "app": "shop:app", "app_dir": "{place}", "workers": 1},
    ),
    Style("unit-a-number-of-processes/unit.json", {"workers": 4, "app": "shop:application"}, left=("threads",)),
    Style("unit-dynamic-processes/unit.json", {"workers": "auto", "workers_min": 2, "workers_max": 6}, changed=("processes",)),
    Style("unit-limits/unit.json", {"limit_time_real": 10.0, "limit_request": 2000}, changed=("limits.timeout",)),
    Style("unit-a-share/unit.json", {"static": (("/static", "{place}/static"),)}),
    Style(
        "unit-http-settings/unit.json",
        {"header_timeout": 10.0, "body_timeout": 20.0, "keepalive_timeout": 60.0, "max_body_size": 6291456},
    ),
    Style("unit-behind-a-proxy/unit.json", {"proxy_mode": True, "trusted_proxies": ("10.0.0.0/8",)}, left=("environment",)),
    Style(
        "unit-a-socket-and-isolation/unit.json",
        {"http_interface": ("unix:{place}/run/unit.sock",), "logfile": "{place}/log/e.log"},
        changed=("access_log", "stderr"),
        left=("isolation",),
    ),
    Style("unit-a-factory-and-another-language/unit.json", {"app": "shop:make()"}, left=("applications.blog",)),
    Style(
        "unit-tls-and-routes/unit.json", {"http_port": 8443, "app_dir": "{place}"}, changed=("listeners.*:8443",), left=("routes",)
    ),
    Style("procfile-heroku/Procfile", {"app": "shop:app", "http_port": 8000, "workers": 1}, left=("release", "worker")),
    Style("procfile-with-a-port/Procfile", {"workers": 4, "limit_time_real": 60.0}, changed=("bind", "timeout")),
    Style("procfile-short-flags/Procfile", {"workers": 3, "http_port": 8010, "limit_time_real": 90.0, "limit_request": 500}),
    Style("procfile-a-file-of-gunicorn/Procfile", {"workers": 2, "backlog": 99}),
    Style(
        "procfile-uvicorn/Procfile",
        {"app": "shop:app", "http_port": 8011, "workers": 2, "proxy_mode": True, "keepalive_timeout": 20.0, "access_log": False},
    ),
    Style("procfile-uvicorn-factory/Procfile", {"app": "shop:make()", "http_port": 8012, "limit_request": 1000}),
    Style("procfile-uwsgi-flags/Procfile", {"app": "shop:app", "workers": 3, "http_port": 8013, "limit_time_real": 20.0}),
    Style("procfile-hypercorn/Procfile", {"http_port": 8014, "workers": 2, "graceful_timeout": 5.0}),
    Style(
        "supervisor-and-gunicorn/shop.conf",
        {"workers": 2, "http_port": 8015, "app_dir": "{place}", "graceful_timeout": 30.0, "logfile": "{place}/log/out.log"},
        changed=("stdout_logfile",),
        left=("environment", "autostart"),
    ),
    Style(
        "supervisor-and-others/shop.conf",
        {"workers": 2, "python": "{place}/venv/bin/python"},
        left=("supervisord", "program:celery"),
    ),
)
