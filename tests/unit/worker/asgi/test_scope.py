"""What an application is told of a client."""

from typing import Any

from prefork.messages import Request
from prefork.worker.asgi.scope import http_scope, websocket_scope

HEADERS = [(b"host", b"shop.example"), (b"sec-websocket-protocol", b"chat.v2, chat"), (b"sec-websocket-protocol", b"soap")]


def request(target: bytes, scheme: str = "http", client: tuple[str, int] = ("192.0.2.1", 4711)) -> Request:
    return Request(9, 1, "GET", target, "1.1", HEADERS, b"", 0, client, ("127.0.0.1", 8069), scheme, False, "abc-7")


def test_a_path_is_decoded_and_kept() -> None:
    scope = http_scope(request(b"/w%C3%B6rter/a%2Fb?q=%20"), {}, print)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/wörter/a/b", b"/w%C3%B6rter/a%2Fb", b"q=%20")
    assert http_scope(request(b"/%ff"), {}, print)["path"] == "/\ufffd"


def test_a_request_has_what_the_specification_names() -> None:
    scope = http_scope(request(b"/", "https"), {}, print)
    assert scope["type"] == "http"
    assert (scope["method"], scope["scheme"], scope["http_version"], scope["root_path"]) == ("GET", "https", "1.1", "")
    assert (scope["client"], scope["server"]) == (("192.0.2.1", 4711), ("127.0.0.1", 8069))
    assert scope["headers"] == HEADERS


def test_a_client_without_an_address_is_none() -> None:
    assert http_scope(request(b"/", client=("", 0)), {}, print)["client"] is None


def test_a_handshake_has_the_subprotocols_in_their_order() -> None:
    scope = websocket_scope(request(b"/chat", "https"), {})
    assert (scope["type"], scope["scheme"], scope["subprotocols"]) == ("websocket", "wss", ["chat.v2", "chat", "soap"])
    assert "method" not in scope


def test_each_request_has_a_state_of_its_own() -> None:
    state: dict[str, Any] = {"pool": [1]}
    scope = http_scope(request(b"/"), state, print)
    scope["state"]["own"] = True
    assert state == {"pool": [1]}
    assert scope["state"]["pool"] is state["pool"]


def test_a_head_that_comes_again_makes_the_same_scope_for_each_client() -> None:
    asked = request(b"/w%C3%B6rter?q=1")._replace(memo={})
    first = http_scope(asked, {}, print)
    first["path"] = "/mounted"
    first["extensions"]["own"] = first["asgi"]["own"] = {}
    again = http_scope(asked._replace(client=("192.0.2.7", 1), headers=HEADERS[:1]), {}, print)
    plain = request(b"/w%C3%B6rter?q=1", client=("192.0.2.7", 1))._replace(headers=HEADERS[:1])
    assert again == http_scope(plain, {}, print)
