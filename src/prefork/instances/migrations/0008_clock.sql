-- Since when the machine's clock has gone evenly: a console that is started again need not wait anew before it forgets what is old.
CREATE TABLE clock (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    boot  TEXT NOT NULL, -- of the machine: what follows counts from it
    ahead REAL NOT NULL, -- seconds from 1970 to that
    since REAL NOT NULL  -- seconds after that
) STRICT;
