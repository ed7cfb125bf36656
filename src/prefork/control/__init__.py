"""The commands that steer a running server, and the way they travel: one JSON object per line over a Unix socket."""
