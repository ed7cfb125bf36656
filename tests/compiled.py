"""A plugin of pytest, `-p tests.compiled`: a run's tests import modules in their compiled form. For `make test-compiled`."""

from __future__ import annotations

from prefork import compiled

assert compiled.modules(), "nothing is compiled here: make compiled"
assert not compiled.changed(), f"these are not compiled from what they are now: {compiled.changed()}"
compiled.prefer()
