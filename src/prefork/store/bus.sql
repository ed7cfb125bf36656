-- publish: A message, which gets its position when this transaction commits.
INSERT INTO prefork.messages (channel, payload) VALUES (%(channel)s, %(payload)s)

-- enter: Somebody is on a channel; who was not there already is told of.
WITH seen AS (
    INSERT INTO prefork.presence (channel, member) VALUES (%(channel)s, %(member)s)
    ON CONFLICT (channel, member) DO UPDATE SET seen_at = now()
    RETURNING channel, member, xmax = 0 AS new
)
INSERT INTO prefork.messages (channel, payload)
SELECT 'presence:' || channel, json_build_object('joined', member) FROM seen WHERE new

-- leave: Somebody has left a channel.
WITH gone AS (
    DELETE FROM prefork.presence WHERE channel = %(channel)s AND member = %(member)s RETURNING channel, member
)
INSERT INTO prefork.messages (channel, payload) SELECT 'presence:' || channel, json_build_object('left', member) FROM gone

-- present: Who is on a channel.
SELECT member FROM prefork.presence
WHERE channel = %(channel)s AND greatest(seen_at, pg_postmaster_start_time()) > now() - make_interval(secs => %(patience)s)
ORDER BY member

-- sweep: Who was not seen for long has left.
WITH gone AS (
    DELETE FROM prefork.presence
    WHERE seen_at < now() - make_interval(secs => %(patience)s)
      AND pg_postmaster_start_time() < now() - make_interval(secs => %(patience)s)
    RETURNING channel, member
)
INSERT INTO prefork.messages (channel, payload) SELECT 'presence:' || channel, json_build_object('left', member) FROM gone

-- listen: Hear the bell.
LISTEN prefork_bus

-- head: Where the bus is now.
SELECT coalesce((SELECT max(position) FROM prefork.messages), floor) FROM prefork.bus

-- read: The next messages after the lowest of some positions, of some channels; up to where that is, and what there is at all. `lost` are those
-- of the positions that are not there any more, each with where to go on: at the floor, or where the history was cut off behind which it
-- was given away. It is one row at least.
WITH page AS MATERIALIZED (
    SELECT position, channel, payload FROM prefork.messages WHERE position > %(after)s ORDER BY position LIMIT %(most)s
), places AS (
    SELECT place, greatest(floor, (SELECT max(position) FROM prefork.messages WHERE position <= place)) AS there
    FROM prefork.bus, unnest(%(heard)s::bigint[]) AS place
), edges AS MATERIALIZED (
    SELECT floor, coalesce((SELECT max(position) FROM prefork.messages), floor) AS head,
           ARRAY(SELECT ARRAY[place, there] FROM places WHERE there <> place) AS lost
    FROM prefork.bus
)
SELECT coalesce((SELECT max(position) FROM page), least(%(after)s, head)), head, lost, position, channel, payload::text
FROM edges LEFT JOIN page ON channel = ANY(%(channels)s)
ORDER BY position

-- beat: A reader is there, and how far it has come.
INSERT INTO prefork.readers AS known (id, position) VALUES (%(reader)s, %(position)s)
ON CONFLICT (id) DO UPDATE SET position = excluded.position, seen_at = now()

-- retire: A reader has gone.
DELETE FROM prefork.readers WHERE id = %(reader)s

-- forget: Delete the oldest messages, where they are too old or too many and every reader has had them. One at a time does it; the
-- floor and the messages go in one transaction, so that a reader sees both. After a restart of the database readers have time to come back.
-- They are counted by their ids, as positions have gaps, and only to the first that is to stay: who committed late has an old id.
-- They are deleted by their places: a plan by positions looks so costly that the database compiles it, which takes a second.
WITH held AS (
    SELECT floor FROM prefork.bus FOR UPDATE SKIP LOCKED
), first AS (
    SELECT ctid AS place, position, at, id FROM prefork.messages WHERE position IS NOT NULL ORDER BY position LIMIT %(at_once)s
), oldest AS MATERIALIZED (
    SELECT place, position, bool_and(
               at < now() - make_interval(secs => %(age)s) OR id <= (SELECT max(id) FROM prefork.messages) - %(most)s
           ) OVER (ORDER BY position) AS due
    FROM first
), slowest AS (
    SELECT min(position) AS position FROM prefork.readers
    WHERE greatest(seen_at, pg_postmaster_start_time()) > now() - make_interval(secs => %(patience)s)
), edge AS (
    SELECT max(oldest.position) AS position FROM oldest, slowest
    WHERE due AND oldest.position <= coalesce(slowest.position, oldest.position)
), gone AS (
    DELETE FROM prefork.messages
    WHERE ctid = ANY(ARRAY(SELECT place FROM oldest, edge, held WHERE oldest.position <= edge.position)) RETURNING 1
), raised AS (
    UPDATE prefork.bus SET floor = greatest(floor, (SELECT position FROM edge))
    WHERE EXISTS (SELECT FROM held) AND (SELECT position FROM edge) IS NOT NULL
)
SELECT count(*) FROM gone

-- bury: Forget readers that are gone, and did not say so.
DELETE FROM prefork.readers
WHERE greatest(seen_at, pg_postmaster_start_time()) < now() - make_interval(secs => %(patience)s)
