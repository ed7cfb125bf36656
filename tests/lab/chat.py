"""People at Odoo's browsers in the lab: one who asks pages by a way of choice, and one who listens to the chat of orders."""

import json
import re
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

from tests.odoo.person import form, rpc_body

from prefork.lab.accounts import Ledger
from prefork.lab.door import Door
from prefork.lab.listener import Listener

ORDER = re.compile(r"order (\d+)")
SAID = "discuss.channel/new_message"
Way = Callable[[], HTTPConnection]


class Clerk:
    """Somebody with a session; each request goes by a connection of `way`."""

    def __init__(self, way: Way, cookie: str = "") -> None:
        self.way, self.cookie = way, cookie

    def by(self, way: Way) -> "Clerk":
        """The same session, by another way."""
        return Clerk(way, self.cookie)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, kind: str = "text/plain") -> tuple[int, bytes]:
        """Status and body; a new session's cookie is kept."""
        connection = self.way()
        try:
            connection.request(method, path, body, {"Cookie": self.cookie, "Content-Type": kind, "Connection": "close"})
            answer = connection.getresponse()
            if found := re.search(r"session_id=([^;,]+)", answer.getheader("Set-Cookie", "")):
                self.cookie = f"session_id={found[1]}"
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> bytes:
        """The body of a page that is there."""
        status, body = self.ask(path)
        assert status == 200, f"{path}: {status} {body[:300]!r}"
        return body

    def rpc(self, path: str, **params: object) -> dict[str, Any]:
        """The answer to a JSON-RPC call, an error too."""
        status, body = self.ask(path, "POST", rpc_body(**params), "application/json")
        assert status == 200, f"{path}: {status} {body[:300]!r}"
        said: dict[str, Any] = json.loads(body)
        return said

    def log_in(self, login: str, password: str) -> int:
        """Open the session; gives the number of the user's partner."""
        said = self.rpc("/web/session/authenticate", db="odoo", login=login, password=password)
        assert said.get("result", {}).get("uid"), said
        return int(said["result"]["partner_id"])

    def known(self) -> bool:
        """Whether Odoo knows who this is."""
        return "result" in self.rpc(
            "/web/dataset/call_kw/res.users/search_count", model="res.users", method="search_count", args=[[]], kwargs={}
        )

    def call(self, model: str, method: str, *args: object, **kwargs: object) -> Any:
        """What a model's method gives. Raises AssertionError with Odoo's own error."""
        said = self.rpc(f"/web/dataset/call_kw/{model}/{method}", model=model, method=method, args=args, kwargs=kwargs)
        assert "error" not in said, said["error"]
        return said["result"]

    def upload(self, name: str, content: bytes) -> int:
        """Attach a file to one's own company's partner, as the browser's form does; gives the attachment's number."""
        token = re.search(rb'csrf_token: "([^"]+)"', self.get("/odoo"))
        assert token, "the page of the web client has no token"
        kind, body = form({"model": "res.partner", "id": "1", "csrf_token": token[1].decode()}, name, content)
        status, said = self.ask("/web/binary/upload_attachment", "POST", body, kind)
        assert status == 200, said[:300]
        (found,) = self.call("ir.attachment", "search", [["name", "=", name]])
        return int(found)


class Ear(Listener):
    """Hears of orders in the chat from a position of the bus on, and comes back with the last notification that it had."""

    def __init__(self, door: Door, ledger: Ledger, cookie: str, since: int) -> None:
        super().__init__(door, ledger)
        ledger.last = since
        self.manner = {
            "additional_headers": {"Cookie": cookie},
            "origin": f"https://{door.domain}",
            "user_agent_header": None,  # without one it is no browser with an old page
        }

    def question(self) -> dict[str, Any]:
        """Odoo does not say that it has subscribed somebody."""
        self.ledger.listening = True
        return {"event_name": "subscribe", "data": {"channels": [], "last": self.ledger.last}}

    def hear(self, said: Any) -> None:
        """Notifications."""
        for each in said:
            self.ledger.last = max(self.ledger.last or 0, int(each["id"]))
            if each["message"]["type"] == SAID:
                self.ledger.heard.update(map(int, set(ORDER.findall(json.dumps(each["message"]["payload"])))))
