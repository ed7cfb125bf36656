"""Keeps the wanted workers alive. One thread, one loop; no application code, no database, no HTTP.

Decisions are pure (`fleet`, `backoff`); only `spawn` starts, kills and reaps processes.
"""
