"""The programs that judge what is rendered, and what they say."""

import os
import re
import shutil
import subprocess
from pathlib import Path

PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"])
PACKAGES = {
    "apache2": "apache2",
    "promtool": "prometheus",
    "systemd-analyze": "systemd",
    "systemd-escape": "systemd",
}  # others are called what their package is


def program(name: str) -> str:
    """The path of a checker; a test that lacks it fails and says what to install."""
    found = shutil.which(name, path=PLACES)
    assert found, f"{name} is missing: apt-get install {PACKAGES.get(name, name)}"
    return found


def verdict(*command: str | Path, cwd: Path | None = None, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """What a checker says, in both streams."""
    name, *arguments = command
    return subprocess.run(
        [program(str(name)), *arguments],
        cwd=cwd,
        user=user,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )


def accepted(*command: str | Path) -> str:
    """What a checker says of what it accepts."""
    found = verdict(*command)
    assert found.returncode == 0, found.stdout
    return found.stdout


def apache(site: Path, place: Path, own: str = "") -> Path:
    """A main file that loads what the site's first lines name, and the site."""
    modules = Path("/usr/lib/apache2/modules")
    wanted = (
        "mpm_event authn_core authz_core ssl socache_shmcb alias http2 headers proxy proxy_http proxy_wstunnel proxy_balancer "
        "slotmem_shm lbmethod_bybusyness rewrite deflate filter expires"
    )
    loads = "".join(f"LoadModule {each}_module {modules}/mod_{each}.so\n" for each in wanted.split())
    listen = "".join(f"Listen {port}\n" for port in re.findall(r"<VirtualHost \*:(\d+)>", site.read_text()))
    main = place / "apache2.conf"
    head = f"ServerName localhost\nServerRoot {place}\nPidFile {place}/pid\nErrorLog {place}/log\n{listen}{own}"
    main.write_text(f"{head}{loads}Include {site}\n")
    return main
