"""The benchmark is run as a script, so its modules import each other by their bare names."""

import sys
from pathlib import Path

BENCH = Path(__file__).parents[3] / "bench"
sys.path.append(str(BENCH))
