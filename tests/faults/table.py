"""Run the fault suites and print their counts; keep them in a file, as the table of the docs.

cd tests && python -m faults.table [--json FILE] [OPTION OF PYTEST …]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from children import child

SUITES = Path(__file__).resolve().parent


def main() -> int:
    """Run the suites; write the file if all of them pass."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="keep the counts")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "faults", str(SUITES), *options]
        environment = {**os.environ, "FAULT_RESULTS": str(counts)}
        code = subprocess.run(child(*command), env=environment, check=False).returncode
        rows = sorted(counts.read_text().splitlines()) if counts.exists() else []
    print(*rows, sep="\n")
    if arguments.json and code == 0:
        found = [json.loads(row) for row in rows]
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
