"""A server whose application the standard library's referee watches."""

from prefork.testing import Server


class Validated(Server):
    """A server whose applications are watched by `wsgiref.validate`: it must not have had a complaint."""

    def close(self) -> None:
        """Close it, and look for complaints."""
        super().close()
        complaints = [line for line in self.log.output if "AssertionError" in line or "without being closed" in line]
        assert not complaints, self.log.text()
