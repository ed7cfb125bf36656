-- What is over is found by its time, and what was undone by who has done that.
CREATE INDEX audit_of_time ON audit (at);
CREATE INDEX works_of_end ON works (ended_at);
CREATE INDEX changes_of_end ON changes (ended_at);
CREATE INDEX changes_that_undo ON changes (undoes);
