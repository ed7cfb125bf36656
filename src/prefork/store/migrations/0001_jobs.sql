-- Scheduled jobs. `jobs` are what the code declares and operators edit, `runs` what is due or being done, `history` what has ended.

CREATE TABLE prefork.jobs (
    name            text PRIMARY KEY,
    schedule        text,                                -- 'every 10 minutes', a cron expression, or null: only when deferred
    tz              text NOT NULL DEFAULT 'UTC',         -- what a cron expression's hours are meant in
    misfire         text NOT NULL DEFAULT 'once' CHECK (misfire IN ('once', 'skip')),
    priority        integer NOT NULL DEFAULT 5,          -- the smallest comes first
    retries         integer NOT NULL DEFAULT 3 CHECK (retries >= 0),
    arguments       jsonb NOT NULL DEFAULT '{"args": [], "kwargs": {}}',
    active          boolean NOT NULL DEFAULT true,
    due_at          timestamptz,                         -- the next time; null where there is none
    failures        integer NOT NULL DEFAULT 0,          -- runs in a row that failed
    first_failed_at timestamptz,                         -- the first of them
    remark          text,                                -- why it is not active, where Prefork decided it
    declared        jsonb NOT NULL                       -- what the code said last: only a change of it overrules an operator
);

CREATE TABLE prefork.runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text NOT NULL,
    due_at      timestamptz NOT NULL DEFAULT now(),
    recurring   boolean NOT NULL DEFAULT false,
    priority    integer NOT NULL,
    arguments   jsonb NOT NULL,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running')),
    attempt     integer NOT NULL DEFAULT 0,
    lost        integer NOT NULL DEFAULT 0,              -- workers that did not survive it
    node        text,
    worker      text,
    pid         integer,
    claimed_at  timestamptz,
    lease_until timestamptz,
    done        bigint,
    remaining   bigint
);

-- No leader: whoever notices first that a job is due makes its run.
CREATE UNIQUE INDEX runs_recurring ON prefork.runs (job, due_at) WHERE recurring;
CREATE INDEX runs_waiting ON prefork.runs (lost, priority, due_at, id) WHERE state = 'waiting';
CREATE INDEX runs_running ON prefork.runs (lease_until) WHERE state = 'running';
CREATE INDEX runs_job ON prefork.runs (job);
CREATE INDEX jobs_due ON prefork.jobs (due_at) WHERE active AND due_at IS NOT NULL;

CREATE TABLE prefork.history (
    run         bigint NOT NULL,
    attempt     integer NOT NULL,
    job         text NOT NULL,
    due_at      timestamptz NOT NULL,
    node        text,
    worker      text,
    pid         integer,
    claimed_at  timestamptz,
    ended_at    timestamptz NOT NULL DEFAULT now(),
    outcome     text NOT NULL CHECK (outcome IN ('done', 'failed', 'lost')),
    seconds     double precision,
    cpu         double precision,                        -- seconds
    memory      bigint,                                  -- bytes at its peak
    error       text,                                    -- the end of the traceback, or how it was lost
    PRIMARY KEY (run, attempt)
);
CREATE INDEX history_job ON prefork.history (job, ended_at DESC);
CREATE INDEX history_ended ON prefork.history (ended_at);
