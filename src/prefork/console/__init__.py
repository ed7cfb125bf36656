"""The console: a REST API and pages over what `instances` keeps and servers say. Losing it never touches a server."""
