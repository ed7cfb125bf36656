-- No position is ever given away twice. After a failover to a standby that lagged, or a restore, the counter is where it was earlier, and
-- readers have heard of positions that it has not given away here: they would take what is published next for what they had. So who
-- publishes first on a server that has started anew goes on a billion further, which is more than is published between a backup and its
-- restore. When that server started is kept in a sequence: unlike a row it has its latest value in transactions of any age.

CREATE SEQUENCE prefork.starts;
SELECT setval('prefork.starts', (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint);

CREATE OR REPLACE FUNCTION prefork.place() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    started CONSTANT bigint := (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint;
BEGIN
    BEGIN
        PERFORM pg_advisory_xact_lock(1886545254, 1);
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        RAISE EXCEPTION USING ERRCODE = SQLSTATE,
            MESSAGE = format('a message on channel %s is not published, and its transaction undone: %s', NEW.channel, SQLERRM),
            DETAIL = 'At its commit it waits until all transactions that published before it have committed.',
            HINT = 'Do it again. Raise lock_timeout, or publish last where a transaction has other deferred constraints.';
    END;
    IF (SELECT last_value FROM prefork.starts) <> started THEN
        PERFORM setval('prefork.positions', nextval('prefork.positions') + 1000000000);
        PERFORM setval('prefork.starts', started);
    END IF;
    UPDATE prefork.messages SET position = nextval('prefork.positions'), at = clock_timestamp() WHERE id = NEW.id;
    PERFORM pg_notify('prefork_bus', '');
    RETURN NULL;
END
$$;
