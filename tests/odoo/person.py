"""Somebody at a browser: logs in, calls models by JSON-RPC, sends and fetches files. An answer is whole, or it is broken."""

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from prefork.testing import Answer, Connection, Request

PATIENCE = 60.0  # seconds: the first PDF compiles the assets


class Person:
    """A session of `database` on the server at `port`. `host` is the name that is asked for."""

    def __init__(self, port: int, database: str = "shop", host: str | None = None) -> None:
        self.port, self.database = port, database
        self.cookie = ""
        self._host = {"Host": host} if host else {}

    def log_in(self, login: str = "admin", password: str = "admin") -> dict[str, Any]:
        """Open the session; gives what Odoo says of it. Raises AssertionError when it is refused."""
        said = self.rpc("/web/session/authenticate", db=self.database, login=login, password=password)
        assert said.get("result", {}).get("uid"), said
        result: dict[str, Any] = said["result"]
        return result

    def call(self, model: str, method: str, *args: object, **kwargs: object) -> Any:
        """What a model's method gives. Raises AssertionError with Odoo's own error."""
        said = self.rpc(f"/web/dataset/call_kw/{model}/{method}", model=model, method=method, args=args, kwargs=kwargs)
        assert "error" not in said, said["error"]
        return said["result"]

    def rpc(self, path: str, **params: object) -> dict[str, Any]:
        """The answer to a JSON-RPC call, an error too."""
        answer = self.ask(path, "POST", {"Content-Type": "application/json"}, rpc_body(**params))
        assert answer.status == 200, answer
        said: dict[str, Any] = json.loads(answer.body)
        return said

    def get(self, path: str) -> bytes:
        """The body of a successful answer."""
        answer = self.ask(path)
        assert answer.status == 200, answer
        return answer.body

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """The answer to one request over a connection of its own; a new session's cookie is kept."""
        with Connection("127.0.0.1", self.port, PATIENCE) as connection:
            answer = connection.exchange(self.request(path, method, headers, body), close=True)
        if found := re.search(r"session_id=([^;,]+)", answer.headers.get("set-cookie", "")):
            self.cookie = f"session_id={found[1]}"
        return answer

    def request(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b"") -> Request:
        """A request of this session."""
        own = {"Cookie": self.cookie} if self.cookie else {}
        return Request(path, method, {**self._host, **own, **(headers or {})}, body)

    def upload(self, name: str, content: bytes) -> None:
        """Attach a file to the first partner, as the browser's form does."""
        token = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', self.get("/web/login"))
        assert token, "the page for logging in has no token"
        fields = {"model": "res.partner", "id": "1", "csrf_token": token[1].decode()}
        kind, body = form(fields, name, content)
        answer = self.ask("/web/binary/upload_attachment", "POST", {"Content-Type": kind}, body)
        assert answer.status == 200, answer


def rpc_body(**params: object) -> bytes:
    """A JSON-RPC call."""
    return json.dumps({"jsonrpc": "2.0", "method": "call", "params": params}).encode()


def form(fields: Mapping[str, str], name: str, content: bytes) -> tuple[str, bytes]:
    """A form with a file: its content type, and its bytes."""
    line = uuid.uuid4().hex
    parts = [f'--{line}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    head = f'--{line}\r\nContent-Disposition: form-data; name="ufile"; filename="{name}"\r\n\r\n'
    return f"multipart/form-data; boundary={line}", "".join([*parts, head]).encode() + content + f"\r\n--{line}--\r\n".encode()
