"""A server that behaves as the test asks (STANDIN in its environment), for the tests of the kit itself."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

LAST_WORDS = 30_000  # lines: the pipe takes them at once, and who reads them is not as quick


def say(event: str, **fields: object) -> None:
    print(json.dumps({"time": "now", "level": "info", "event": event, **fields, "message": event}), file=sys.stderr, flush=True)


def option(name: str) -> str:
    lines = Path(sys.argv[sys.argv.index("-c") + 1]).read_text().splitlines()
    return dict(line.split(" = ", 1) for line in lines[1:])[name]


def serve(control: socket.socket) -> None:
    while True:
        connection, _ = control.accept()
        with connection, connection.makefile("rw") as stream:
            command = json.loads(stream.readline())["command"]
            if command == "mute":
                continue
            answer = {
                "ok": command == "status",
                "error": "no",
                "workers": [{"name": "http.1", "pid": os.getpid(), "state": "idle"}],
            }
            print(json.dumps(answer), file=stream, flush=True)


def main() -> int:
    behaviour = os.environ["STANDIN"].split()
    say("starting", version="0", app=option("app"))
    print("the application says hello", file=sys.stderr, flush=True)
    if "talks" in behaviour:
        print("x\n" * LAST_WORDS, end="", file=sys.stderr, flush=True)
    if {"fails", "talks"} & set(behaviour):
        return 3
    path = os.path.join(option("data_dir"), "prefork.sock")
    control = socket.socket(socket.AF_UNIX)
    control.bind(path)
    control.listen()
    if "orphan" in behaviour:
        subprocess.Popen(["sleep", "30"], start_new_session=True)

    def stop(number: int, frame: object) -> None:
        if "socket" not in behaviour:
            os.unlink(path)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    say("server_ready", seconds=0.1, workers=2)
    serve(control)
    return 0


if __name__ == "__main__":
    sys.exit(main())
