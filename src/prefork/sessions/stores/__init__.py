"""The stores of sessions: a module for each."""
