-- When the time of a run was found by the clock, of those that nobody has given one: what a clock has put off that was ahead is recalled.

ALTER TABLE prefork.runs ADD COLUMN planned_at timestamptz;
