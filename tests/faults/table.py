"""Run the fault suites and keep their counts, which they print, as the table of the docs.

cd tests && python -m faults.table FILE.json [OPTION OF PYTEST …]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SUITES = Path(__file__).resolve().parent


def main() -> int:
    """Run the suites; write the table if all of them pass."""
    target, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-m", "faults", str(SUITES)]
        environment = {**os.environ, "FAULT_RESULTS": str(counts)}
        code = subprocess.run([*command, *options], env=environment, check=False).returncode
        rows = sorted(counts.read_text().splitlines()) if counts.exists() else []
    if code == 0:
        Path(target).write_text(json.dumps([json.loads(row) for row in rows], indent=1) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
