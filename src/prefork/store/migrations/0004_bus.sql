-- The bus. `messages` are what was published, `positions` their order, `readers` who is reading how far, `bus` how far they are forgotten.

CREATE TABLE prefork.messages (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint,                                 -- null until the transaction commits: no reader ever sees that
    channel  text NOT NULL,
    payload  json NOT NULL,                          -- as it was written: jsonb refuses \u0000
    at       timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX messages_position ON prefork.messages (position);
CREATE SEQUENCE prefork.positions;

CREATE TABLE prefork.readers (
    id       text PRIMARY KEY,
    position bigint NOT NULL,                        -- everything up to here has reached everybody who listens there
    seen_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE prefork.bus (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    floor    bigint NOT NULL DEFAULT 0               -- messages up to here may be gone
);
INSERT INTO prefork.bus DEFAULT VALUES;

-- Positions are in the order of commits. Numbers that are taken before the commit are not: A takes 1, B takes 2 and commits, a reader
-- has read up to 2, A commits, and 1 is never read. Whoever holds the lock commits before the next one takes a number. A counter in a
-- row would need no lock, but whoever reads repeatably could not change it after somebody else has.
-- The function has its owner's rights: who publishes needs INSERT on `messages` and nothing else.
CREATE FUNCTION prefork.place() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    BEGIN
        PERFORM pg_advisory_xact_lock(1886545254, 1);
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        RAISE EXCEPTION USING ERRCODE = SQLSTATE,
            MESSAGE = format('a message on channel %s is not published, and its transaction undone: %s', NEW.channel, SQLERRM),
            DETAIL = 'At its commit it waits until all transactions that published before it have committed.',
            HINT = 'Do it again. Raise lock_timeout, or publish last where a transaction has other deferred constraints.';
    END;
    UPDATE prefork.messages SET position = nextval('prefork.positions'), at = clock_timestamp() WHERE id = NEW.id;
    PERFORM pg_notify('prefork_bus', '');
    RETURN NULL;
END
$$;

-- What is restored from a dump has its position.
CREATE CONSTRAINT TRIGGER place AFTER INSERT ON prefork.messages DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.position IS NULL) EXECUTE FUNCTION prefork.place();
