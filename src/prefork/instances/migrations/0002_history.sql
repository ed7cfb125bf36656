-- What instances have done, as usage/sample.py declares it: `grain` 0 as it was measured, else the seconds of a summary. Counts by bucket are
-- a JSON list: first all buckets, then their counts.
CREATE TABLE samples (
    instance_id    TEXT NOT NULL REFERENCES instances ON DELETE CASCADE,
    grain          INTEGER NOT NULL,
    at             REAL NOT NULL,
    seconds        REAL NOT NULL,
    configured     INTEGER NOT NULL,
    in_flight      REAL,
    in_flight_most REAL,
    cpu            REAL,
    waits          TEXT NOT NULL,
    services       TEXT NOT NULL,
    succeeded      INTEGER NOT NULL,
    redirected     INTEGER NOT NULL,
    client_errors  INTEGER NOT NULL,
    server_errors  INTEGER NOT NULL,
    refused        INTEGER NOT NULL,
    failed         INTEGER NOT NULL,
    retried        INTEGER NOT NULL,
    abandoned      INTEGER NOT NULL,
    queued         INTEGER NOT NULL,
    connections    INTEGER NOT NULL,
    websockets     INTEGER NOT NULL,
    jobs           INTEGER NOT NULL,
    incidents      INTEGER NOT NULL,
    memory         REAL,
    memory_most    INTEGER,
    host_cpu       REAL,
    host_memory    REAL,
    host_swap      REAL,
    disk           REAL,
    database       REAL,
    cgroup         REAL,
    waited_cpu     REAL,
    waited_memory  REAL,
    waited_io      REAL,
    PRIMARY KEY (instance_id, grain, at)
) STRICT, WITHOUT ROWID;

-- What was done to an instance, or has befallen it: shown on the axis of its charts.
CREATE TABLE marks (
    instance_id TEXT NOT NULL REFERENCES instances ON DELETE CASCADE,
    at          REAL NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('start', 'reload', 'scaling', 'incident')),
    text        TEXT NOT NULL,
    PRIMARY KEY (instance_id, at, kind, text)
) STRICT, WITHOUT ROWID;
