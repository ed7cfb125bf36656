"""Instances that the console runs itself: made from what is wanted and what is free, started, looked after, upgraded, removed.

`wish`, `grant` and `files` are pure. Nothing here knows HTTP, and nothing that it starts depends on it.
"""
