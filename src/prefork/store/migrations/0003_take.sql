-- Taking a run walks along `runs_waiting`, whatever is known of the table. A queue's statistics are always those of another moment:
-- the planner, believing them, sorts ten thousand waiting runs to take one. Settings of a function hold behind a pooler, too.

CREATE FUNCTION prefork.take(node text, worker text, pid integer, lease double precision, names text[])
RETURNS SETOF prefork.runs LANGUAGE plpgsql
SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off
AS $$
BEGIN
    RETURN QUERY
    UPDATE prefork.runs AS run
    SET state = 'running', attempt = run.attempt + 1, node = $1, worker = $2, pid = $3,
        claimed_at = now(), lease_until = now() + make_interval(secs => $4), done = NULL, remaining = NULL
    WHERE run.id = (
        SELECT first.id FROM prefork.runs AS first
        WHERE first.state = 'waiting' AND first.due_at <= now() AND first.job = ANY($5)
        ORDER BY first.lost, first.priority, first.due_at, first.id
        LIMIT 1
        FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING run.*;
END
$$;
