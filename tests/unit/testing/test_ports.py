"""What the kit promises about ports."""

import subprocess
import sys

from prefork.testing import ports

COUNT = 60
RANGE = (20_000, 20_000 + 4 * COUNT)
ELSEWHERE = f"""
from prefork.testing import ports
ports.LOWEST, ports.HIGHEST = {RANGE}
print(*(ports.free_port() for _ in range({COUNT})))
"""


def test_no_port_is_given_twice_by_whichever_process(monkeypatch):
    monkeypatch.setattr(ports, "LOWEST", RANGE[0])
    monkeypatch.setattr(ports, "HIGHEST", RANGE[1])
    here = [ports.free_port() for _ in range(COUNT)]
    said = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True).stdout
    assert len({*here, *map(int, said.split())}) == 2 * COUNT
