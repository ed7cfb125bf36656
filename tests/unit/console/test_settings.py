"""Settings: judged, written, applied, taken back, undone."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.unit.console.conftest import Stand, bearing, logged_in, somebody, traced
from tests.unit.sizing.traffic import Noted, poisson

from prefork.config.editing import Unusable
from prefork.console.api.settings import progress
from prefork.console.desk import Desk
from prefork.instances import changes, database
from prefork.instances.database import Database
from prefork.instances.local import Denied, Local
from prefork.sizing.simulate import Place

PLACE = "/api/v1/instances/default/settings"


@pytest.fixture
def headers(db: Database) -> dict[str, str]:
    return {**bearing(db, somebody(db, "operator")), "If-Match": "*"}


def patch(client: TestClient, headers: dict[str, str], query: str = "", **settings: Any) -> Any:
    return client.patch(PLACE + query, json={"settings": settings}, headers=headers)


def ended(client: TestClient, headers: dict[str, str], answer: Any) -> dict[str, Any]:
    """A change when it has ended."""
    assert answer.status_code == 202, answer.text
    for thread in threading.enumerate():
        if thread.name == "change":
            thread.join(20)
    change: dict[str, Any] = client.get(answer.headers["Location"], headers=headers).json()
    assert change["state"] != "running"
    return change


def test_the_settings_say_where_they_come_from(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    stand.flags["limit_request"] = "10"
    answer = client.get(PLACE, headers=headers)
    said = answer.json()
    assert answer.headers["ETag"].startswith('"')
    assert (said["plan"], said["most_workers"]) == ("base", 2)
    assert list(said["settings"]) == list(changes.PERFORMANCE)
    assert {name: said["settings"]["workers"][name] for name in ("value", "text", "fixed")} == {
        "value": "1",
        "text": "1",
        "fixed": False,
    }
    assert said["settings"]["limit_request"]["fixed"]
    assert said["settings"]["limit_time_cpu"]["text"] is None


def test_a_change_is_written_and_the_rest_of_the_file_stays(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    change = ended(client, headers, patch(client, headers, workers=2, limit_memory_soft="1G"))
    assert (
        stand.file.read_text()
        == "; the shop\n[options]\napp = shop:app\nplan = base\nworkers = 2 ; for now\nlimit_memory_soft = 1G\n"
    )
    assert stand.asked.count("reload") == 1
    assert (change["state"], change["who"]) == ("done", "operator")
    assert change["options"] == {"workers": ["1", "2"], "limit_memory_soft": [None, "1G"]}


def test_the_plans_limit_holds_in_the_api(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    before = stand.file.read_text()
    answer = patch(client, headers, workers=3)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:prefork:problem:plan-limit"
    assert "the plan base allows 2 HTTP workers, not 3" in answer.json()["detail"]
    assert patch(client, headers, "?dry_run=true", workers=3).status_code == 422
    assert patch(client, headers, plan="pro").status_code == 403, "it is what a customer has paid for"
    assert patch(client, headers, plan="pro", workers=3).status_code == 403
    assert (stand.file.read_text(), stand.asked.count("reload")) == (before, 0)
    assert ended(client, headers, patch(client, headers, workers=2))["state"] == "done"


def test_an_administrator_sets_the_plan(client: TestClient, db: Database, stand: Stand) -> None:
    headers = {**bearing(db, somebody(db, "administrator")), "If-Match": "*"}
    assert ended(client, headers, patch(client, headers, plan="pro", workers=3))["state"] == "done"
    assert patch(client, headers, plan="free").json()["type"] == "urn:prefork:problem:plan-limit"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"workers": "many"}, "workers"),
        ({"workers": 513}, "above the highest value"),
        ({"workers": -1}, "below the lowest value"),
        ({"workers": 0}, "threaded mode"),
        ({"workers": "2\nhttp_port = 1"}, "workers"),
        ({"limit_memory_soft": "4G"}, "above limit_memory_hard"),
        ({"limit_time_cpu": "[options]"}, "limit_time_cpu"),
        ({"app": "evil:app"}, "app is not one of the settings"),
        ({"http_port": 80}, "http_port is not one of the settings"),
        ({"python": "/tmp/evil"}, "python is not one of the settings"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    client: TestClient, headers: dict[str, str], stand: Stand, settings: dict[str, Any], said: str
) -> None:
    before = stand.file.read_text()
    answer = patch(client, headers, **settings)
    assert answer.status_code == 422
    assert said in answer.json()["detail"] or said in str(answer.json()["errors"])
    assert stand.file.read_text() == before


def test_what_a_flag_sets_cannot_be_changed_in_the_file(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    stand.flags["workers"] = "1"
    answer = patch(client, headers, workers=2)
    assert answer.status_code == 409
    assert "--workers" in answer.json()["detail"]


def test_who_has_not_seen_the_settings_of_now_changes_nothing(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    tag = client.get(PLACE, headers=headers).headers["ETag"]
    del headers["If-Match"]
    assert patch(client, headers, workers=2).status_code == 428
    assert ended(client, headers, patch(client, {**headers, "If-Match": tag}, workers=2))["state"] == "done"
    assert patch(client, {**headers, "If-Match": tag}, workers=1).status_code == 412
    assert stand.asked.count("reload") == 1


def test_a_dry_run_says_what_it_would_mean_and_does_nothing(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    before = stand.file.read_text()
    answer = patch(client, headers, "?dry_run=true", workers=2, limit_memory_soft="1G")
    said = answer.json()
    assert answer.status_code == 200
    assert said["changes"] == {"workers": ["1", "2"], "limit_memory_soft": ["2 GiB", "1 GiB"]}
    assert said["memory_needed"] == 2 << 30
    assert said["processes"] == 3, "a websocket worker is one, too"
    assert said["memory_likely"] == 2 * (100 << 20)
    assert (said["connections_needed"], said["connections_allowed"]) == (6, 97)
    assert said["connections_of"] == "what PostgreSQL usually allows"
    assert said["wait"] is None
    assert said["wait_unknown"].startswith("0 of 1,000 requests and 0.0 of 10 minutes are recorded; ask again after")
    assert (stand.file.read_text(), stand.asked.count("reload")) == (before, 0)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(3, 60.0, "idle"), (3, 60.0, "busy")], (None, 0)),
        ([(3, 60.0, "idle"), (3, 1.0, "idle")], (None, 0)),
        ([(3, 60.0, "idle"), (4, 1.0, "booting")], (4, 0)),
        ([(3, 60.0, "retiring"), (4, 2.0, "idle"), (4, 1.0, "booting")], (4, 1)),
        ([(4, 3.0, "busy"), (4, 1.0, "idle")], (4, 2)),
        ([], (0, 0)),
    ],
    ids=["loading", "recycled while loading", "first starts", "one ready", "all ready", "none"],
)
def test_progress_counts_workers_with_the_change_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[int, float, str]], said: tuple[int | None, int]
) -> None:
    workers = [{"generation": number, "age": age, "state": state, "pool": "http"} for number, age, state in rows]
    monkeypatch.setattr(Local, "status", lambda _: {"state": "reloading", "wanted": 2, "workers": workers})
    found = progress(Local(tmp_path), 10.0)
    assert (found.generation, found.ready) == said
    assert (found.state, found.wanted, found.error) == ("reloading", 2, None)


@pytest.fixture
def busy(stand: Stand) -> None:
    """A thousand seconds in which one worker was too few."""
    noted = Noted(Place(1, 2.0))
    noted.run(poisson(2000, 2.0, 0.1, 0.3))
    stand.trace = traced(noted.records)


@pytest.mark.usefixtures("busy")
def test_a_dry_run_predicts_what_requests_would_wait(client: TestClient, headers: dict[str, str]) -> None:
    wait = patch(client, headers, "?dry_run=true", workers=2).json()["wait"]
    assert (wait["requests"], wait["now"]["workers"], wait["then"]["workers"]) == (2000, 1, 2)
    assert wait["then"]["p95"] < wait["now"]["p95"] / 2
    assert wait["now"]["busy"] > 70 > wait["then"]["busy"]
    queue = patch(client, headers, "?dry_run=true", queue_size=1).json()["wait"]
    assert queue["then"]["lost"] > queue["now"]["lost"] == 0


@pytest.mark.usefixtures("busy")
def test_of_workers_with_an_event_loop_nothing_is_predicted(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    stand.trace["concurrency"] = 64
    said = patch(client, headers, "?dry_run=true", workers=2).json()
    assert (said["wait"], "many requests at a time" in said["wait_unknown"]) == (None, True)


@pytest.mark.usefixtures("busy")
def test_where_the_server_finds_the_number_the_target_says_it(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    stand.file.write_text("[options]\napp = shop:app\n")
    said = patch(client, headers, "?dry_run=true", workers="auto", workers_min=1, workers_max=9, wait_target="50ms").json()
    assert 2 < said["wait"]["then"]["workers"] < 9
    assert said["wait"]["then"]["p95"] <= 0.05
    assert said["processes"] == 10, "as many as there may be, and a websocket worker"
    little = patch(client, headers, "?dry_run=true", workers="auto", workers_min=1, workers_max=2, wait_target="1ms").json()
    assert little["wait"]["then"]["workers"] == 2, "no more than there may be"


def test_the_plan_bounds_what_the_server_may_find(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    for settings in ({"workers": "auto", "workers_max": 3}, {"workers": "auto", "workers_min": 3, "workers_max": 3}):
        answer = patch(client, headers, **settings)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:prefork:problem:plan-limit"), answer.text
        assert "the plan base allows 2 HTTP workers, not 3" in answer.json()["detail"]
    assert ended(client, headers, patch(client, headers, workers="auto"))["state"] == "done"
    assert client.get(PLACE, headers=headers).json()["settings"]["workers_max"]["value"] == "2", "what the plan allows"
    assert patch(client, headers, workers_max=3).json()["type"] == "urn:prefork:problem:plan-limit"
    assert ended(client, headers, patch(client, headers, wait_target="20ms"))["state"] == "done"


def test_the_budget_of_connections_is_that_of_the_database(
    client: TestClient, headers: dict[str, str], stand: Stand, desk: Desk
) -> None:
    stand.file.write_text("[options]\napp = shop:app\n")
    desk.monitor.enlist()
    desk.monitor.watches["default"].sampler.database = {"used": 9, "most": 20}
    said = patch(client, headers, "?dry_run=true", workers=20).json()
    assert (said["connections_needed"], said["connections_allowed"]) == (42, 17)
    said = patch(client, headers, "?dry_run=true", database_connections=30).json()
    assert (said["connections_allowed"], said["connections_of"]) == (30, "database_connections")


def test_settings_that_do_not_get_ready_are_taken_back(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    before = stand.file.read_bytes()
    stand.reload = Denied("worker http.2 of generation 2 could not get ready", "Traceback: no memory")
    change = ended(client, headers, patch(client, headers, workers=2))
    assert change["state"] == "rolled back"
    assert "could not get ready" in change["message"]
    assert "no memory" in change["message"]
    assert stand.file.read_bytes() == before
    assert client.get(PLACE, headers=headers).json()["settings"]["workers"]["value"] == "1"


def test_what_somebody_else_has_written_meanwhile_is_not_taken_back(
    client: TestClient, headers: dict[str, str], stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edited(server: Local, command: str, timeout: float = 0, **fields: Any) -> dict[str, Any]:
        if command == "reload":
            stand.file.write_text("[options]\napp = shop:other\n")
            raise Denied("worker http.2 of generation 2 could not get ready")
        return stand.ask(server, command, timeout, **fields)

    monkeypatch.setattr(Local, "ask", edited)
    change = ended(client, headers, patch(client, headers, workers=2))
    assert change["state"] == "failed"
    assert f"{stand.file} was changed meanwhile" in change["message"]
    assert stand.file.read_text() == "[options]\napp = shop:other\n"


def test_true_is_no_number(client: TestClient, headers: dict[str, str]) -> None:
    assert patch(client, headers, "?dry_run=true", workers=True).status_code == 422
    assert patch(client, headers, "?dry_run=true", workers=1).status_code == 200


@pytest.mark.parametrize("text", ["1\nG", "1h\n30min", "2\x00"])
def test_a_value_is_one_line(client: TestClient, headers: dict[str, str], stand: Stand, text: str) -> None:
    before = stand.file.read_bytes()
    name = "limit_time_real" if "h" in text else "limit_memory_soft"
    assert patch(client, headers, **{name: text}).status_code == 422
    assert stand.file.read_bytes() == before


def test_a_change_is_undone_by_another_one(client: TestClient, headers: dict[str, str], stand: Stand) -> None:
    first = ended(client, headers, patch(client, headers, workers=2, limit_request=5))
    second = ended(client, headers, client.post(f"{PLACE}/changes/{first['id']}/undo", headers=headers))
    assert second["undoes"] == first["id"]
    said = client.get(PLACE, headers=headers).json()["settings"]
    assert (said["workers"]["value"], said["limit_request"]["value"]) == ("1", "65536")
    listed = client.get(f"{PLACE}/changes", headers=headers).json()["items"]
    assert [each["id"] for each in listed] == [second["id"], first["id"]]


def test_what_a_console_left_unfinished_is_nobodys(db: Database, client: TestClient, headers: dict[str, str]) -> None:
    row = ("default", 0.0, "kim", json.dumps({"workers": ["1", "2"]}), "running")
    db.change("INSERT INTO changes (instance_id, at, who, options, state) VALUES (?, ?, ?, ?, ?)", *row)
    answer = patch(client, headers, workers=2)
    assert answer.status_code == 409
    assert "another change" in answer.json()["detail"]
    changes.abandon(db)
    assert client.get(f"{PLACE}/changes/1", headers=headers).json()["state"] == "failed"
    assert ended(client, headers, patch(client, headers, workers=2))["state"] == "done"


def joined(name: str) -> None:
    """Wait for the threads of this name."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(20)


def test_how_a_change_went_is_noted_once_there_is_room(
    client: TestClient, db: Database, headers: dict[str, str], stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def fill_up(server: Local, command: str, timeout: float = 0, **fields: Any) -> dict[str, Any]:
        if command == "reload":
            assert answered.wait(20)
            db.change("PRAGMA query_only = ON")
        return stand.ask(server, command, timeout, **fields)

    monkeypatch.setattr(database, "AGAIN", 0.01)
    with monkeypatch.context() as patched:
        patched.setattr(Local, "ask", fill_up)
        place = patch(client, headers, workers=2).headers["Location"]
        answered.set()
        joined("change")
    assert client.get(place, headers=headers).json()["state"] == "running", "nothing else could be written"
    db.change("PRAGMA query_only = OFF")
    joined("insist")
    assert client.get(place, headers=headers).json()["state"] == "done"
    assert ended(client, headers, patch(client, headers, workers=1))["state"] == "done"


def test_of_a_change_that_could_not_be_written_the_end_is_noted_as_well(
    client: TestClient, db: Database, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(path: Path, values: object) -> None:
        db.change("PRAGMA query_only = ON")
        fill(path, values)

    monkeypatch.setattr(database, "AGAIN", 0.01)
    with monkeypatch.context() as patched:
        patched.setattr(changes, "rewrite", fill_up)
        answer = patch(client, headers, workers=2)
    assert (answer.status_code, "no space left" in answer.json()["detail"]) == (409, True)
    db.change("PRAGMA query_only = OFF")
    joined("insist")
    (listed,) = client.get(f"{PLACE}/changes", headers=headers).json()["items"]
    assert (listed["state"], "no space left" in listed["message"]) == ("failed", True)
    assert ended(client, headers, patch(client, headers, workers=2))["state"] == "done"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_ours_ends_a_change_too(
    client: TestClient, headers: dict[str, str], stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(server: Local, command: str, timeout: float = 0, **fields: Any) -> dict[str, Any]:
        if command == "reload":
            raise ZeroDivisionError("by none")
        return stand.ask(server, command, timeout, **fields)

    monkeypatch.setattr(Local, "ask", broken)
    change = ended(client, headers, patch(client, headers, workers=2))
    assert (change["state"], "ZeroDivisionError" in change["message"]) == ("failed", True)


@pytest.mark.parametrize("guarded", [True, False])
def test_a_file_that_cannot_be_written_is_left_as_it_is(
    client: TestClient, headers: dict[str, str], stand: Stand, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    before = stand.file.read_text()
    if guarded:
        monkeypatch.setattr(changes, "os", NoRights)
    else:
        monkeypatch.setattr(changes, "rewrite", fill)
    answer = patch(client, headers, workers=2)
    assert answer.status_code == 409
    assert ("cannot be written by the console's account" if guarded else "no space left") in answer.json()["detail"]
    assert (stand.file.read_text(), stand.asked.count("reload")) == (before, 0)


class NoRights:
    """What `os` says to who may not write, as an account that the data directory belongs to or not."""

    W_OK = 2
    stat = staticmethod(os.stat)
    account = os.geteuid()

    @staticmethod
    def access(_path: Path, _mode: int) -> bool:
        return False

    @classmethod
    def geteuid(cls) -> int:
        return cls.account


@pytest.mark.parametrize(("account", "advice"), [(0, "permit it, or change the file by hand"), (1, "change it by hand and reload")])
def test_that_nothing_can_be_saved_is_said_before_somebody_types(
    client: TestClient, db: Database, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch, account: int, advice: str
) -> None:
    cookie, _ = logged_in(db, somebody(db, "operator", "kim"))
    assert client.get(PLACE, headers=headers).json()["obstacle"] == ""
    assert ">Save<" in client.get("/instances/default/settings", headers=cookie).text
    monkeypatch.setattr(changes, "os", NoRights)
    monkeypatch.setattr(NoRights, "account", os.geteuid() + account)
    assert client.get(PLACE, headers=headers).json()["obstacle"].endswith(f"cannot be written by the console's account; {advice}")
    page = client.get("/instances/default/settings", headers=cookie).text
    assert ("Nothing can be saved here" in page, ">Save<" in page) == (True, False)


def fill(path: Path, _values: object) -> None:
    raise Unusable(f"{path} cannot be written: no space left on device; it was left as it is")


def test_without_a_file_nothing_can_be_saved(
    client: TestClient, headers: dict[str, str], stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    origin = {"file": None, "flags": {"app": "shop:app"}, "cwd": str(place), "environ": {"HOME": str(tmp_path)}}
    monkeypatch.setattr(stand, "ask", lambda *_args, **_fields: origin)
    answer = patch(client, headers, workers=2)
    assert answer.status_code == 409
    assert "without a configuration file" in answer.json()["detail"]
