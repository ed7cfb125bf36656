"""The console's file: private, migrated once, whole transactions only."""

import os
import sqlite3
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from prefork.instances import database
from prefork.instances.database import Database, Unusable, apart, file_in


def test_it_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Database(tmp_path / database.NAME) as db:
            db.change("INSERT INTO instances (id, name, kind, created_at) VALUES ('default', 'shop', 'own', 0)")
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("console.sqlite", "console.sqlite-wal", "console.sqlite-shm"), 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root opens what is somebody else's")
def test_root_opens_what_is_somebody_elses_as_that_one() -> None:
    with tempfile.TemporaryDirectory(prefix="prefork-") as name:
        place = Path(name)
        place.chmod(0o755)  # a directory of pytest's is root's alone
        own = place / database.OWN
        own.mkdir(mode=0o700)
        os.chown(own, 65_534, 65_534)
        assert file_in(place) == own / database.NAME
        with Database(file_in(place)) as db:
            db.change("INSERT INTO instances (id, name, kind, created_at) VALUES ('default', 'shop', 'own', 0)")
            assert {path.stat().st_uid for path in own.iterdir()} == {65_534}
        assert os.geteuid() == 0
        (own / database.NAME).unlink()
        (own / database.NAME).symlink_to(place / "elsewhere")
        with pytest.raises(Unusable, match="permission denied"):
            Database(file_in(place))
        assert not (place / "elsewhere").exists(), "who owns the directory cannot have root make a file elsewhere"


def test_what_was_applied_is_not_applied_again(tmp_path: Path) -> None:
    with Database(tmp_path / "a") as db:
        applied = [row["version"] for row in db.rows("SELECT version FROM migrations ORDER BY version")]
    with Database(tmp_path / "a") as db:
        assert [row["version"] for row in db.rows("SELECT version FROM migrations ORDER BY version")] == applied
    assert applied == [each.version for each in database.migrations()]


def test_a_migration_that_was_edited_is_refused(tmp_path: Path) -> None:
    with Database(tmp_path / "a") as db:
        db.change("UPDATE migrations SET checksum = 'another' WHERE version = 1")
    with pytest.raises(Unusable, match="migration 1 "):
        Database(tmp_path / "a")


def test_what_is_no_database_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("no database at all, but long enough to have a header" * 10)
    with pytest.raises(Unusable, match="file is not a database"):
        Database(tmp_path / "a")
    with pytest.raises(Unusable, match="no such file or directory"):
        Database(tmp_path / "nowhere" / "a")


INSERT = "INSERT INTO instances (id, name, kind, created_at) VALUES (?, 'shop', 'own', 0)"


def add_both(db: Database) -> None:
    with db.transaction():
        with db.transaction():
            db.change(INSERT, "a")
        db.change(INSERT, "b")


def test_a_transaction_counts_as_a_whole(tmp_path: Path) -> None:
    with Database(tmp_path / "a") as db:
        db.change(INSERT, "b")
        with pytest.raises(sqlite3.IntegrityError):
            add_both(db)
        assert [row["id"] for row in db.rows("SELECT id FROM instances")] == ["b"]


def test_what_cannot_be_committed_leaves_no_transaction_open(tmp_path: Path) -> None:
    with Database(tmp_path / "a") as db, Database(tmp_path / "a") as other:

        def add() -> None:
            with db.transaction():
                db.change("PRAGMA defer_foreign_keys = ON")
                db.change("INSERT INTO grants (user_id, instance_id, role) VALUES (7, 'nowhere', 'viewer')")

        with pytest.raises(sqlite3.IntegrityError):
            add()
        with db.transaction():
            db.change(INSERT, "a")
        assert [row["id"] for row in other.rows("SELECT id FROM instances")] == ["a"]


def test_a_disk_that_takes_nothing_is_said_in_a_sentence(tmp_path: Path) -> None:
    with Database(tmp_path / "a") as db:
        db.change("PRAGMA query_only = ON")
        with pytest.raises(Unusable, match="cannot be used: attempt to write a readonly database"):
            db.change(INSERT, "a")
        with pytest.raises(Unusable), db.transaction():
            db.change(INSERT, "a")
        db.change("PRAGMA query_only = OFF")
        add_both(db)
        assert len(db.rows("SELECT id FROM instances")) == 2


def test_what_has_to_be_written_is_once_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "AGAIN", 0.01)
    with Database(tmp_path / "a") as db:
        db.insist(INSERT, "a")
        assert [row["id"] for row in db.rows("SELECT id FROM instances")] == ["a"]
        db.change("PRAGMA query_only = ON")
        db.insist(INSERT, "b")
        assert len(db.rows("SELECT id FROM instances")) == 1
        db.change("PRAGMA query_only = OFF")
        for thread in insisting():
            thread.join(20)
        assert len(db.rows("SELECT id FROM instances")) == 2
        db.change("PRAGMA query_only = ON")
        db.insist(INSERT, "c")
    for thread in insisting():
        thread.join(20)
    assert not insisting(), "it ends with the console"


def insisting() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "insist"]


def test_threads_take_turns(tmp_path: Path) -> None:
    with Database(tmp_path / "a") as db:

        def add(number: int) -> None:
            for each in range(20):
                with db.transaction():
                    db.change("INSERT INTO instances (id, name, kind, created_at) VALUES (?, '', 'own', 0)", f"{number}-{each}")

        threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = db.row("SELECT count(*) AS count FROM instances")
        assert found
        assert found["count"] == 80


def test_statements_are_told_apart_as_sqlite_does() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  DELETE FROM b;\nEND;\n"
    assert apart(f"CREATE TABLE a (b TEXT DEFAULT ';\n');\n{trigger}") == ["CREATE TABLE a (b TEXT DEFAULT ';\n');\n", trigger]
