-- When the next time of a job was planned: what a clock has planned that was ahead is planned anew once it is right again.

ALTER TABLE prefork.jobs ADD COLUMN planned_at timestamptz;
