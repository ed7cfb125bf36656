"""Files as documents print them have no alarm on the machine that they are for, nor have Odoo's own."""

import re
from pathlib import Path

import pytest

from prefork.config.quantities import GIB
from prefork.doctor.evidence import Conf, Evidence, Machine
from prefork.doctor.examine import examine
from prefork.doctor.probes import conf, nginx
from prefork.doctor.routing import Proxy

SERVER = Machine(4, 8 * GIB, 6 * GIB, disk="ssd", loop=9.0)
FILES = {
    "multi-processing on 4 cores and 8 GB": """\
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
""",
    "the complete file, without a section": """\
# ---- Core process settings ----
workers = 4                  # HTTP worker count; formula: (2 × vCPU) + 1
max_cron_threads = 1         # Background/cron worker count
limit_memory_soft = 671088640   # 640 MB
limit_memory_hard = 805306368   # 768 MB
limit_time_cpu  = 60         # CPU time per request
limit_time_real = 120        # Wall-clock time per request
longpolling_port = 8072
proxy_mode = True            # Required when behind Nginx
db_maxconn = 64              # Max PostgreSQL connections per worker
""",
    "a service": """\
[options]
; 4 CPUs * 2 + 1 = 9 workers
workers = 9
; Reserve 1 separate worker just for background tasks (like sending emails)
max_cron_threads = 1
limit_time_cpu = 600
limit_time_real = 1200
limit_memory_hard = 2684354560
limit_memory_soft = 2147483648
""",
    "a node for users": """\
workers = 8
max_cron_threads = 0 # CRITICAL: 0 Crons
http_enable = True
proxy_mode = True
""",
    "a node for jobs": """\
workers = 2
max_cron_threads = 4
http_enable = False # CRITICAL: Rejects HTTP
proxy_mode = True
""",
    "a front end": "[options]\nworkers = 9\nmax_cron_threads = 0\n",
    "a back end": "[options]\nworkers = 2\nmax_cron_threads = 1\n",
    "Odoo's own documentation": """\
[options]
limit_memory_hard = 1677721600
limit_memory_soft = 629145600
limit_request = 8192
limit_time_cpu = 600
limit_time_real = 1200
max_cron_threads = 1
workers = 8
""",
}
FRAGMENTS = {
    "up to 15": """\
location /longpolling {
proxy_pass http://127.0.0.1:8072;
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection "upgrade";
proxy_set_header Host $host;
}
""",
    "from 16 on": """\
upstream odoo-longpolling {
server 127.0.0.1:8072;
}
# In your server block:
location /web/websocket {
proxy_pass         http://odoo-longpolling;
proxy_http_version 1.1;
proxy_set_header   Upgrade    $http_upgrade;
proxy_set_header   Connection "Upgrade";
proxy_read_timeout 86400s;
}
""",
}
ODOOS = """\
upstream odoo { server 127.0.0.1:8069; }
upstream odoochat { server 127.0.0.1:8072; }
map $http_upgrade $connection_upgrade {
  default upgrade;
  ''      close;
}
server {
  listen 80;
  server_name odoo.mycompany.com;
  rewrite ^(.*) https://$host$1 permanent;
}
server {
  listen 443 ssl;
  server_name odoo.mycompany.com;
  proxy_read_timeout 720s;
  proxy_connect_timeout 720s;
  proxy_send_timeout 720s;
  ssl_certificate /etc/ssl/nginx/server.crt;
  ssl_certificate_key /etc/ssl/nginx/server.key;
  ssl_protocols TLSv1.2;
  location /websocket {
    proxy_pass http://odoochat;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Real-IP $remote_addr;
    add_header Strict-Transport-Security "max-age=31536000; includeSubDomains";
    proxy_cookie_flags session_id samesite=lax secure;
  }
  location / {
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_redirect off;
    proxy_pass http://odoo;
    add_header Strict-Transport-Security "max-age=31536000; includeSubDomains";
  }
  location @odoo { proxy_pass http://odoo; }
  location ~ ^/[^/]+/static/.+$ {
    root /opt/odoo/addons;
    try_files $uri @odoo;
    expires 24h;
  }
  location /web/filestore {
    internal;
    alias /path/to/odoo/data-dir/filestore;
  }
  gzip_types text/css text/plain application/json application/javascript;
  gzip on;
}
"""


def alarms(**evidence: object) -> list[str]:
    """What is said against evidence."""
    report = examine(Evidence(machine=SERVER, **evidence))
    return [f"{each.check.name}: {each.finding.seen}" for each in report.verdicts if each.finding.verdict != "pass"]


def written(place: Path, text: str) -> Path:
    place.write_text(text)
    return place


def read(place: Path, text: str) -> Conf:
    found = conf.read(written(place, text), own=False)
    assert isinstance(found, Conf)
    return found


def proxied(place: Path, text: str) -> Proxy:
    found = nginx.read(written(place, text))
    assert isinstance(found, Proxy)
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file_as_it_is_printed_has_no_alarm(name: str, tmp_path: Path) -> None:
    assert alarms(conf=read(tmp_path / "odoo.conf", FILES[name])) == []


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_location_as_it_is_printed_has_no_alarm(name: str, tmp_path: Path) -> None:
    proxy = proxied(tmp_path / "site.conf", FRAGMENTS[name])
    file = read(tmp_path / "odoo.conf", FILES["the complete file, without a section"])
    assert alarms(proxy=proxy, conf=file) == []
    assert alarms(proxy=proxy, conf=file, version=15 if "15" in name else 17) == []


@pytest.mark.parametrize("version", [None, 16, 18])
def test_odoos_own_nginx_has_no_alarm_beside_its_own_file(version: int | None, tmp_path: Path) -> None:
    text = FILES["Odoo's own documentation"] + "proxy_mode = True\nx_sendfile = True\n"
    assert alarms(proxy=proxied(tmp_path / "nginx.conf", ODOOS), conf=read(tmp_path / "odoo.conf", text), version=version) == []


LISTEN, SCHEME = "listen 443 ssl;", "X-Forwarded-Proto $scheme;"
ELSEWHERE = {
    "led to TLS in the same server": {
        LISTEN: LISTEN + "listen 80; if ($scheme != https) { return 301 https://$host$request_uri; }"
    },
    "TLS ends before it": {LISTEN: "listen 8080;", SCHEME: "X-Forwarded-Proto https;"},
    "TLS ends before it, as that says": {LISTEN: "listen 8080;", SCHEME: "X-Forwarded-Proto $http_x_forwarded_proto;"},
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_tls_may_begin_elsewhere(name: str, tmp_path: Path) -> None:
    text = ODOOS
    for old, new in ELSEWHERE[name].items():
        text = text.replace(old, new)
    assert alarms(proxy=proxied(tmp_path / "nginx.conf", text)) == []


def test_an_application_without_live_connections_needs_no_route_for_them(tmp_path: Path) -> None:
    (tmp_path / "prefork.conf").write_text("[options]\napp = shop:app\nproxy_mode = True\nkeepalive_timeout = 75\n")
    file = conf.read(tmp_path / "prefork.conf", own=False)
    proxy = proxied(tmp_path / "nginx.conf", ODOOS.replace("location /websocket", "location /elsewhere"))
    assert alarms(proxy=proxy, conf=file) == []


def test_the_same_files_are_not_for_every_machine(tmp_path: Path) -> None:
    file = read(tmp_path / "odoo.conf", FILES["multi-processing on 4 cores and 8 GB"])
    small = examine(Evidence(conf=file, machine=SERVER.__class__(1, 2 * GIB, GIB, disk="ssd", loop=9.0)))
    wrong = {each.check.name for each in small.verdicts if each.finding.verdict != "pass"}
    assert wrong == {"guessed-workers", "memory-fits"}


def test_the_wrong_version_is_not_what_the_document_means(tmp_path: Path) -> None:
    file = read(tmp_path / "odoo.conf", FILES["the complete file, without a section"])
    found = alarms(proxy=proxied(tmp_path / "site.conf", FRAGMENTS["up to 15"]), conf=file, version=17)
    assert len(found) == 1
    assert re.search(r"live-route-present: .*longpolling.* is there, version 17 asks for /websocket", found[0])
