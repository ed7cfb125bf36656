-- list: Every job, with what it is doing and how it fared last. What waits is counted up to `most`, or all of it where that is null: of a
-- hundred thousand planned runs all other columns are found sooner than their number. It is counted in an index that has the job alone of
-- what is asked, so that nothing is read of runs; those that recur, which are few, are taken off.
-- While a run that recurs waits for a worker the job is due since then: its row has the time after that already.
SELECT job.name, job.schedule, job.tz, job.misfire, job.priority, job.retries, job.arguments, job.active,
       EXISTS (SELECT FROM prefork.nodes WHERE job.name = ANY(nodes.jobs)) AS present,
       coalesce(recurring.due_at, job.due_at) AS due_at, job.failures, job.first_failed_at, job.remark,
       planned.count - coalesce(recurring.count, 0) AS waiting, coalesce(running.count, 0) AS running,
       last.outcome, last.ended_at, last.seconds
FROM prefork.jobs AS job
LEFT JOIN (
    SELECT job, count(*), min(due_at) AS due_at FROM prefork.runs WHERE recurring AND state = 'waiting' GROUP BY job
) AS recurring ON recurring.job = job.name
LEFT JOIN (SELECT job, count(*) FROM prefork.runs WHERE state = 'running' GROUP BY job) AS running ON running.job = job.name
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM prefork.runs WHERE runs.job = job.name AND state = 'waiting' LIMIT %(most)s::bigint + coalesce(recurring.count, 0)
    ) AS first
) AS planned
LEFT JOIN LATERAL (
    SELECT outcome, ended_at, seconds FROM prefork.history WHERE history.job = job.name ORDER BY ended_at DESC LIMIT 1
) AS last ON true
WHERE %(name)s::text IS NULL OR job.name = %(name)s OR right(job.name, length(%(name)s) + 1) = '.' || %(name)s
ORDER BY job.name

-- running: What is being done of a job.
SELECT id AS run, attempt, node, worker, pid, claimed_at, lease_until, done, remaining
FROM prefork.runs WHERE job = %(job)s AND state = 'running' ORDER BY claimed_at

-- history: What has ended, the latest first.
SELECT run, attempt, job, due_at, node, worker, pid, claimed_at, ended_at, outcome, seconds, cpu, memory, error
FROM prefork.history WHERE %(job)s::text IS NULL OR job = %(job)s
ORDER BY ended_at DESC, run DESC, attempt DESC LIMIT %(limit)s OFFSET %(offset)s

-- run: A run of a job now, whatever its schedule.
INSERT INTO prefork.runs (job, planned_at, priority, arguments)
SELECT name, now(), priority, arguments FROM prefork.jobs WHERE name = %(job)s RETURNING id

-- pause: Let a job rest.
UPDATE prefork.jobs SET active = false, remark = 'paused' WHERE name = %(job)s

-- resume: Let it go on, from its next time or now.
UPDATE prefork.jobs SET active = true, remark = NULL, failures = 0, first_failed_at = NULL WHERE name = %(job)s

-- edit: What an operator wants of a job. When it is due next changes with its schedule alone.
UPDATE prefork.jobs SET
    schedule = %(schedule)s, tz = %(tz)s, misfire = %(misfire)s, priority = %(priority)s, retries = %(retries)s,
    arguments = %(arguments)s,
    due_at = CASE WHEN schedule IS NOT DISTINCT FROM %(schedule)s::text AND tz = %(tz)s THEN due_at ELSE %(due_at)s::timestamptz END
WHERE name = %(job)s
