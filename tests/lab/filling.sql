-- Ten million ended runs of a month and ten million messages of a day, so that a few of both are too old at each moment, and what a
-- large site has besides. The two are not logged, or it would all be copied to standbys and archive; who reads sees no difference.
SET maintenance_work_mem = '256MB';
ALTER TABLE prefork.history SET UNLOGGED;
ALTER TABLE prefork.messages SET UNLOGGED;

INSERT INTO prefork.jobs (name, schedule, due_at, declared)
SELECT 'shop.job' || n, 'every 10 minutes', now() + CASE WHEN n < 5 THEN interval '-1 minute' ELSE interval '1 day' END, '{}'
FROM generate_series(0, 199) AS n;
INSERT INTO prefork.nodes (node, jobs) SELECT 'cron' || n, ARRAY(SELECT name FROM prefork.jobs) FROM generate_series(1, 20) AS n;
INSERT INTO prefork.runs (job, due_at, priority, arguments)
SELECT 'shop.job' || n % 200, now() + CASE WHEN n <= 1000 THEN interval '-1 minute' ELSE n * interval '1 second' + interval '1 day' END,
       5, '{"args": [], "kwargs": {}}'
FROM generate_series(1, 100000) AS n;
INSERT INTO prefork.runs (job, priority, arguments, state, attempt, node, worker, pid, claimed_at, lease_until)
SELECT 'shop.job' || n, 5, '{"args": [], "kwargs": {}}', 'running', 1, 'elsewhere', 'cron.' || n, n, now(), now() + interval '1 day'
FROM generate_series(1, 10) AS n;

ALTER TABLE prefork.history DROP CONSTRAINT history_pkey;
DROP INDEX prefork.history_job, prefork.history_ended;
INSERT INTO prefork.history (run, attempt, job, due_at, node, worker, pid, claimed_at, ended_at, outcome, seconds, cpu, memory)
SELECT -n, 1, 'shop.job' || n % 200, at, 'cron1', 'cron.' || n % 4, 1000, at, at, CASE n % 100 WHEN 0 THEN 'failed' ELSE 'done' END,
       1.5, 0.5, 50000000
FROM generate_series(1, :rows) AS n, LATERAL (SELECT now() - interval '30 days 1 hour' + n * (interval '30 days' / :rows)) AS t (at);
ALTER TABLE prefork.history ADD PRIMARY KEY (run, attempt);
CREATE INDEX history_job ON prefork.history (job, ended_at DESC);
CREATE INDEX history_ended ON prefork.history (ended_at);

DELETE FROM prefork.readers;
ALTER TABLE prefork.messages DROP CONSTRAINT messages_pkey;
DROP INDEX prefork.messages_position;
INSERT INTO prefork.messages (position, channel, payload, at)
SELECT n, 'room:' || n % 1000, json_build_object('said', n), now() - interval '1 day' + n * (interval '1 day' / :rows)
FROM generate_series(1, :rows) AS n;
SELECT setval('prefork.positions', :rows);
ALTER TABLE prefork.messages ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX messages_position ON prefork.messages (position);

INSERT INTO prefork.presence (channel, member) SELECT 'room:' || n % 1000, 'member ' || n FROM generate_series(1, 20000) AS n;
INSERT INTO prefork.sessions (id, payload, expires)
SELECT 'session ' || n, decode(repeat('ab', 500), 'hex'), now() + (n - 1000) * interval '1 second' FROM generate_series(1, 200000) AS n;
VACUUM (ANALYZE) prefork.jobs, prefork.nodes, prefork.runs, prefork.history, prefork.messages, prefork.presence, prefork.sessions;
