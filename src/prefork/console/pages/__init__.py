"""The console's web pages: what the API tells, for people. Live by htmx and server-sent events, useful without.

Nothing in a page comes from another host, and none has a script or a style of its own: the content security policy forbids both.
"""
