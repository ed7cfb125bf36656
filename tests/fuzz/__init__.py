"""Near misses of the corpus against one real server, as many as it answers, beside a client that behaves well.

`scripts` makes up what is sent and works out beforehand what must come back; `generator` sends it, from a process of its own;
`trial` lets it, and looks at the server. `python -m tests.fuzz SECONDS` says what came of it; `make soak` puts that into its page.
"""
