-- What people were told of an instance, as instances/alerts.py has it. At most one of its kind is not over.
CREATE TABLE alerts (
    id          INTEGER PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instances ON DELETE CASCADE,
    rule        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    level       TEXT NOT NULL,
    text        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('raised', 'clearing')),
    began_at    REAL NOT NULL,
    changed_at  REAL NOT NULL,
    raised_at   REAL NOT NULL,
    over_at     REAL
) STRICT;
CREATE UNIQUE INDEX alerts_at_most_one ON alerts (instance_id, rule, subject) WHERE over_at IS NULL;
CREATE INDEX alerts_of_instance ON alerts (instance_id, id);

-- What is still to be delivered of them, on which way: a row is gone once it has been, or once nobody wants to know any more.
CREATE TABLE notices (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- the receiver tells by it what it has had already
    instance_id TEXT NOT NULL REFERENCES instances ON DELETE CASCADE,
    way         TEXT NOT NULL CHECK (way IN ('email', 'webhook')),
    content     TEXT NOT NULL, -- JSON
    created_at  REAL NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      REAL NOT NULL,
    error       TEXT
) STRICT;
CREATE INDEX notices_in_order ON notices (instance_id, way, id);
