"""Owns the client connections: accepts, reads, queues, hands complete requests to idle workers.

Runs as a process of its own, without any code of the application, and never blocks on a client, a worker or the log.
"""
