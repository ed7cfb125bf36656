-- Mail is handed in for each recipient alone: one whom a server refuses keeps nobody else's back.
ALTER TABLE notices ADD COLUMN recipient TEXT NOT NULL DEFAULT '';
