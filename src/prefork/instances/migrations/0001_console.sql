-- The instances that the console knows. `directory` is a local one's data directory, `url` and `token` lead to a remote console.
CREATE TABLE instances (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('own', 'local', 'remote')),
    directory  TEXT,
    url        TEXT,
    token      TEXT,
    created_at REAL NOT NULL
) STRICT;

CREATE TABLE users (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password   TEXT NOT NULL, -- Argon2id
    role       TEXT NOT NULL CHECK (role IN ('none', 'viewer', 'operator', 'administrator')),
    created_at REAL NOT NULL
) STRICT;

-- What somebody may do with one instance, beyond the role for all of them.
CREATE TABLE grants (
    user_id     INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    instance_id TEXT NOT NULL REFERENCES instances ON DELETE CASCADE,
    role        TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'administrator')),
    PRIMARY KEY (user_id, instance_id)
) STRICT;

-- Who is logged in. Of the cookie's secret only the hash is kept.
CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    csrf       TEXT NOT NULL,
    created_at REAL NOT NULL,
    seen_at    REAL NOT NULL
) STRICT;

CREATE TABLE tokens (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    hash       TEXT NOT NULL UNIQUE,
    scope      TEXT NOT NULL CHECK (scope IN ('metrics', 'viewer', 'operator', 'administrator')),
    user_id    INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at REAL NOT NULL,
    expires_at REAL,
    used_at    REAL
) STRICT;

CREATE TABLE audit (
    id          INTEGER PRIMARY KEY,
    at          REAL NOT NULL,
    who         TEXT NOT NULL,
    client      TEXT NOT NULL,
    action      TEXT NOT NULL,
    instance_id TEXT,
    details     TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX audit_of_instance ON audit (instance_id, id);

-- Each saving of settings: what it changed (JSON: by option, old and new text; null where the file does not have it), how it went.
CREATE TABLE changes (
    id          INTEGER PRIMARY KEY,
    instance_id TEXT NOT NULL REFERENCES instances ON DELETE CASCADE,
    at          REAL NOT NULL,
    who         TEXT NOT NULL,
    options     TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('running', 'done', 'rolled back', 'failed')),
    message     TEXT NOT NULL DEFAULT '',
    ended_at    REAL,
    undoes      INTEGER REFERENCES changes
) STRICT;
CREATE INDEX changes_of_instance ON changes (instance_id, id);
