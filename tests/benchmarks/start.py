"""Print what starting and rendering cost: CPU milliseconds beside those of a bare Python.

python tests/benchmarks/start.py
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

RENDER = """
import time
from hpogen.render import render
from hpogen.spec import make_spec
render(make_spec(budget="2M", horizon=1))
since = time.process_time()
for budget in ("2M", "20M", "200M", "2B"):
    for horizon in (1, 3, 5):
        render(make_spec(budget=budget, horizon=horizon))
print(time.process_time() - since)
"""


def cpu_ms(*arguments: str) -> float:
    """Return the CPU time of a Python process, the median of seven."""
    times = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times) * 1000


def main() -> None:
    """Print the table."""
    bare = cpu_ms("-c", "pass")
    helped = cpu_ms("-m", "hpogen", "--help")
    done = subprocess.run(
        [sys.executable, "-c", RENDER], check=True, capture_output=True, text=True
    )
    print(f"bare Python            {bare:7.0f} ms CPU")
    print(f"hpogen --help          {helped:7.0f} ms CPU, {helped - bare:.0f} over bare")
    print(f"12 renders             {float(done.stdout) * 1000:7.0f} ms CPU after imports")


if __name__ == "__main__":
    main()
