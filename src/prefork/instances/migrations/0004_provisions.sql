-- The instances that the console runs itself: what was asked for and what they were given (JSON, as provision/wish.py and grant.py
-- declare it), whether they are to run, and which process they are: a pid, and when that began, in ticks since the machine's start.
CREATE TABLE provisions (
    instance_id TEXT PRIMARY KEY REFERENCES instances ON DELETE CASCADE,
    wish        TEXT NOT NULL,
    given       TEXT NOT NULL,
    wanted      TEXT NOT NULL CHECK (wanted IN ('running', 'stopped')),
    pid         INTEGER,
    began       INTEGER,
    failures    INTEGER NOT NULL DEFAULT 0,
    retry_at    REAL NOT NULL DEFAULT 0,
    ended_at    REAL,
    ended_how   TEXT NOT NULL DEFAULT ''
) STRICT;

-- What was done with them: who asked, how far it is, how it went.
CREATE TABLE works (
    id          INTEGER PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instances ON DELETE CASCADE,
    at          REAL NOT NULL,
    who         TEXT NOT NULL,
    action      TEXT NOT NULL CHECK (action IN ('create', 'start', 'stop', 'restart', 'upgrade')),
    state       TEXT NOT NULL CHECK (state IN ('running', 'done', 'rolled back', 'failed')),
    step        TEXT NOT NULL DEFAULT '',
    message     TEXT NOT NULL DEFAULT '',
    ended_at    REAL
) STRICT;
CREATE INDEX works_of_instance ON works (instance_id, id);
