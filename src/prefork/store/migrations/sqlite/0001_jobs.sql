CREATE TABLE jobs (
    name            TEXT PRIMARY KEY,
    schedule        TEXT,
    tz              TEXT NOT NULL DEFAULT 'UTC',
    misfire         TEXT NOT NULL DEFAULT 'once' CHECK (misfire IN ('once', 'skip')),
    priority        INTEGER NOT NULL DEFAULT 5,
    retries         INTEGER NOT NULL DEFAULT 3 CHECK (retries >= 0),
    arguments       TEXT NOT NULL DEFAULT '{"args": [], "kwargs": {}}',
    active          INTEGER NOT NULL DEFAULT 1,
    due_at          REAL,
    failures        INTEGER NOT NULL DEFAULT 0,
    first_failed_at REAL,
    remark          TEXT,
    declared        TEXT NOT NULL
);
CREATE TABLE runs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job         TEXT NOT NULL,
    due_at      REAL NOT NULL,
    recurring   INTEGER NOT NULL DEFAULT 0,
    priority    INTEGER NOT NULL,
    arguments   TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running')),
    attempt     INTEGER NOT NULL DEFAULT 0,
    lost        INTEGER NOT NULL DEFAULT 0,
    node        TEXT,
    worker      TEXT,
    pid         INTEGER,
    claimed_at  REAL,
    lease_until REAL,
    done        INTEGER,
    remaining   INTEGER
);
CREATE UNIQUE INDEX runs_recurring ON runs (job, due_at) WHERE recurring;
CREATE INDEX runs_waiting ON runs (lost, priority, due_at, id) WHERE state = 'waiting';
CREATE INDEX runs_job ON runs (job);
CREATE TABLE history (
    run        INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    job        TEXT NOT NULL,
    due_at     REAL NOT NULL,
    node       TEXT,
    worker     TEXT,
    pid        INTEGER,
    claimed_at REAL,
    ended_at   REAL NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome IN ('done', 'failed', 'lost')),
    seconds    REAL,
    cpu        REAL,
    memory     INTEGER,
    error      TEXT,
    PRIMARY KEY (run, attempt)
);
CREATE INDEX history_job ON history (job, ended_at);
CREATE INDEX history_ended ON history (ended_at);
