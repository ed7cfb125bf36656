"""A Wagtail site behind Prefork: pages are read and letters to the editor are sent while workers die and the code is reloaded."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from prefork.testing import Connection, Load, Request, Server

from .environments import HERE
from .story import assert_all_read, assert_books_agree, disturb

PAGES = ["/", "/letters/", *(f"/article-{number}/" for number in range(1, 13))]
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@pytest.mark.timeout(300)
def test_no_page_fails_and_no_letter_is_lost_or_doubled(wagtail: Path, magazine: Path, full: bool):
    options = {"python": wagtail / "bin" / "python", "env": {"MAGAZINE_DATA": str(magazine)}}
    with Server("magazine.wsgi:application", HERE / "magazine", **options) as server:
        letters = Letters(server)
        with Load(server.url, PAGES, threads=2) as reading, Load(server.url, letters.next, threads=2) as writing:

            def work_goes_on() -> None:
                reading.wait(30 if full else 12)
                writing.wait(10 if full else 4)

            disturb(server, work_goes_on)
        assert_all_read(reading.stop())
        written = writing.stop()
        unknown = {letters.name(failure.thread, failure.number) for failure in written.failed if failure.status == 502}
        assert len(unknown) == len(written.failed), written.summary()
        assert_books_agree(letters_in(magazine), letters.sent - unknown, unknown)


class Letters:
    """Requests that each send one letter with a name of its own."""

    def __init__(self, server: Server) -> None:
        with Connection("127.0.0.1", server.port) as connection:
            form = connection.exchange(Request("/letters/"))
        found = TOKEN.search(form.body.decode())
        assert found, form.body
        self._token, self._cookie = found[1], form.headers["set-cookie"].split(";")[0]
        self.sent: set[str] = set()

    def name(self, thread: int, number: int) -> str:
        return f"Reader {thread}, letter {number}"

    def next(self, thread: int, number: int) -> Request:
        name = self.name(thread, number)
        self.sent.add(name)
        body = urlencode({"csrfmiddlewaretoken": self._token, "name": name, "letter": "Dear editor,\nplease go on."}).encode()
        headers = {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        return Request("/letters/", "POST", headers, body)


def letters_in(magazine: Path) -> list[str]:
    with closing(sqlite3.connect(magazine / "magazine.sqlite")) as database:
        rows = database.execute("SELECT form_data FROM wagtailforms_formsubmission").fetchall()
    return [json.loads(data)["name"] for (data,) in rows]
