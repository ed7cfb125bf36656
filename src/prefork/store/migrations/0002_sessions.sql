-- Sessions of an application that keeps them here: what `prefork.sessions` writes, and until when it counts.

CREATE TABLE prefork.sessions (
    id      text PRIMARY KEY,
    payload bytea NOT NULL,
    expires timestamptz NOT NULL
);
CREATE INDEX sessions_expires ON prefork.sessions (expires);
