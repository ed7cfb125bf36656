"""Everything that runs inside the application's interpreter: the template, the life of a worker, its bodies and hosts.

Imports scoreboard, messages, kernel, http.framing, http.pages and the standard library only, and works on Python 3.9+.
"""
