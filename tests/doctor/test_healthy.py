"""Nothing is said against what is healthy."""

import json
import subprocess
import sys
from pathlib import Path

from prefork.doctor.checks import CHECKS

from .bed import Bed, alarms

MACHINES = {name for name, each in CHECKS.items() if each.about == "machine"} | {"unit-enabled", "workers-busy"}


def test_the_healthy_system_has_no_alarm(bed: Bed) -> None:
    program = Path(sys.prefix, "bin/prefork")
    around = ["--url", bed.nginx.url, "--config", bed.files.conf, "--nginx", bed.files.nginx, "--dsn", bed.dsn]
    command = [program, "doctor", *around, "--pid", str(bed.server.pid), "--data-dir", bed.server.data_dir, "--json"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = {each["check"]: each for each in json.loads(said.stdout)}
    assert alarms(found, *MACHINES) == {}
    assert (said.returncode, said.stderr) == (0, "")
    assert all(list(each) == ["check", "verdict", "seen", "why", "fix"] for each in found.values())
    assert set(found) == set(CHECKS), "left out although everything was there"
    assert "a-secret" not in said.stdout
