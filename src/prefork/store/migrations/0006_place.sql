-- A message is found by its index to be given its place, whatever is known of the table. A session keeps the plan that it made when
-- there were few messages, and would read them all for each one until somebody analyzes the table.

ALTER FUNCTION prefork.place() SET enable_seqscan = off;
