-- declare: Make a job's row as the code has it, or change it where the code has changed since. An operator's edits stay otherwise.
INSERT INTO prefork.jobs AS known (name, schedule, tz, misfire, priority, retries, declared, due_at)
VALUES (%(name)s, %(schedule)s, %(tz)s, %(misfire)s, %(priority)s, %(retries)s, %(declared)s, %(due_at)s)
ON CONFLICT (name) DO UPDATE
SET schedule = excluded.schedule, tz = excluded.tz, misfire = excluded.misfire, priority = excluded.priority,
    retries = excluded.retries, declared = excluded.declared,
    due_at = CASE WHEN known.schedule IS NOT DISTINCT FROM excluded.schedule AND known.tz = excluded.tz
             THEN known.due_at ELSE excluded.due_at END
WHERE known.declared IS DISTINCT FROM excluded.declared

-- attend: A node is there, and its code has these jobs.
INSERT INTO prefork.nodes (node, jobs) VALUES (%(node)s, %(names)s)
ON CONFLICT (node) DO UPDATE SET jobs = excluded.jobs, seen_at = now()

-- clock: The database's clock in seconds, and whether it was ahead when a node was last there.
SELECT extract(epoch FROM clock_timestamp())::double precision,
       EXISTS (SELECT FROM prefork.nodes WHERE seen_at > now() + interval '1 minute')

-- recall: Have nobody wait for a time that a clock has found which was ahead: runs, leases, and nodes that would not be forgotten.
WITH waiting AS (
    UPDATE prefork.runs SET due_at = now(), planned_at = now()
    WHERE state = 'waiting' AND planned_at > now() + interval '1 minute'
), running AS (
    UPDATE prefork.runs SET lease_until = now() + make_interval(secs => %(lease)s)
    WHERE state = 'running' AND lease_until > now() + make_interval(secs => %(lease)s + 60)
)
UPDATE prefork.nodes SET seen_at = now() WHERE seen_at > now() + interval '1 minute'

-- dismiss: Forget the nodes that nobody has heard of for so long. Where none is left nobody forgets the last ones.
DELETE FROM prefork.nodes WHERE seen_at < now() - make_interval(secs => %(age)s)

-- defer: One run of a job, for later or now, and the bell in the same transaction: one wait for the disk before workers wake, not two.
-- Jobs that no worker has declared yet have the priority of the caller's code.
WITH made AS (
    INSERT INTO prefork.runs (job, due_at, planned_at, priority, arguments)
    VALUES (%(job)s, coalesce(%(at)s, now()), CASE WHEN %(at)s::timestamptz IS NULL THEN now() END,
            coalesce(%(priority)s, (SELECT priority FROM prefork.jobs WHERE name = %(job)s), %(default)s), %(arguments)s)
    RETURNING id
)
SELECT id, pg_notify('prefork_jobs', '') FROM made

-- ring: Wake the workers when this transaction commits.
SELECT pg_notify('prefork_jobs', '')

-- listen: Be woken.
LISTEN prefork_jobs

-- due: Recurring jobs whose time has come and that are not being done already. Locked, so that one worker makes each run. And those that
-- were planned in a time to come, when the clock was ahead: theirs would not come for years.
SELECT name, schedule, tz, misfire, priority, arguments, due_at, now() AS now
FROM prefork.jobs
WHERE active AND due_at IS NOT NULL AND (due_at <= now() OR planned_at > now() + interval '1 minute') AND name = ANY(%(names)s)
  AND NOT EXISTS (SELECT FROM prefork.runs WHERE job = name AND recurring)
ORDER BY due_at
FOR NO KEY UPDATE SKIP LOCKED

-- planned: One recurring job, locked until the transaction ends; none where it does not recur any more.
SELECT name, schedule, tz, misfire, priority, arguments, due_at, now() AS now
FROM prefork.jobs WHERE name = %(name)s AND schedule IS NOT NULL AND due_at IS NOT NULL
FOR NO KEY UPDATE

-- occur: A recurring job's run.
INSERT INTO prefork.runs (job, due_at, planned_at, recurring, priority, arguments)
VALUES (%(job)s, %(due_at)s, now(), true, %(priority)s, %(arguments)s)
ON CONFLICT (job, due_at) WHERE recurring DO NOTHING

-- postpone: When a recurring job is due next.
UPDATE prefork.jobs SET due_at = %(due_at)s, planned_at = now() WHERE name = %(job)s

-- deactivate: Let a job rest, and say why.
UPDATE prefork.jobs SET active = false, remark = %(remark)s WHERE name = %(job)s

-- claim: Take the first run that is due. Those that cost workers their lives come after all others.
SELECT taken.id, taken.job, taken.attempt, taken.arguments, taken.recurring, taken.due_at,
       coalesce(job.retries, 0), coalesce(job.failures, 0), job.first_failed_at
FROM prefork.take(%(node)s, %(worker)s, %(pid)s, %(lease)s, %(names)s) AS taken
LEFT JOIN prefork.jobs AS job ON job.name = taken.job

-- next: Seconds until something is due that this worker could do; null when nothing is planned.
SELECT extract(epoch FROM least(
    (SELECT min(first.due_at) FROM unnest(%(names)s::text[]) AS wanted(name), LATERAL (
        SELECT due_at FROM prefork.runs WHERE state = 'waiting' AND job = wanted.name ORDER BY due_at LIMIT 1) AS first),
    (SELECT min(due_at) FROM prefork.jobs WHERE active AND name = ANY(%(names)s)
        AND NOT EXISTS (SELECT FROM prefork.runs WHERE job = name AND recurring))
) - clock_timestamp())::double precision

-- renew: Keep a run for another while.
UPDATE prefork.runs SET lease_until = now() + make_interval(secs => %(lease)s)
WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'
RETURNING id

-- progress: How far a run has come. It renews its lease, too.
UPDATE prefork.runs SET done = %(done)s, remaining = %(remaining)s, lease_until = now() + make_interval(secs => %(lease)s)
WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'

-- complete: A run has ended well. Nothing happens when it is another worker's by now.
WITH gone AS (
    DELETE FROM prefork.runs WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running' RETURNING *
), healed AS (
    UPDATE prefork.jobs SET failures = 0, first_failed_at = NULL FROM gone WHERE name = gone.job AND failures > 0
)
INSERT INTO prefork.history (run, attempt, job, due_at, node, worker, pid, claimed_at, outcome, seconds, cpu, memory)
SELECT id, attempt, job, due_at, node, worker, pid, claimed_at, 'done', %(seconds)s, %(cpu)s, %(memory)s FROM gone
RETURNING run

-- advance: Both at once, `complete` and `claim`: one commit instead of two. The first column tells whether the run was still ours.
WITH gone AS (
    DELETE FROM prefork.runs WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running' RETURNING *
), healed AS (
    UPDATE prefork.jobs SET failures = 0, first_failed_at = NULL FROM gone WHERE name = gone.job AND failures > 0
), ended AS (
    INSERT INTO prefork.history (run, attempt, job, due_at, node, worker, pid, claimed_at, outcome, seconds, cpu, memory)
    SELECT id, attempt, job, due_at, node, worker, pid, claimed_at, 'done', %(seconds)s, %(cpu)s, %(memory)s FROM gone
    RETURNING run
)
SELECT EXISTS (SELECT FROM ended), taken.id, taken.job, taken.attempt, taken.arguments, taken.recurring, taken.due_at,
       coalesce(job.retries, 0), coalesce(job.failures, 0), job.first_failed_at
FROM (VALUES (1)) AS one LEFT JOIN prefork.take(%(node)s, %(worker)s, %(pid)s, %(lease)s, %(names)s) AS taken ON true
LEFT JOIN prefork.jobs AS job ON job.name = taken.job

-- retry: A run has failed and is tried again later.
WITH back AS (
    UPDATE prefork.runs AS run
    SET state = 'waiting', due_at = now() + make_interval(secs => %(delay)s), planned_at = now(), lease_until = NULL
    WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'
    RETURNING *
)
INSERT INTO prefork.history (run, attempt, job, due_at, node, worker, pid, claimed_at, outcome, seconds, cpu, memory, error)
SELECT id, attempt, job, %(due_at)s, node, worker, pid, claimed_at, 'failed', %(seconds)s, %(cpu)s, %(memory)s, %(error)s FROM back
RETURNING run

-- fail: A run has failed for good. Its job, if it recurs, waits and may have to rest.
WITH gone AS (
    DELETE FROM prefork.runs WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running' RETURNING *
), counted AS (
    UPDATE prefork.jobs AS job
    SET failures = job.failures + 1, first_failed_at = coalesce(job.first_failed_at, now()),
        due_at = coalesce(%(next_at)s::timestamptz, job.due_at),
        planned_at = CASE WHEN %(next_at)s::timestamptz IS NULL THEN job.planned_at ELSE now() END,
        active = job.active AND %(remark)s::text IS NULL, remark = coalesce(%(remark)s, job.remark)
    FROM gone WHERE job.name = gone.job AND gone.recurring
)
INSERT INTO prefork.history (run, attempt, job, due_at, node, worker, pid, claimed_at, outcome, seconds, cpu, memory, error)
SELECT id, attempt, job, due_at, node, worker, pid, claimed_at, 'failed', %(seconds)s, %(cpu)s, %(memory)s, %(error)s FROM gone
RETURNING run

-- held: What workers of this node are doing, or were when they died.
SELECT id, worker, pid FROM prefork.runs WHERE state = 'running' AND node = %(node)s
FOR NO KEY UPDATE SKIP LOCKED

-- expired: What nobody has renewed. After a restart of the database everybody has a lease's time to come back.
SELECT id FROM prefork.runs
WHERE state = 'running' AND lease_until < now()
  AND pg_postmaster_start_time() < now() - make_interval(secs => %(lease)s)
FOR NO KEY UPDATE SKIP LOCKED

-- lose: Runs whose workers are gone are for others, behind all that did no harm; after the last attempt they are over.
WITH ended AS (
    SELECT run.*, run.attempt > coalesce(job.retries, 0) AS last
    FROM prefork.runs AS run LEFT JOIN prefork.jobs AS job ON job.name = run.job
    WHERE run.id = ANY(%(ids)s) AND run.state = 'running'
), again AS (
    UPDATE prefork.runs AS run SET state = 'waiting', lost = run.lost + 1, lease_until = NULL
    FROM ended WHERE run.id = ended.id AND NOT ended.last
), over AS (
    DELETE FROM prefork.runs AS run USING ended WHERE run.id = ended.id AND ended.last
), counted AS (
    UPDATE prefork.jobs AS job SET failures = failures + 1, first_failed_at = coalesce(first_failed_at, now())
    FROM ended WHERE job.name = ended.job AND ended.recurring AND ended.last
)
INSERT INTO prefork.history (run, attempt, job, due_at, node, worker, pid, claimed_at, outcome, seconds, error)
SELECT id, attempt, job, due_at, node, worker, pid, claimed_at, 'lost', extract(epoch FROM now() - claimed_at), %(error)s FROM ended
RETURNING run, job, attempt, worker

-- give_back: A run that was claimed and never begun.
UPDATE prefork.runs SET state = 'waiting', attempt = attempt - 1, lease_until = NULL
WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'

-- forget: Delete the oldest of what is older than anybody wants to know, so many at most.
WITH gone AS (
    DELETE FROM prefork.history WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM prefork.history WHERE ended_at < now() - make_interval(secs => %(age)s)
        ORDER BY ended_at LIMIT %(at_once)s
    )) RETURNING 1
)
SELECT count(*) FROM gone
