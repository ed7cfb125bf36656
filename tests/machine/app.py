"""What the machine serves: requests that take memory in every way."""

import json
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs
from wsgiref.validate import validator

MIB = 1 << 20
KEPT = []
USED = Path("/sys/fs/cgroup/system.slice/fused.service/memory.current")


@validator
def app(environ, start_response):
    query = {key: int(values[0]) for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    said = {"pid": os.getpid(), "made": globals()["do_" + environ["PATH_INFO"].strip("/")](**query)}
    body = json.dumps(said).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def do_fast():
    return None


def do_leak(mib, seconds=0):
    KEPT.append(b"x" * (mib * MIB))
    time.sleep(seconds)


def do_hog(mib):
    """As fast as it can, in one call that holds the interpreter."""
    return len(b"x" * (mib * MIB))


def do_child(mib):
    """The same in a subprocess, whose memory the worker's limits do not count."""
    return subprocess.run([sys.executable, "-c", f"b'x' * ({mib} << 20)"], check=False).returncode


def do_stay(seconds):
    """Wait, as for a database that does not answer."""
    time.sleep(seconds)


def do_burn():
    """Compute, for ever."""
    while True:
        pass


def do_crash():
    """End as a broken extension does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def do_write():
    """Where it could write, of places where it must not and one where it may."""
    return {
        path: error_of(path) for path in ("/etc/left", "/usr/left", "/home/site/left", "/var/lib/left", "/var/lib/hardened/left")
    }


def error_of(path):
    try:
        Path(path).write_text("here")
    except OSError as error:
        return error.strerror
    return None


def do_daemon(seconds):
    """A process that outlives its worker and, in a session of its own, its master."""
    if os.fork() == 0:
        os.setsid()
        if child := os.fork():
            os._exit(child > 0 and 0)
        time.sleep(seconds)
        os._exit(0)
    os.wait()


def do_squeeze(mib):
    """Have all processes of the service use so much together, and ask for more until somebody has made room."""
    taken = []
    while used() < mib * MIB:
        taken.append(pages(MIB))
    while used() > (mib - 32) * MIB:
        pages(4 * MIB).close()


def used():
    return int(USED.read_text())


def pages(size):
    """Memory that the kernel has to find: malloc would give again what was freed."""
    found = mmap.mmap(-1, size)
    found.write(b"x" * size)
    return found
