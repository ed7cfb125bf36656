"""A real server for one test: its own directory, configuration file, port and session of processes.

It is steered as an operator would: by signals, by the control socket and by the file. Closing it is a check: nothing that it
started may live on, and its socket must be gone. Never imports the server's own code.
"""

import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from signal import SIGKILL, SIGTERM
from types import TracebackType
from typing import IO, Any, Self

from prefork.testing import processes
from prefork.testing.log import Event, Log
from prefork.testing.ports import free_port

DEFAULTS: dict[str, object] = {"workers": 2, "websocket_workers": 0, "http_interface": "127.0.0.1", "console": False}
SERVING = frozenset({"idle", "busy", "waiting"})
GRACE = 10.0  # seconds that processes may take to follow their master


class Server:
    """A server of `app`. Every other keyword is an option of the configuration file; None leaves the option out.

    `arguments` are for the command line of `serve`. With `at_terminal` it is started from a terminal of its own, and `type` writes
    as a keyboard does.
    Use it as a context manager (started and ready inside), or `launch()` it and `close()` it for a start that is meant to fail.
    `env` is added to the environment. Each method that waits raises AssertionError with the whole log.
    """

    command: Sequence[str] = (sys.executable, "-m", "prefork")

    def __init__(
        self,
        app: str | None = None,
        app_dir: str | os.PathLike[str] | None = None,
        python: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        at_terminal: bool = False,
        arguments: Sequence[str] = (),
        **options: object,
    ) -> None:
        self.directory = tempfile.mkdtemp(prefix="prefork-")
        self.data_dir = os.path.join(self.directory, "data")
        self.configuration = os.path.join(self.directory, "prefork.conf")
        self.socket_path = os.path.join(self.data_dir, "prefork.sock")
        self.port = free_port()
        self.websocket_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = Log()
        self._mark = str(uuid.uuid4())
        self._env = dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._at_terminal = at_terminal
        self._arguments = list(arguments)
        self._keyboard = -1
        place = None if app_dir is None else os.path.abspath(app_dir)
        interpreter = None if python is None else os.path.abspath(python)
        own: dict[str, object] = {
            "app": app,
            "app_dir": place,
            "python": interpreter,
            "data_dir": self.data_dir,
            "http_port": self.port,
            "websocket_port": self.websocket_port,
        }
        self._options = {**DEFAULTS, **own}
        os.mkdir(self.data_dir)
        self.configure(**options)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self._abandon()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
            return
        print(f"The server's log:\n{self.log.text()}", file=sys.stderr)
        self._abandon()

    # Starting and stopping

    def configure(self, **options: object) -> None:
        """Write the configuration file again with these options changed; None takes an option out. A reload reads it."""
        self._options.update(options)
        lines = [f"{name} = {_written(value)}" for name, value in self._options.items() if value is not None]
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write("\n".join(["[options]", *lines, ""]))

    def launch(self) -> Self:
        """Start the process and return at once."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFORK_")}
        environment.update(self._env)
        environment[processes.MARK] = self._mark
        command = [*self.command, "serve", "-c", self.configuration, "--log-format", "json", *self._arguments]
        self._reader = self.log.follow((self._open_terminal if self._at_terminal else self._open)(command, environment))
        return self

    def _open(self, command: Sequence[str], environment: Mapping[str, str]) -> IO[bytes]:
        """Start the process; gives what it prints."""
        self._process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        return self._process.stdout

    def _open_terminal(self, command: Sequence[str], environment: Mapping[str, str]) -> IO[bytes]:
        """Start the process as the leader of a terminal's session; gives what appears there."""
        self._keyboard, terminal = pty.openpty()
        attributes = termios.tcgetattr(terminal)
        attributes[3] &= ~termios.ECHO  # keys would stand before the events of the log
        termios.tcsetattr(terminal, termios.TCSANOW, attributes)
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            cwd=self.directory,
            env=environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        return open(os.dup(self._keyboard), "rb")

    def start(self, timeout: float = 30.0) -> Self:
        """Start the process and wait until the server is ready."""
        mark = self.mark()
        self.launch()
        self._until(lambda: bool(self.log.events("server_ready", after=mark)) or self._ended(), timeout, "be ready")
        if self._ended():
            raise AssertionError(f"the server ended with {self.exit_status()} before it was ready; its log:\n{self.log.text()}")
        return self

    def stop(self, timeout: float = 30.0) -> int:
        """Ask the server to stop (SIGTERM) and give its exit status."""
        if not self._ended():
            self.signal(SIGTERM)
        return self.exit_status(timeout)

    def exit_status(self, timeout: float = 30.0) -> int:
        """The exit status, waiting for the end and its last words in the log; minus the signal when one killed the master."""
        self._until(self._ended, timeout, "end")
        self._reader.join(GRACE)
        status = self._running.poll()
        assert status is not None
        return status

    def crash(self) -> None:
        """Kill all its processes at once, as a power failure would, and wait until none is left. `start()` may follow."""
        processes.kill_all(self.tree())
        self._until(lambda: self._ended() and not self.tree(), 2 * GRACE, "vanish")

    def close(self) -> None:
        """Stop the server if it still runs. Raises AssertionError when it leaves a process or its control socket behind."""
        try:
            if self._process is None:
                return
            status = self.stop()
            self._until(lambda: not self.tree(), GRACE, "take its processes with it")
            self._reader.join(GRACE)
            # A master that was killed cannot remove its socket.
            if status >= 0 and os.path.exists(self.socket_path):
                raise AssertionError(f"the stopped server left its control socket {self.socket_path}; its log:\n{self.log.text()}")
        finally:
            self._abandon()

    # Watching

    @property
    def pid(self) -> int:
        """The master's pid."""
        return self._running.pid

    def mark(self) -> int:
        """The position in the log now, for `wait_for(…, after=mark)`."""
        return self.log.mark()

    def events(self, name: str | None = None, after: int = 0, **fields: object) -> list[Event]:
        """The events so far; see `Log.events`."""
        return self.log.events(name, after, **fields)

    def wait_for(self, name: str, timeout: float = 30.0, after: int = 0, **fields: object) -> Event:
        """The first such event since the mark `after`; see `Log.wait_for`."""
        return self.log.wait_for(name, timeout, after, **fields)

    def tree(self) -> list[int]:
        """The pids of all live processes of this server, re-parented ones too, the master included."""
        return processes.marked(self._mark, self.pid)

    def workers(self) -> dict[str, int]:
        """The workers that can take requests: pid by name."""
        return {worker["name"]: worker["pid"] for worker in self.status()["workers"] if worker["state"] in SERVING}

    # Steering

    def signal(self, number: int) -> None:
        """Send a signal to the master."""
        self._running.send_signal(number)

    def type(self, keys: str) -> None:
        """Press keys at the server's terminal; Ctrl-C is `\\x03`."""
        os.write(self._keyboard, keys.encode())

    def kill(self, worker: str, number: int = SIGKILL) -> int:
        """Send a signal to the worker of this name; gives its pid."""
        pid = self.workers()[worker]
        os.kill(pid, number)
        return pid

    def ask(self, request: Mapping[str, object], timeout: float = 60.0) -> dict[str, Any]:
        """Send one command to the control socket and give its answer, whatever it says."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(timeout)
            control.connect(self.socket_path)
            control.sendall(json.dumps(request).encode() + b"\n")
            with control.makefile("rb") as answers:
                line = answers.readline()
        if not line:
            raise AssertionError(f"the control socket closed without an answer to {request}; the log:\n{self.log.text()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def status(self) -> dict[str, Any]:
        """The answer to `status`."""
        return self._obeyed({"command": "status"})

    def reload(self, timeout: float = 60.0) -> dict[str, Any]:
        """Reload and wait for its end; `ask` is for a reload that is meant to fail."""
        return self._obeyed({"command": "reload"}, timeout)

    def scale(self, workers: int) -> dict[str, Any]:
        """Ask for another number of HTTP workers."""
        return self._obeyed({"command": "scale", "workers": workers})

    def _obeyed(self, request: Mapping[str, object], timeout: float = 60.0) -> dict[str, Any]:
        answer = self.ask(request, timeout)
        if not answer["ok"]:
            raise AssertionError(f"{request} was refused: {answer}; the log:\n{self.log.text()}")
        return answer

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise AssertionError("the server has not been started: call launch() or start() first")
        return self._process

    def _ended(self) -> bool:
        return self._running.poll() is not None

    def _until(self, fact: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait for a fact about processes, which no event tells; looks every 10 ms."""
        deadline = time.monotonic() + timeout
        while not fact():
            if time.monotonic() > deadline:
                left = processes.describe(self.tree())
                raise AssertionError(
                    f"the server did not {what} within {timeout} s; its processes:\n{left}\nits log:\n{self.log.text()}"
                )
            time.sleep(0.01)

    def _abandon(self) -> None:
        """Kill whatever is left and remove the directory."""
        if self._process is not None:
            deadline = time.monotonic() + GRACE
            # A process that forks while it is being looked for is found by the next look.
            while (left := self.tree()) and time.monotonic() < deadline:
                processes.kill_all(left)
                time.sleep(0.01)
            self._process.wait(GRACE)
        if self._keyboard >= 0:
            os.close(self._keyboard)
            self._keyboard = -1
        shutil.rmtree(self.directory, ignore_errors=True)


def _written(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)
