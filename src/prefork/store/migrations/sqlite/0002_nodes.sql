CREATE TABLE nodes (
    node    TEXT PRIMARY KEY,
    jobs    TEXT NOT NULL,
    seen_at REAL NOT NULL
);
