"""The table of docs/recover.md: how fast logs are read, as `make bench-recover` measured it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs_reference import code, markdown_table

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "recover-speed.json"
LOGS = {
    "sparse": "of Optuna, a result every 7 KB",
    "dense": "of Optuna, a result every 0.7 KB",
    "gz": "the first one, gzipped",
    "own": "of a script, 50 epochs a trial",
}


def times(figures: dict[str, Any], reader: str) -> str:
    """Return how many times the CPU of `read_trials` a reader takes; nothing if it did not run."""
    found = figures["readers"].get(reader)
    return f"{found['ratio']:.2g}" if found else ""


def speed() -> str | None:
    """Return the CPU of `read_trials` on each kind of log, and of other readers beside it."""
    if not FIGURES.exists():
        return None
    told = json.loads(FIGURES.read_text(encoding="utf-8"))
    others = ["with parameters", "recover-trials", "line loop", "grep -c", "rg -c", "wc -l"]
    rows = []
    for name, about in LOGS.items():
        known = told[name]
        ours = known["readers"]["read_trials"]
        size, trials = f"{known['mb']:.0f} MB", f"{known['trials']:,}"
        cpu = f"{ours['cpu_s']:.3f} s ({ours['mb_per_cpu_s']:,.0f} MB/s)"
        cells = [about, size, trials, cpu, f"{ours['peak_mb']:.0f} MB"]
        rows.append([*cells, *(times(known, reader) for reader in others)])
    head = ["log", "size", "trials", "`read_trials`", "peak", *map(code, others)]
    stream = told["stream"]
    memory = (
        f"A stream of {stream['long_mb'] / 1000:.0f} GB with 100 trials takes"
        f" {stream['long_peak_mb']:.0f} MB, one of {stream['short_mb']:.0f} MB"
        f" {stream['short_peak_mb']:.0f} MB. A trial takes {bytes_of(told['sparse'], 'trials')}"
        f" bytes in memory, a point of a curve {bytes_of(told['own'], 'points')}."
    )
    return f"{markdown_table(head, rows)}\n\n{memory}"


def bytes_of(known: dict[str, Any], what: str) -> str:
    """Return the memory that each of a kind takes, then with every parameter asked for."""
    least, most = (
        known[name] / known[what] for name in ("bytes_kept", "bytes_kept_with_parameters")
    )
    return f"{least:,.0f} to {most:,.0f}" if most > 1.01 * least else f"{least:,.0f}"
