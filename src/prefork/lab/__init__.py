"""The lab: what `prefork render` writes, run on one machine. Each node is a set of namespaces: network, files, processes.

A node gets its rendered tree copied onto its root directory, as on a machine of its own; what the lab changes is said in `changes`.
Nothing of it has a name outside: when a node's first process dies, the kernel takes all that it started, mounted and configured.
"""
