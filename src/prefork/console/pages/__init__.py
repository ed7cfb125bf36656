"""The console's web pages: what the API tells, for people. Rendered here, live by htmx and server-sent events, useful without either.

Nothing in a page comes from another host, and none has a script or a style of its own: the content security policy forbids both.
"""
