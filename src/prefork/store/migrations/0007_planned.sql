-- When a job is due next is found at the beginning of its waiting runs, however many are planned. What is being done is in
-- `runs_running`, and all else that asks for a job's runs reads the whole table.

CREATE INDEX runs_planned ON prefork.runs (job, due_at) WHERE state = 'waiting';
DROP INDEX prefork.runs_job;
