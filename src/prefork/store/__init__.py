"""Access to the database that Prefork keeps its own things in: PostgreSQL, schema `prefork`, or in threaded mode a SQLite file.

The only room that imports a driver. It runs in the application's interpreter as well as in Prefork's: psycopg 3 is looked for when
it is needed, and its absence is one sentence. Connections are made after the fork, and a password never leaves the address.
"""
