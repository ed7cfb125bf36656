"""Hosts ASGI applications: which ones they are, their life in a worker, what they are told of a client.

One event loop for each worker. Nothing here reads or writes a socket; the workers do that for both kinds of pool.
"""
