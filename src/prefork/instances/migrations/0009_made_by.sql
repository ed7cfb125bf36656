-- By which token one was made: it ends with that. Those that were made by people, or before this, have none.
ALTER TABLE tokens ADD COLUMN made_by INTEGER REFERENCES tokens ON DELETE CASCADE;
CREATE INDEX tokens_made_by ON tokens (made_by);
