"""`make soak`: every lifecycle story many times, a minute of fuzzing, and docs/soak.md with what came of both.

Its exit status is that of the one that failed.
"""

import datetime as dt
import os
import platform
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROUNDS = int(os.environ.get("STORY_ROUNDS", "20"))
FUZZING = 60  # seconds
PAGE = """# Soak

Every lifecycle story, told {rounds} times in a row by `make soak`: a race that is lost once in a while shows here.

{date}, Linux {kernel}, Python {python}, {cpus} processors: **{passed} of {total} passed** in {minutes:.0f} minutes.

| story | told | failed | median s | longest s |
|---|---|---|---|---|
{rows}

## Fuzzing

{fuzzing}
"""


def main() -> int:
    """Run the stories, fuzz, and write the page."""
    report = ROOT / ".pytest_cache" / "soak.xml"
    report.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "tests/stories", "-m", "story", "-q", "--show-capture=no", f"--junit-xml={report}"]
    environment = {**os.environ, "STORY_ROUNDS": str(ROUNDS)}
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    command = [sys.executable, "-m", "tests.fuzz", str(FUZZING)]
    fuzzing = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    (ROOT / "docs" / "soak.md").write_text(page(ET.parse(report).getroot(), fuzzing.stdout.strip()))
    return status or fuzzing.returncode


def page(root: ET.Element, fuzzing: str) -> str:
    """The page from pytest's report and what the fuzzing says."""
    times: dict[str, list[float]] = defaultdict(list)
    failures: dict[str, int] = defaultdict(int)
    for case in root.iter("testcase"):
        name = re.sub(r"\[\d+-?|\]$|(?<=\[)\d+-", lambda found: "[" if found[0].startswith("[") else found[0], case.get("name", ""))
        name = name.replace("[]", "")
        times[name].append(float(case.get("time", "0")))
        failures[name] += case.find("failure") is not None or case.find("error") is not None
    rows = [
        f"| {name} | {len(spent)} | {failures[name]} | {sorted(spent)[len(spent) // 2]:.1f} | {max(spent):.1f} |"
        for name, spent in sorted(times.items())
    ]
    total, failed = sum(map(len, times.values())), sum(failures.values())
    return PAGE.format(
        rounds=ROUNDS,
        date=dt.datetime.now(dt.UTC).date(),
        kernel=platform.release().partition("-")[0],
        python=platform.python_version(),
        cpus=os.cpu_count(),
        passed=total - failed,
        total=total,
        minutes=sum(map(sum, times.values())) / 60,
        rows="\n".join(rows),
        fuzzing=fuzzing,
    )


if __name__ == "__main__":
    sys.exit(main())
