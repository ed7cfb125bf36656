"""Notices that files of the application change, for `--dev`: a process of its own, exec'd by the master, that tells it their names.

It decides nothing, and reads no file. Only `__main__` imports watchfiles: whoever does not use `--dev` does not need it.
"""
