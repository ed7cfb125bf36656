-- list: As in board.sql, which says of each statement what it does.
SELECT job.name, job.schedule, job.tz, job.misfire, job.priority, job.retries, job.arguments, job.active,
       EXISTS (SELECT 1 FROM nodes, json_each(nodes.jobs) AS had WHERE had.value = job.name) AS present,
       coalesce((SELECT min(due_at) FROM runs WHERE runs.job = job.name AND state = 'waiting' AND recurring), job.due_at) AS due_at,
       job.failures, job.first_failed_at, job.remark,
       (SELECT count(*) FROM (
           SELECT 1 FROM runs WHERE runs.job = job.name AND state = 'waiting' AND NOT recurring LIMIT coalesce(:most, -1)
       )) AS waiting,
       (SELECT count(*) FROM runs WHERE runs.job = job.name AND state = 'running') AS running,
       last.outcome, last.ended_at, last.seconds
FROM jobs AS job
LEFT JOIN history AS last
    ON last.rowid = (SELECT rowid FROM history WHERE history.job = job.name ORDER BY ended_at DESC LIMIT 1)
WHERE :name IS NULL OR job.name = :name OR substr(job.name, -length(:name) - 1) = '.' || :name
ORDER BY job.name

-- running: What is being done.
SELECT id AS run, attempt, node, worker, pid, claimed_at, lease_until, done, remaining
FROM runs WHERE job = :job AND state = 'running' ORDER BY claimed_at

-- history: The latest first.
SELECT run, attempt, job, due_at, node, worker, pid, claimed_at, ended_at, outcome, seconds, cpu, memory, error
FROM history WHERE :job IS NULL OR job = :job
ORDER BY ended_at DESC, run DESC, attempt DESC LIMIT :limit OFFSET :offset

-- run: Now.
INSERT INTO runs (job, due_at, planned_at, priority, arguments)
SELECT name, :now, :now, priority, arguments FROM jobs WHERE name = :job;
SELECT last_insert_rowid() AS id

-- pause: Let it rest.
UPDATE jobs SET active = 0, remark = 'paused' WHERE name = :job

-- resume: Let it go on.
UPDATE jobs SET active = 1, remark = NULL, failures = 0, first_failed_at = NULL WHERE name = :job

-- edit: As an operator wants it.
UPDATE jobs SET
    schedule = :schedule, tz = :tz, misfire = :misfire, priority = :priority, retries = :retries, arguments = :arguments,
    due_at = CASE WHEN schedule IS :schedule AND tz = :tz THEN due_at ELSE :due_at END
WHERE name = :job
