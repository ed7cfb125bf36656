-- load: A session, unless it has expired.
SELECT payload FROM prefork.sessions WHERE id = %s AND expires > clock_timestamp()

-- hold: The same, and keep all others from writing it until this transaction ends.
SELECT payload FROM prefork.sessions WHERE id = %s AND expires > clock_timestamp() FOR UPDATE

-- create: A new session. It may be there already: this is said again on a new connection when the first one broke after the commit.
-- One that has expired and was not removed yet is in nobody's way.
INSERT INTO prefork.sessions AS kept (id, payload, expires) VALUES (%s, %s, clock_timestamp() + %s * interval '1 second')
ON CONFLICT (id) DO UPDATE SET payload = excluded.payload, expires = excluded.expires WHERE kept.expires <= clock_timestamp()

-- update: Replace a session that is held.
UPDATE prefork.sessions SET payload = %s, expires = clock_timestamp() + %s * interval '1 second' WHERE id = %s

-- end: Replace one that has not expired.
UPDATE prefork.sessions SET payload = %s, expires = clock_timestamp() + %s * interval '1 second'
WHERE id = %s AND expires > clock_timestamp()

-- delete: Forget a session.
DELETE FROM prefork.sessions WHERE id = %s

-- collect: Remove expired sessions, so many at most. Others who do the same at this moment take other ones.
DELETE FROM prefork.sessions WHERE id IN (
    SELECT id FROM prefork.sessions WHERE expires <= clock_timestamp() LIMIT %s FOR UPDATE SKIP LOCKED
)
