"""nginx: as the measure of large transfers, where it sends the files of a directory with sendfile and stores what is PUT there, and
as the proxy in front of a server.

In the foreground with one worker, all of its files in a directory of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from processes import ServerFailed, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from processes import Running

PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
CONFIGURATION = """
{account}
worker_processes 1;
pid {directory}/nginx.pid;
events {{}}
http {{
    access_log off;
    sendfile on;
    client_max_body_size 0;
    client_body_temp_path {directory}/bodies;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {more}
}}
"""
STORE = """
    server {{
        listen 127.0.0.1:{port};
        location = / {{ return 200; }}
        location /files/ {{ alias {files}/; dav_methods PUT; }}
    }}
"""
PROXY = """
    upstream kept {{ server 127.0.0.1:{server}; keepalive 16; }}
    upstream new {{ server 127.0.0.1:{server}; }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000;
        location = / {{ return 200; }}
        location = /kept {{
            proxy_pass http://kept/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
        location = /new {{
            proxy_pass http://new/;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
"""


def program() -> str | None:
    """Where nginx is; None when it is not installed."""
    return shutil.which("nginx", path=PLACES)


def version() -> str:
    """What nginx calls itself."""
    if (found := program()) is None:
        return "not installed"
    text = subprocess.run([found, "-v"], capture_output=True, text=True, check=False).stderr
    match = re.search(r"nginx/(\S+)", text)
    return match[1] if match else "unknown"


def store(directory: Path, files: Path) -> contextlib.AbstractContextManager[Running]:
    """nginx with `files` at /files/. Raises ServerFailed where it does not come up."""
    return nginx(directory, STORE, files=files)


def proxy(directory: Path, server: int) -> contextlib.AbstractContextManager[Running]:
    """nginx before the port of a `server`: its / is at /kept over connections that are kept, at /new over one for each request."""
    return nginx(directory, PROXY, server=server)


@contextlib.contextmanager
def nginx(directory: Path, more: str, **values: Any) -> Iterator[Running]:
    """nginx with `more` in its configuration, which has these values. Raises ServerFailed where it does not come up."""
    if (found := program()) is None:
        raise ServerFailed("nginx is missing: apt-get install nginx")
    port = free_port()
    account = "user root;" if os.geteuid() == 0 else ""  # nobody else may enter the benchmark's directory
    text = CONFIGURATION.format(account=account, directory=directory, more=more.format(port=port, **values))
    (directory / "nginx.conf").write_text(text)
    log = directory / "nginx.log"
    command = [found, "-e", str(log), "-p", str(directory), "-c", str(directory / "nginx.conf"), "-g", "daemon off;"]
    with running(command, port, directory / "output", {}, directory) as process:
        yield process
