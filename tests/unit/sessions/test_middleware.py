"""What an application and its visitor notice of sessions."""

import io
from datetime import date
from typing import Any

import pytest

from prefork import sessions
from prefork.given import NotGiven
from prefork.sessions import MemoryStore, SessionMiddleware, Unavailable

from .conftest import SECRET, Browser


class Lost(MemoryStore):
    """A store that is out."""

    shared = True

    def load(self, *_: Any) -> Any:
        raise Unavailable("it is gone")

    create = update = end = delete = load


def put(**values: Any) -> Any:
    return lambda session: session.update(values)


def test_what_is_kept_is_there_at_the_next_request(browser: Browser) -> None:
    browser.visit(put(basket=["fork"]))
    assert browser.visit(dict) == {"basket": ["fork"]}
    assert browser.all("Set-Cookie") == []


def test_a_visitor_who_is_told_nothing_gets_no_cookie(browser: Browser, store: MemoryStore) -> None:
    assert browser.visit(lambda session: session.get("user")) is None
    assert browser.all("Set-Cookie") == []
    assert browser.all("Vary") == ["Cookie"]
    assert store.kept == {}


def test_an_answer_that_has_nothing_to_do_with_the_session_is_left_alone(browser: Browser) -> None:
    browser.visit(lambda session: None)
    assert browser.headers == [("Content-Type", "text/plain")]


def test_the_cookie_is_closed_to_scripts_and_other_sites(browser: Browser) -> None:
    browser.visit(put(a=1))
    (line,) = browser.all("Set-Cookie")
    assert line.startswith("session=")
    assert line.partition("; ")[2] == "Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
    assert browser.all("Cache-Control") == ["private"]


def test_over_https_it_belongs_to_this_host_alone(store: MemoryStore) -> None:
    browser = Browser(store, scheme="https")
    browser.visit(put(a=1))
    (line,) = browser.all("Set-Cookie")
    assert line.startswith("__Host-session=")
    assert line.endswith("; Secure")
    browser.cookie = browser.cookie.removeprefix("__Host-")
    assert browser.visit(dict) == {}, "a cookie that a plain connection may have planted was believed"


@pytest.mark.parametrize("value", ["", "x", "0" * 40, "0" * 40 + ".", "0" * 40 + "." + "A" * 43, "../" * 13 + "a." + "A" * 43])
def test_an_id_that_is_made_up_is_none(browser: Browser, value: str) -> None:
    browser.visit(put(a=1))
    genuine = browser.cookie
    browser.cookie = f"session={value}; other=1"
    assert browser.visit(dict) == {}
    browser.cookie = f"session={value}; {genuine}"
    assert browser.visit(dict) == {"a": 1}


def test_an_id_of_ours_that_nothing_is_kept_for_is_not_taken_up_again(browser: Browser, store: MemoryStore) -> None:
    browser.visit(put(a=1))
    first = browser.cookie
    store.kept.clear()
    browser.visit(put(a=2))
    assert browser.cookie != first


def test_a_change_inside_a_value_counts(browser: Browser) -> None:
    browser.visit(put(basket={"fork": 1}))
    browser.visit(lambda session: session["basket"].update(fork=2))
    assert browser.visit(dict) == {"basket": {"fork": 2}}


def test_requests_that_overlap_undo_nothing_of_each_other(browser: Browser, store: MemoryStore) -> None:
    browser.visit(put(a=1, b=1, c=1))
    other = Browser(store)
    other.cookie = browser.cookie

    def slow(session: Any) -> None:
        session["a"] = 2
        other.visit(lambda session: (session.update(b=2), session.pop("c")))

    browser.visit(slow)
    assert browser.visit(dict) == {"a": 2, "b": 2}


def test_nothing_is_written_for_a_request_that_only_reads(browser: Browser, store: MemoryStore) -> None:
    browser.visit(put(a=1))
    before = dict(store.kept)
    browser.visit(dict)
    assert store.kept == before


def test_a_login_changes_the_id_and_ends_the_old_one(browser: Browser, store: MemoryStore) -> None:
    browser.visit(put(basket=1))
    spy = Browser(store)
    spy.cookie = old = browser.cookie
    browser.visit(lambda session: (session.rotate(), session.update(user="ada")))
    assert browser.cookie != old
    assert browser.visit(dict) == {"basket": 1, "user": "ada"}
    assert spy.visit(dict) == {}


def test_a_request_that_was_sent_before_the_login_does_not_undo_it(browser: Browser, store: MemoryStore) -> None:
    browser.visit(put(basket=1))
    late = Browser(store)
    late.cookie = browser.cookie
    browser.visit(lambda session: (session.rotate(), session.update(user="ada")))
    late.visit(put(seen=True))
    assert late.all("Set-Cookie") == [], "the browser would replace its cookie of the login"


def test_a_logout_ends_the_session_also_for_a_request_that_still_has_it(browser: Browser, store: MemoryStore) -> None:
    browser.visit(put(user="ada"))
    other = Browser(store)
    other.cookie = browser.cookie

    def slow(session: Any) -> None:
        session["page"] = 1
        other.visit(lambda session: session.clear())
        assert "Max-Age=0" in other.all("Set-Cookie")[0]

    browser.visit(slow)
    assert browser.visit(dict) == {}
    assert store.kept == {}


def test_what_is_put_in_after_a_logout_is_in_a_new_session(browser: Browser) -> None:
    browser.visit(put(user="ada"))
    old = browser.cookie
    browser.visit(lambda session: (session.clear(), session.update(farewell="bye")))
    assert browser.cookie != old
    assert browser.visit(dict) == {"farewell": "bye"}
    browser.cookie = old
    assert browser.visit(dict) == {}


def test_it_ends_when_it_is_not_used_and_after_its_lifetime(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    browser = Browser(store, idle=100.0, lifetime=250.0)
    browser.visit(put(a=1))
    for _ in range(4):
        now[0] += 60
        assert browser.visit(dict) == {"a": 1}
    now[0] += 60
    assert browser.visit(dict) == {}, "it lived longer than its lifetime"
    browser.visit(put(a=2))
    now[0] += 101
    assert browser.visit(dict) == {}, "it was not used, and lived on"


def test_what_json_has_no_word_for_is_refused_with_its_key(browser: Browser) -> None:
    with pytest.raises(TypeError, match=r"session\['day'\] cannot be kept"):
        browser.visit(put(day=date(2026, 1, 1)))
    with pytest.raises(TypeError, match="a key must be text"):
        browser.visit(lambda session: session.update({1: 2}))


def test_without_its_store_a_request_gets_503_whatever_the_application_makes_of_it() -> None:
    browser = Browser(Lost())
    browser.cookie = "session=" + SessionMiddleware(print, MemoryStore(), SECRET).cookie.written("0" * 40, False, 1).split("=")[1]
    kept = browser.cookie = browser.cookie.partition(";")[0]

    def careless(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        try:
            status = environ["prefork.session"]["user"]
        except Unavailable:
            status = "500 Oops"
        start_response(status, [("Content-Type", "text/plain")])
        return [b"oops"]

    def lazy(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(environ["prefork.session"]["user"], [("Content-Type", "text/plain")])
        yield b"never"

    for app in (careless, lazy, lambda environ, start_response: [environ["prefork.session"]["user"]]):
        browser.call(app)
        assert browser.status == "503 Service Unavailable"
        assert browser.all("Retry-After") == ["5"]
        assert browser.body.startswith(b"Sessions cannot be used at the moment")
        assert browser.cookie == kept
    browser.visit(lambda session: None)
    assert browser.status == "200 OK", "a request that needs no session was refused"


def test_a_change_that_cannot_be_kept_is_no_success() -> None:
    browser = Browser(Lost())
    browser.visit(put(user="ada"))
    assert browser.status == "503 Service Unavailable"
    assert browser.all("Set-Cookie") == []


def test_a_body_that_is_still_being_made_may_change_the_session(browser: Browser, capfd: pytest.CaptureFixture[str]) -> None:
    browser.visit(put(a=1))

    def counting(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"1"
        environ["prefork.session"]["a"] = 2

    browser.call(counting)
    assert browser.visit(dict) == {"a": 2}
    browser.cookie = ""
    browser.call(counting)
    assert "after the answer's head had gone out" in capfd.readouterr().err


def test_a_file_goes_to_the_server_as_it_is(browser: Browser) -> None:
    class Wrapper:
        def __init__(self, file: Any) -> None:
            self.file = file

    wrapped = Wrapper(io.BytesIO())

    def app(environ: dict[str, Any], start_response: Any) -> Wrapper:
        start_response("200 OK", [])
        return wrapped

    environ = {"wsgi.multiprocess": False, "wsgi.url_scheme": "http", "wsgi.file_wrapper": Wrapper}
    assert SessionMiddleware(app, MemoryStore(), SECRET)(environ, lambda *_: print) is wrapped


def test_memory_is_refused_where_there_are_several_workers(store: MemoryStore) -> None:
    with pytest.raises(RuntimeError, match="workers = 0"):
        SessionMiddleware(print, store, SECRET)({"wsgi.multiprocess": True}, print)


def test_what_is_wrong_in_code_is_said_at_once(store: MemoryStore) -> None:
    for wrong, words in (({"cookie": "a b"}, "called"), ({"samesite": "lax"}, "samesite"), ({"idle": 0}, "idle")):
        with pytest.raises(ValueError, match=words):
            SessionMiddleware(print, store, SECRET, **wrong)
    with pytest.raises(ValueError, match="32 characters"):
        SessionMiddleware(print, store, "short")
    with pytest.raises(NotGiven, match="SessionMiddleware"):
        sessions.middleware(print)


def test_a_secret_can_be_replaced(store: MemoryStore) -> None:
    old = SessionMiddleware(print, store, "o" * 32).cookie
    new = SessionMiddleware(print, store, ["n" * 32, "o" * 32]).cookie
    value = old.written("a" * 40, False, 1).partition(";")[0]
    assert new.read(value, False) == "a" * 40
    assert old.read(new.written("a" * 40, False, 1).partition(";")[0], False) is None


def test_what_is_in_it_is_not_shown(browser: Browser) -> None:
    assert browser.visit(lambda session: (session.update(password="hunter2"), repr(session))[1]) == "<Session of 1 keys>"
