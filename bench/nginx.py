"""nginx as the measure of large transfers: it sends the files of a directory with sendfile, and stores what is PUT there.

In the foreground with one worker, all of its files in a directory of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

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
    server {{
        listen 127.0.0.1:{port};
        location = / {{ return 200; }}
        location /files/ {{ alias {files}/; dav_methods PUT; }}
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


@contextlib.contextmanager
def nginx(directory: Path, files: Path) -> Iterator[Running]:
    """nginx with `files` at /files/. Raises ServerFailed where it does not come up."""
    if (found := program()) is None:
        raise ServerFailed("nginx is missing: apt-get install nginx")
    port = free_port()
    account = "user root;" if os.geteuid() == 0 else ""  # nobody else may enter the benchmark's directory
    text = CONFIGURATION.format(account=account, directory=directory, port=port, files=files)
    (directory / "nginx.conf").write_text(text)
    log = directory / "nginx.log"
    command = [found, "-e", str(log), "-p", str(directory), "-c", str(directory / "nginx.conf"), "-g", "daemon off;"]
    with running(command, port, directory / "output", {}, directory) as process:
        yield process
