"""A WSGI application that does what it is asked to, so that stories can be told about it. All it gets and gives is validated."""

import ctypes
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs
from wsgiref.validate import validator

STARTED = time.monotonic()
MIB = 1 << 20
HEAP = bytearray(b"x" * (int(os.environ.get("HEAP", "0")) * MIB))  # what all workers share
KEPT = []  # what a worker never gives back
C = ctypes.CDLL(None)
LOCK = threading.Lock()


@validator
def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").replace("/", "_") or "fast"
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    return globals()["do_" + name](environ, start_response, query)


def answer(start_response, said, status="200 OK"):
    body = json.dumps(said).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def do_fast(environ, start_response, query):
    return answer(start_response, {"pid": os.getpid(), "attempt": environ["prefork.attempt"], "method": environ["REQUEST_METHOD"]})


def do_sleep(environ, start_response, query):
    time.sleep(float(query["seconds"]))
    return do_fast(environ, start_response, query)


def mark(query):
    """Tell the test that this request has begun, by a line in its file."""
    with open(query["file"], "a") as file:
        file.write(f"{os.getpid()}\n")


def do_marked(environ, start_response, query):
    mark(query)
    time.sleep(float(query.get("seconds", "0")))
    return do_fast(environ, start_response, query)


def do_held(environ, start_response, query):
    """Answer when the file `gate` is there."""
    mark(query)
    while not os.path.exists(query["gate"]):
        time.sleep(0.01)
    return do_fast(environ, start_response, query)


def do_die(environ, start_response, query):
    """Die at the first attempt, or at each."""
    mark(query)
    if environ["prefork.attempt"] == 1 or "always" in query:
        os.kill(os.getpid(), signal.SIGKILL)
    return do_fast(environ, start_response, query)


def do_exit(environ, start_response, query):
    """End the process."""
    os._exit(int(query["status"]))


def do_half(environ, start_response, query):
    """Send a part of the answer, then die."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "20")])

    def parts():
        yield b"0123456789"
        os.kill(os.getpid(), signal.SIGKILL)
        yield b"0123456789"

    return parts()


class LastParts:
    """Parts of an answer whose server dies when all of them are sent."""

    def __init__(self):
        self.parts = iter([b"0123456789"] * 2)

    def __iter__(self):
        return self.parts

    def close(self):
        os.kill(os.getpid(), signal.SIGKILL)


def do_behind(environ, start_response, query):
    """Send a whole answer in two parts, then die."""
    announced = [("Content-Length", "20")] if "announced" in query else []
    start_response("200 OK", [("Content-Type", "text/plain"), *announced])
    return LastParts()


def do_fork(environ, start_response, query):
    """Leave a child behind that holds every descriptor of this worker, the client's socket among them."""
    child = os.fork()
    if child == 0:
        if "setsid" in query:
            os.setsid()
        time.sleep(float(query["seconds"]))
        os._exit(0)
    if "die" in query:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(start_response, {"pid": os.getpid(), "child": child})


def do_spin(environ, start_response, query):
    clock = time.process_time if "cpu" in query else time.monotonic
    end = clock() + float(query["seconds"])
    while clock() < end:
        pass
    return do_fast(environ, start_response, query)


def do_babble(environ, start_response, query):
    """Write nonsense to every descriptor of the worker that takes it, but the log."""
    for entry in os.listdir("/proc/self/fd"):
        descriptor = int(entry)
        if (
            descriptor > 2
            and os.path.realpath(f"/proc/self/fd/{entry}").startswith("/proc/")
            and "socket:" in os.readlink(f"/proc/self/fd/{entry}")
        ):
            try:
                os.write(descriptor, b"{]nonsense")
            except OSError:
                pass
    return do_fast(environ, start_response, query)


def do_select(environ, start_response, query):
    """Wait for a socket of its own, with select(2)."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        ready, _, _ = select.select([ours], [], [], 10)
        return answer(start_response, {"ready": len(ready), "number": ours.fileno()})


def do_torn(environ, start_response, query):
    """Raise after a part of the answer, whose length nobody knows."""
    start_response("200 OK", [("Content-Type", "text/plain")])

    def parts():
        yield b"0123456789"
        raise ValueError("torn")

    return parts()


def do_leak(environ, start_response, query):
    KEPT.append(b"x" * (int(query["mib"]) * MIB))
    return do_fast(environ, start_response, query)


def do_touch(environ, start_response, query):
    """Write to every page that this worker shares with the others."""
    HEAP[::4096] = b"y" * (len(HEAP) // 4096)
    return do_fast(environ, start_response, query)


def do_hog(environ, start_response, query):
    """Leave a child in a session of its own, with a child of its own, and allocate without an end."""
    born, birth = os.pipe()
    if os.fork() == 0:
        os.setsid()
        os.fork()
        os.write(birth, b"x")
        time.sleep(60)
    while len(os.read(born, 1)) + len(os.read(born, 1)) < 2:
        pass
    environ["prefork.tag"]("the hog")
    limit, noted = int(query["limit"]) * MIB, False
    while True:
        KEPT.append(b"x" * (4 * MIB))
        if len(KEPT) * 4 * MIB > limit and not noted:
            noted = True
            with open(query["file"], "w") as file:
                file.write(str(time.time()))


def do_swell(environ, start_response, query):
    """Grow to so many MiB, note when this process had how much of them, and stay so large for a while."""
    with open(query["file"], "w", buffering=1) as file:
        while True:
            size = proportional()
            file.write(json.dumps([time.time(), size]) + "\n")
            if size > float(query["mib"]) * MIB:
                break
            KEPT.append(b"x" * MIB)
    time.sleep(float(query.get("seconds", "0")))
    return do_fast(environ, start_response, query)


def proportional():
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) << 10 for line in rollup if line.startswith("Pss:"))


def do_usleep(environ, start_response, query):
    while True:  # a signal ends the call
        C.usleep(30_000_000)


def do_backtrack(environ, start_response, query):
    re.match("(a+)+$", "a" * 40 + "b")


def do_lock(environ, start_response, query):
    LOCK.acquire()
    LOCK.acquire()


def do_crash(environ, start_response, query):
    ctypes.string_at(0)


def do_stop(environ, start_response, query):
    os.kill(os.getpid(), signal.SIGSTOP)
    return do_fast(environ, start_response, query)


def do_deaf(environ, start_response, query):
    """Take the signal that asks for stacks for something else, then do what else is wanted."""
    signal.signal(signal.SIGRTMIN + 7, signal.SIG_IGN)
    return globals()["do_" + query["then"]](environ, start_response, query)


def do_suspend(environ, start_response, query):
    """Hang in the kernel, where no signal but SIGKILL gets through: until a child that borrows the memory gives it back."""
    C.vfork()
    time.sleep(60)


def do_bomb(environ, start_response, query):
    """Five children, one in a session of its own; then hang."""
    for number in range(5):
        if os.fork() == 0:
            if number == 0:
                os.setsid()
            time.sleep(60)
    time.sleep(60)


def do_subprocess(environ, start_response, query):
    """Have another process compute."""
    code = f"import time\nwhile time.process_time() < {float(query['seconds'])}: pass"
    subprocess.run([sys.executable, "-S", "-c", code], check=True)
    return do_fast(environ, start_response, query)
