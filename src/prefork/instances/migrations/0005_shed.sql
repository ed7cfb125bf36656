-- Requests that were sent away because too many waited. Those that are `refused` could not be read.
ALTER TABLE samples ADD COLUMN shed INTEGER NOT NULL DEFAULT 0;
