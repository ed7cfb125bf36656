-- declare: As in jobs.sql, which says of each statement what it does; here they are several where one cannot change two tables.
INSERT INTO jobs (name, schedule, tz, misfire, priority, retries, declared, due_at)
VALUES (:name, :schedule, :tz, :misfire, :priority, :retries, :declared, :due_at)
ON CONFLICT (name) DO UPDATE
SET schedule = excluded.schedule, tz = excluded.tz, misfire = excluded.misfire, priority = excluded.priority,
    retries = excluded.retries, declared = excluded.declared,
    due_at = CASE WHEN schedule IS excluded.schedule AND tz = excluded.tz THEN due_at ELSE excluded.due_at END
WHERE declared <> excluded.declared

-- attend: Which jobs it has.
INSERT INTO nodes (node, jobs, seen_at) VALUES (:node, :names, :now)
ON CONFLICT (node) DO UPDATE SET jobs = excluded.jobs, seen_at = excluded.seen_at

-- clock: In seconds.
SELECT :now, EXISTS (SELECT 1 FROM nodes WHERE seen_at > :now + 60)

-- recall: What it has put off that was ahead.
UPDATE runs SET due_at = :now, planned_at = :now WHERE state = 'waiting' AND planned_at > :now + 60;
UPDATE runs SET lease_until = :now + :lease WHERE state = 'running' AND lease_until > :now + :lease + 60;
UPDATE nodes SET seen_at = :now WHERE seen_at > :now + 60

-- dismiss: For so long.
DELETE FROM nodes WHERE seen_at < :now - :age

-- defer: One run.
INSERT INTO runs (job, due_at, planned_at, priority, arguments)
VALUES (:job, coalesce(:at, :now), CASE WHEN :at IS NULL THEN :now END,
        coalesce(:priority, (SELECT priority FROM jobs WHERE name = :job), :default), :arguments);
SELECT last_insert_rowid(), ring()

-- ring: When the transaction is written.
SELECT ring()

-- listen: At the pipe.
SELECT listen()

-- due: In a transaction nobody else makes these runs.
SELECT name, schedule, tz, misfire, priority, arguments, due_at, :now AS now
FROM jobs
WHERE active AND due_at IS NOT NULL AND (due_at <= :now OR planned_at > :now + 60)
  AND name IN (SELECT value FROM json_each(:names))
  AND NOT EXISTS (SELECT 1 FROM runs WHERE job = name AND recurring)
ORDER BY due_at

-- planned: One of them.
SELECT name, schedule, tz, misfire, priority, arguments, due_at, :now AS now
FROM jobs WHERE name = :name AND schedule IS NOT NULL AND due_at IS NOT NULL

-- occur: Once for each time.
INSERT OR IGNORE INTO runs (job, due_at, planned_at, recurring, priority, arguments)
VALUES (:job, :due_at, :now, 1, :priority, :arguments)

-- postpone: The next time.
UPDATE jobs SET due_at = :due_at, planned_at = :now WHERE name = :job

-- deactivate: With the reason.
UPDATE jobs SET active = 0, remark = :remark WHERE name = :job

-- claim: The first one that is due.
UPDATE runs
SET state = 'running', attempt = attempt + 1, node = :node, worker = :worker, pid = :pid,
    claimed_at = :now, lease_until = :now + :lease, done = NULL, remaining = NULL
WHERE id = (SELECT id FROM runs WHERE state = 'waiting' AND due_at <= :now AND job IN (SELECT value FROM json_each(:names))
            ORDER BY lost, priority, due_at, id LIMIT 1);
SELECT taken.id, taken.job, taken.attempt, taken.arguments, taken.recurring, taken.due_at,
       coalesce(job.retries, 0), coalesce(job.failures, 0), job.first_failed_at AS first_failed_at
FROM runs AS taken LEFT JOIN jobs AS job ON job.name = taken.job
WHERE taken.state = 'running' AND taken.node = :node AND taken.worker = :worker AND taken.claimed_at = :now

-- next: Seconds until something is due.
SELECT min(due_at) - :now FROM (
    SELECT due_at FROM runs WHERE state = 'waiting' AND job IN (SELECT value FROM json_each(:names))
    UNION ALL
    SELECT due_at FROM jobs WHERE active AND due_at IS NOT NULL AND name IN (SELECT value FROM json_each(:names))
        AND NOT EXISTS (SELECT 1 FROM runs WHERE job = name AND recurring))

-- renew: For another lease.
UPDATE runs SET lease_until = :now + :lease WHERE id = :id AND attempt = :attempt AND state = 'running';
SELECT id FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running'

-- progress: And another lease.
UPDATE runs SET done = :done, remaining = :remaining, lease_until = :now + :lease
WHERE id = :id AND attempt = :attempt AND state = 'running'

-- complete: It ended well.
INSERT INTO history (run, attempt, job, due_at, node, worker, pid, claimed_at, ended_at, outcome, seconds, cpu, memory)
SELECT id, attempt, job, due_at, node, worker, pid, claimed_at, :now, 'done', :seconds, :cpu, :memory
FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running';
UPDATE jobs SET failures = 0, first_failed_at = NULL
WHERE failures > 0 AND name = (SELECT job FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running');
DELETE FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running';
SELECT run FROM history WHERE run = :id AND attempt = :attempt AND ended_at = :now

-- advance: `complete` and `claim`.
INSERT INTO history (run, attempt, job, due_at, node, worker, pid, claimed_at, ended_at, outcome, seconds, cpu, memory)
SELECT id, attempt, job, due_at, node, worker, pid, claimed_at, :now, 'done', :seconds, :cpu, :memory
FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running';
UPDATE jobs SET failures = 0, first_failed_at = NULL
WHERE failures > 0 AND name = (SELECT job FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running');
DELETE FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running';
UPDATE runs
SET state = 'running', attempt = attempt + 1, node = :node, worker = :worker, pid = :pid,
    claimed_at = :now, lease_until = :now + :lease, done = NULL, remaining = NULL
WHERE id = (SELECT id FROM runs WHERE state = 'waiting' AND due_at <= :now AND job IN (SELECT value FROM json_each(:names))
            ORDER BY lost, priority, due_at, id LIMIT 1);
SELECT EXISTS (SELECT 1 FROM history WHERE run = :id AND attempt = :attempt AND ended_at = :now) AS held,
       taken.id, taken.job, taken.attempt, taken.arguments, taken.recurring, taken.due_at,
       coalesce(job.retries, 0), coalesce(job.failures, 0), job.first_failed_at AS first_failed_at
FROM (SELECT 1) AS one
LEFT JOIN runs AS taken ON taken.state = 'running' AND taken.node = :node AND taken.worker = :worker AND taken.claimed_at = :now
LEFT JOIN jobs AS job ON job.name = taken.job

-- retry: Later.
INSERT INTO history (run, attempt, job, due_at, node, worker, pid, claimed_at, ended_at, outcome, seconds, cpu, memory, error)
SELECT id, attempt, job, :due_at, node, worker, pid, claimed_at, :now, 'failed', :seconds, :cpu, :memory, :error
FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running';
UPDATE runs SET state = 'waiting', due_at = :now + :delay, planned_at = :now, lease_until = NULL
WHERE id = :id AND attempt = :attempt AND state = 'running';
SELECT run FROM history WHERE run = :id AND attempt = :attempt AND ended_at = :now

-- fail: For good.
INSERT INTO history (run, attempt, job, due_at, node, worker, pid, claimed_at, ended_at, outcome, seconds, cpu, memory, error)
SELECT id, attempt, job, due_at, node, worker, pid, claimed_at, :now, 'failed', :seconds, :cpu, :memory, :error
FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running';
UPDATE jobs
SET failures = failures + 1, first_failed_at = coalesce(first_failed_at, :now),
    due_at = coalesce(:next_at, due_at),
    planned_at = CASE WHEN :next_at IS NULL THEN planned_at ELSE :now END,
    active = active AND :remark IS NULL, remark = coalesce(:remark, remark)
WHERE name = (SELECT job FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running' AND recurring);
DELETE FROM runs WHERE id = :id AND attempt = :attempt AND state = 'running';
SELECT run FROM history WHERE run = :id AND attempt = :attempt AND ended_at = :now

-- held: Of this node.
SELECT id, worker, pid FROM runs WHERE state = 'running' AND node = :node

-- expired: Not renewed.
SELECT id FROM runs WHERE state = 'running' AND lease_until < :now

-- lose: For others, or over.
INSERT INTO history (run, attempt, job, due_at, node, worker, pid, claimed_at, ended_at, outcome, seconds, error)
SELECT id, attempt, job, due_at, node, worker, pid, claimed_at, :now, 'lost', :now - claimed_at, :error
FROM runs WHERE state = 'running' AND id IN (SELECT value FROM json_each(:ids));
UPDATE jobs SET failures = failures + 1, first_failed_at = coalesce(first_failed_at, :now)
WHERE name IN (SELECT job FROM runs WHERE state = 'running' AND recurring AND attempt > jobs.retries
               AND id IN (SELECT value FROM json_each(:ids)));
DELETE FROM runs
WHERE state = 'running' AND id IN (SELECT value FROM json_each(:ids))
  AND attempt > coalesce((SELECT retries FROM jobs WHERE name = job), 0);
UPDATE runs SET state = 'waiting', lost = lost + 1, lease_until = NULL
WHERE state = 'running' AND id IN (SELECT value FROM json_each(:ids));
SELECT run, job, attempt, worker FROM history
WHERE outcome = 'lost' AND ended_at = :now AND run IN (SELECT value FROM json_each(:ids))

-- give_back: Never begun.
UPDATE runs SET state = 'waiting', attempt = attempt - 1, lease_until = NULL
WHERE id = :id AND attempt = :attempt AND state = 'running'

-- forget: What is old.
DELETE FROM history WHERE rowid IN (SELECT rowid FROM history WHERE ended_at < :now - :age ORDER BY ended_at LIMIT :at_once);
SELECT changes()
