-- Who is on which channel of the bus, as applications say.

CREATE TABLE prefork.presence (
    channel text NOT NULL,
    member  text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel, member)
);
CREATE INDEX presence_seen_at ON prefork.presence (seen_at);
