"""Scheduled jobs: what an application declares, when it is due, and how a worker for jobs gets through it.

Runs in the application's interpreter: standard library, and cronsim for cron expressions. SQL is in `prefork.store`.
"""
