"""Scheduled jobs with the server's own database: nothing is lost by kills of workers, of the database, or of everything."""

import hashlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
from facts import await_fact

from prefork.config.embedded import address_in
from prefork.filestore import Filestore
from prefork.master.generation import FIRST_START
from prefork.sessions import FileStore
from prefork.testing import Server

APPS = Path(__file__).parent / "apps"
JOBS = 400


@pytest.fixture
def done(tmp_path: Path) -> Path:
    return tmp_path / "done"


def clerk(done: Path, **options: object) -> Server:
    given = {"access_log": False, "jobs": "clerk", "max_cron_threads": 2, "after_fork": "eager:after_fork", **options}
    return Server("clerk:app", app_dir=APPS, env={"CLERK": str(done)}, **given)


def get(server: Server, target: str) -> None:
    with urllib.request.urlopen(server.url + target, timeout=30) as answer:
        assert answer.read() == b"deferred"


def made(server: Server) -> float:
    """The seconds in which the database was made: on a slow machine more than a request waits for it."""
    return float(server.wait_for("database_ready", timeout=50)["seconds"])


def words(done: Path) -> Counter[str]:
    return Counter(done.read_text().split()) if done.exists() else Counter()


def history(server: Server) -> list[tuple[int, int, str]]:
    with psycopg.connect(address_in(Path(server.data_dir)), autocommit=True) as connection:
        return connection.execute("SELECT run, attempt, outcome FROM prefork.history WHERE job = 'clerk.slow'").fetchall()


def worker_for_jobs(server: Server) -> int:
    """The pid of the first one that there is; in the place of one that has died there may be nobody yet."""
    found: list[int] = []

    def look() -> bool:
        found.extend(pid for name, pid in server.workers().items() if name.startswith("cron"))
        return bool(found)

    await_fact(look, "a worker for jobs", server)
    return found[0]


def test_a_first_try_needs_no_database(done: Path) -> None:
    with clerk(done) as server:
        try:
            get(server, "/?3")
        except urllib.error.HTTPError:
            assert made(server) > FIRST_START, "a request waits as long as that"
            get(server, "/?3")
        await_fact(lambda: {"0", "1", "2", "tick"} <= set(words(done)), "three jobs and a tick", server)


def test_what_has_expired_and_what_nobody_refers_to_is_cleared_away(done: Path) -> None:
    with clerk(done) as server:
        made(server)
        place = Path(server.data_dir)
        session = FileStore(place / "sessions")
        session.create("a" * 40, {"made": "0"}, -1)
        session.create("b" * 40, {"made": "0"}, 600)
        done.write_text(hashlib.sha256(b"kept").hexdigest() + "\n")
        files = Filestore(place / "filestore")
        kept, gone = files.put(BytesIO(b"kept")), files.put(BytesIO(b"gone"))
        await_fact(lambda: gone not in files, "the file is collected", server)
        await_fact(lambda: not (place / "sessions" / "aa" / ("a" * 40)).exists(), "the session is collected", server)
        assert kept in files
        assert session.load("b" * 40)


@pytest.mark.story
@pytest.mark.timeout(120)
def test_kills_of_workers_and_of_the_database_lose_no_job_and_repeat_only_what_the_history_names(done: Path) -> None:
    with clerk(done) as server:
        made(server)
        get(server, f"/slow?{JOBS}")
        for number in range(4):
            await_fact(lambda wanted=number: len(words(done)) > 20 * wanted + 20, "some are done", server)
            with suppress(ProcessLookupError):  # the last one, of whose death the master is yet to hear
                os.kill(worker_for_jobs(server), signal.SIGKILL)
        os.kill(int(server.wait_for("database_ready")["pid"]), signal.SIGKILL)
        await_fact(lambda: len(set(words(done)) - {"tick"}) == JOBS, "all are done", server)
        repeated = {word for word, times in words(done).items() if times > 1 and word != "tick"}
        await_fact(lambda: [o for *_, o in history(server)].count("done") == JOBS, "all are known to be done", server)
        lost = [run for run, _, outcome in history(server) if outcome == "lost"]
        assert len(repeated) <= len(lost)


def test_after_a_kill_of_everything_the_next_start_has_all_that_was_deferred(
    done: Path, record_property: Callable[[str, object], None]
) -> None:
    with clerk(done, max_cron_threads=0) as server:
        record_property("database's first start", made(server))
        get(server, "/?5")
        server.crash()
        mark = server.mark()
        server.configure(max_cron_threads=1)
        server.start()
        await_fact(lambda: {"0", "1", "2", "3", "4"} <= set(words(done)), "what was deferred before", server)
        record_property("its start after the kill", server.wait_for("database_ready", after=mark)["seconds"])


def test_threaded_mode_keeps_its_jobs_in_a_file_through_kills_of_everything(done: Path) -> None:
    with clerk(done, workers=0, max_cron_threads=0) as server:
        get(server, "/?5")
        server.crash()
        server.configure(max_cron_threads=1)
        server.start()
        await_fact(lambda: {"0", "1", "2", "3", "4", "tick"} <= set(words(done)), "what was deferred before", server)
        assert not Path(server.data_dir, "postgres").exists()
        assert Path(server.data_dir, "store.db").stat().st_mode & 0o777 == 0o600
        command = [sys.executable, "-m", "prefork", "jobs", "list", "-c", server.configuration]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "clerk.tick" in listed
