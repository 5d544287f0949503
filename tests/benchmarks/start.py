"""Print what starting and rendering cost: CPU milliseconds beside those of a bare Python.

python tests/benchmarks/start.py
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

RENDER = """
import hashlib, time
from hpogen.rendering.render import render
from hpogen.spec import make_spec
digest = hashlib.sha256()
since = time.process_time()
for budget in ("2M", "20M", "200M", "2B"):
    for horizon in (1, 3, 5):
        digest.update(render(make_spec(budget=budget, horizon=horizon)).encode())
print(time.process_time() - since, digest.hexdigest())
"""
IMPORTS = (
    "import hpogen.cli, hpogen.configuration.load, hpogen.spec, hpogen.rendering.render,"
    " hpogen.render_command"
)
RUNS = 7


def cpu_ms(*arguments: str) -> float:
    """Return the CPU time of a Python process, the median of seven."""
    times = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times) * 1000


def renders() -> tuple[float, set[str]]:
    """Return the CPU time of 12 scripts, the median of seven, and the digests they had.

    Each run has another hash seed.
    """
    times, digests = [], set()
    for seed in range(RUNS):
        done = subprocess.run(
            [sys.executable, "-c", RENDER],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
            text=True,
        )
        seconds, digest = done.stdout.split()
        times.append(float(seconds))
        digests.add(digest)
    return statistics.median(times) * 1000, digests


def main() -> int:
    """Print the table; return 1 if scripts depend on the hash seed."""
    bare = cpu_ms("-c", "pass")
    helped = cpu_ms("-m", "hpogen", "--help")
    imported = cpu_ms("-c", IMPORTS)
    one = cpu_ms("-m", "hpogen", "render", "--budget", "2M", "--horizon", "1", "--stdout")
    twelve, digests = renders()
    print(f"bare Python                     {bare:7.0f} ms CPU")
    print(f"hpogen --help                   {helped:7.0f} ms CPU, {helped - bare:.0f} over bare")
    print(
        f"imports for rendering           {imported:7.0f} ms CPU, {imported - bare:.0f} over bare"
    )
    print(f"hpogen render                   {one:7.0f} ms CPU, {one - imported:.0f} over imports")
    print(f"12 scripts after imports        {twelve:7.0f} ms CPU")
    print(f"hash seeds {RUNS}, different outputs {len(digests):7}")
    return 0 if len(digests) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
