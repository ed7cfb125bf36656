"""The files around the servers: pure functions from settings and a topology to `{node: {path: text}}`. Nothing is read or written.

A node's paths are absolute without their first slash, so what is rendered for it is a tree to copy onto its root directory.
"""
