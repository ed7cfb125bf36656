-- Runs of a job that takes no time are claimed and ended several at once: a commit for each costs more than they do. Who dies with
-- several in its hands cannot be asked which of them it had begun. So none of them counts as an attempt of that run, each is claimed
-- alone the next time, and the history names them all.

ALTER TABLE prefork.runs
    ADD COLUMN together boolean NOT NULL DEFAULT false,  -- claimed with others
    ADD COLUMN spared integer NOT NULL DEFAULT 0;        -- attempts that were lost in company, and do not count

-- As the older one. `quick` are the jobs of which up to `most` runs may be taken: those that are next in any case, and have done no harm.
CREATE FUNCTION prefork.take(node text, worker text, pid integer, lease double precision, names text[], quick text[], most integer)
RETURNS SETOF prefork.runs LANGUAGE plpgsql
SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off
AS $$
DECLARE
    taken bigint[];
    chosen text;
BEGIN
    SELECT ARRAY[run.id], run.job INTO taken, chosen FROM prefork.runs AS run
    WHERE run.state = 'waiting' AND run.due_at <= now() AND run.job = ANY($5)
    ORDER BY run.lost, run.priority, run.due_at, run.id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED;
    IF taken IS NULL THEN
        RETURN;
    END IF;
    IF chosen = ANY($6) THEN
        taken := taken || ARRAY(
            SELECT front.id FROM (
                SELECT run.id, run.job, run.lost, run.recurring FROM prefork.runs AS run
                WHERE run.state = 'waiting' AND run.due_at <= now() AND run.job = ANY($5)
                ORDER BY run.lost, run.priority, run.due_at, run.id
                LIMIT $7
                FOR NO KEY UPDATE SKIP LOCKED) AS front
            WHERE front.job = chosen AND front.lost = 0 AND NOT front.recurring AND front.id <> ALL(taken));
    END IF;
    RETURN QUERY
    UPDATE prefork.runs AS run
    SET state = 'running', attempt = run.attempt + 1, node = $1, worker = $2, pid = $3,
        claimed_at = now(), lease_until = now() + make_interval(secs => $4), done = NULL, remaining = NULL,
        together = cardinality(taken) > 1
    WHERE run.id = ANY(taken)
    RETURNING run.*;
END
$$;

-- End runs that went well, and return those that were still held at this attempt. It finds them by their numbers, as above.
CREATE FUNCTION prefork.finish(runs bigint[], attempts integer[], took double precision[], computed double precision[], peaks bigint[])
RETURNS bigint[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    held bigint[];
BEGIN
    WITH said AS (
        SELECT * FROM unnest($1, $2, $3, $4, $5) AS said(id, attempt, seconds, cpu, memory)
    ), gone AS (
        DELETE FROM prefork.runs AS run USING said
        WHERE run.id = said.id AND run.attempt = said.attempt AND run.state = 'running'
        RETURNING run.*, said.seconds, said.cpu, said.memory
    ), healed AS (
        UPDATE prefork.jobs SET failures = 0, first_failed_at = NULL FROM gone WHERE name = gone.job AND failures > 0
    ), ended AS (
        INSERT INTO prefork.history (run, attempt, job, due_at, node, worker, pid, claimed_at, outcome, seconds, cpu, memory)
        SELECT id, attempt, job, due_at, node, worker, pid, claimed_at, 'done', seconds, cpu, memory FROM gone
        RETURNING run
    )
    SELECT array_agg(run) INTO held FROM ended;
    RETURN coalesce(held, '{}');
END
$$;
