"""Prefork: a pre-fork application server for Python web applications.

This file is imported inside the application's own interpreter as well: it must stay empty of imports.
"""

__version__ = "0.1.0"
