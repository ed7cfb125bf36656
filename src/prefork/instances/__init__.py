"""What the console keeps: instances, people, tokens, what was done. One SQLite file, no HTTP."""
