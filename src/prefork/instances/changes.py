"""Changes of a server's settings: judged against its configuration and plan, written into its file, applied by a reload.

A reload replaces one worker after the other, and no request notices. Where the new settings do not get ready the server goes on
with the old ones, and the file gets its old text back. Each change is kept: who, when, what, and how it went.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import traceback
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from prefork.config import OPTIONS, ConfigurationError
from prefork.config.editing import Unusable, replace, rewrite
from prefork.config.reader import OPTIONS as SECTION
from prefork.config.reader import read_file
from prefork.instances.local import RELOAD_LIMIT, Denied, Unreachable
from prefork.sizing.plans import PLANS, beyond

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prefork.config import Settings
    from prefork.instances.database import Database
    from prefork.instances.local import Local, Reading

# What Settings → Performance shows. All of it takes effect with a reload.
PERFORMANCE = (
    "plan", "workers", "workers_min", "workers_max", "wait_target", "database_connections", "max_cron_threads", "websocket_workers",
    "limit_request", "limit_memory_soft", "limit_memory_hard",
    "limit_memory_soft_gevent", "limit_memory_hard_gevent", "limit_time_cpu", "limit_time_real", "limit_time_real_cron",
    "limit_time_worker", "limit_time_worker_cron", "queue_size", "queue_timeout",
)  # fmt: skip
NUMBER = {"plan", "workers", "workers_max"}  # what the most HTTP workers follow from, where the server finds their number
UNSET = "None"  # brings an option's default back
RUNNING, DONE, ROLLED_BACK, FAILED = "running", "done", "rolled back", "failed"
NO_FILE = "the server was started without a configuration file, so nothing can be saved; start it with -c FILE"
COLUMNS = "id, instance_id, at, who, options, state, message, ended_at, undoes"


class Invalid(Exception):
    """These settings cannot be: `sentences` by the option's name."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        super().__init__("; ".join(sentences.values()))
        self.sentences = dict(sentences)


class BeyondPlan(Invalid):
    """The plan does not include it."""


class Conflict(Exception):
    """This cannot be changed here, or not now; the sentence says why and what to do."""


class Change(NamedTuple):
    """A saving of settings; `options` maps names to the file's old and new text, None where it did not have one."""

    id: int
    instance: str
    at: float
    who: str
    options: dict[str, tuple[str | None, str | None]]
    state: str
    message: str
    ended_at: float | None
    undoes: int | None


class Intent(NamedTuple):
    """A change that has been judged and can be made."""

    file: Path
    old: dict[str, str | None]
    new: dict[str, str | None]
    before: Settings
    after: Settings

    def texts(self) -> dict[str, str]:
        """For the file."""
        return {name: UNSET if text is None else text for name, text in self.new.items()}


def tag(settings: Settings) -> str:
    """What changes whenever one of these settings does."""
    return hashlib.sha256(json.dumps([settings.shown(name) for name in PERFORMANCE]).encode()).hexdigest()[:20]


def judge(reading: Reading, changes: Mapping[str, str | None]) -> Intent:
    """What a change would mean. Raises Invalid, BeyondPlan, Conflict."""
    strange = {name: f"{name} is not one of the settings that can be changed here" for name in changes if name not in PERFORMANCE}
    if strange or not changes:
        raise Invalid(strange or {"": f"name at least one setting to change: {', '.join(PERFORMANCE)}"})
    try:
        before = reading.settings()
    except ConfigurationError as error:
        raise Conflict(f"the file has a problem already, correct it first: {error.problems[0]}") from None
    if before.file is None:
        raise Conflict(NO_FILE)
    for name in changes:
        if before.source(name).layer in {"flag", "environment"}:
            raise Conflict(f"{name} is given by {before.source(name)}, which counts more than the file; change it there")
    after = imagined(reading, changes)
    if after.threaded and not before.threaded:
        raise Invalid({"workers": "0 is threaded mode, for development; choose 1 or more"})
    if after.automatic and NUMBER & changes.keys() and (excess := beyond(after.plan, after.most_workers)):
        raise BeyondPlan({"workers_max": excess})
    written = {entry.key: entry.text for entry in read_file(before.file, str(before.file)).entries if entry.section == SECTION}
    return Intent(before.file, {name: written.get(name) for name in changes}, dict(changes), before, after)


def imagined(reading: Reading, changes: Mapping[str, str | None]) -> Settings:
    """The settings as they would be. Raises Invalid, BeyondPlan."""
    flags = {name: UNSET if text is None else text for name, text in changes.items()}
    try:
        return reading.settings(flags)
    except ConfigurationError as error:
        sentences = {option_at(problem.place): problem.sentence for problem in error.problems}
        settings = error.settings
        most = PLANS[settings.plan] if settings.plan else None
        if most is not None and settings.most_workers > most and "workers" in sentences and "workers" not in error.broken:
            raise BeyondPlan(sentences) from None
        raise Invalid(sentences) from None


def option_at(place: str) -> str:
    """The option that a problem is about: its place is a flag, or ends in the option's name."""
    last = place.rpartition(": ")[2]
    return next((name for name, each in OPTIONS.items() if last in {name, each.flag}), last)


def obstacle(server: Local, file: Path | None) -> str:
    """Why nothing can be saved; empty where nothing is in the way."""
    if file is None:
        return NO_FILE
    if os.access(file, os.W_OK):
        return ""
    # Who can write what a server of root's reads, gets root's rights.
    ours = os.stat(server.directory).st_uid == os.geteuid()
    advice = "permit it, or change the file by hand" if ours else "change it by hand and reload"
    return f"{file} cannot be written by the console's account; {advice}"


def begin(db: Database, server: Local, instance: str, who: str, intent: Intent, undoes: int | None = None) -> Change:
    """Write it; the reload that follows goes on by itself. Raises Conflict, and then the file is as it was."""
    if said := obstacle(server, intent.file):
        raise Conflict(said)
    options = {name: (intent.old[name], intent.new[name]) for name in intent.new}
    with db.transaction():
        check_free(db, instance)
        row = (instance, time.time(), who, json.dumps(options), RUNNING, undoes)
        made = db.change("INSERT INTO changes (instance_id, at, who, options, state, undoes) VALUES (?, ?, ?, ?, ?, ?)", *row)
    assert made.lastrowid is not None
    change = find(db, instance, made.lastrowid)
    assert change
    try:
        old = intent.file.read_bytes()
        rewrite(intent.file, intent.texts())
        new = intent.file.read_bytes()
    except (OSError, Unusable) as error:
        end(db, change, FAILED, str(error))
        raise Conflict(str(error)) from None
    Thread(target=apply, args=(db, server, change, intent, old, new), name="change", daemon=True).start()
    return change


def check_free(db: Database, instance: str) -> None:
    """Raises Conflict while a change of an instance's settings is being applied."""
    if db.row("SELECT 1 FROM changes WHERE instance_id = ? AND state = ?", instance, RUNNING):
        raise Conflict("another change is being applied; wait for its end")


def apply(db: Database, server: Local, change: Change, intent: Intent, old: bytes, new: bytes) -> None:
    """Reload, and give the file its old text back where that fails."""
    try:
        server.ask("reload", RELOAD_LIMIT)
    except (Denied, Unreachable) as error:
        said = f"{error}\n{getattr(error, 'details', '')}".strip()
        end(db, change, *take_back(intent, old, new, said))
    except Exception:  # a fault of ours: it is told, and nobody waits for ever
        end(db, change, FAILED, traceback.format_exc())
        raise
    else:
        end(db, change, DONE, "")


def take_back(intent: Intent, old: bytes, new: bytes, said: str) -> tuple[str, str]:
    """Give the file its old text, unless somebody else has written to it meanwhile; in what state that leaves the change."""
    try:
        if intent.file.read_bytes() != new:
            return FAILED, f"{said}\n{intent.file} was changed meanwhile, and stays as it is: correct it and reload"
        replace(str(intent.file.resolve()), old.decode(), intent.file)
    except (Unusable, OSError) as error:
        return FAILED, f"{said}\nThe file could not be given its old text: {error}"
    return ROLLED_BACK, said


def end(db: Database, change: Change, state: str, message: str) -> None:
    """Note how it went, when there is room again at the latest: until then nothing else can be changed."""
    db.insist("UPDATE changes SET state = ?, message = ?, ended_at = ? WHERE id = ?", state, message, time.time(), change.id)


def abandon(db: Database) -> None:
    """Changes that a console began which is no more: how they went, nobody saw."""
    said = "the console ended before it could note how this went; compare the file with what the server says"
    db.change("UPDATE changes SET state = ?, message = ?, ended_at = ? WHERE state = ?", FAILED, said, time.time(), RUNNING)


def find(db: Database, instance: str, number: int) -> Change | None:
    """One of an instance's changes."""
    row = db.row(f"SELECT {COLUMNS} FROM changes WHERE instance_id = ? AND id = ?", instance, number)  # noqa: S608 - the columns above
    return read(tuple(row)) if row else None


def listed(db: Database, instance: str, before: int | None, limit: int) -> list[Change]:
    """An instance's changes, the latest first, older ones than `before`."""
    where = "instance_id = ? AND (? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?"
    return [read(tuple(row)) for row in db.rows(f"SELECT {COLUMNS} FROM changes WHERE {where}", instance, before, before, limit)]  # noqa: S608 - the columns above


def read(row: tuple[Any, ...]) -> Change:
    """A change from its row."""
    options = {name: (old, new) for name, (old, new) in json.loads(row[4]).items()}
    return Change._make([*row[:4], options, *row[5:]])
