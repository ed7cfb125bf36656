"""Event streams: as many as there may be, and for as long as somebody may see them."""

from fastapi.testclient import TestClient
from tests.unit.console.conftest import Stand, bearing, somebody

from prefork.console.api import live
from prefork.console.desk import Desk
from prefork.instances.database import Database

PLACE = "/api/v1/instances/default/events"


def test_a_stream_tells_the_status_again_and_again(client: TestClient, db: Database, desk: Desk, stand: Stand) -> None:
    headers = bearing(db, somebody(db, "viewer"))
    answer = client.get(f"{PLACE}?count=2&every=0.5", headers=headers)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.text.count("event: status\ndata: {") == 2
    assert (stand.asked.count("status"), desk.streams) == (2, 0)


def test_a_stream_ends_with_the_token_that_it_came_with(client: TestClient, db: Database, stand: Stand) -> None:
    headers = bearing(db, somebody(db, "viewer"))
    ask = stand.ask

    def ask_and_end(*given: object, **fields: object) -> object:
        db.change("DELETE FROM tokens")
        return ask(*given, **fields)  # type: ignore[arg-type]

    stand.ask = ask_and_end  # type: ignore[method-assign,assignment]
    assert client.get(f"{PLACE}?count=1000&every=0.5", headers=headers).text.count("event: status") == 1


def test_there_is_a_number_of_streams(client: TestClient, db: Database, desk: Desk) -> None:
    headers = bearing(db, somebody(db, "viewer"))
    desk.streams = live.MOST_STREAMS
    answer = client.get(f"{PLACE}?count=1", headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
